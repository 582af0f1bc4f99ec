# Loops over whole gradients: gcc 12 makes vectors of them at -O3 only.
set_source_files_properties(src/strategy/tree.c PROPERTIES COMPILE_OPTIONS
                            "$<$<CONFIG:Release>:-O3>")
