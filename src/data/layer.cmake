target_link_libraries(co_data PRIVATE PkgConfig::ARCHIVE PkgConfig::JPEG PkgConfig::SPNG
                      PkgConfig::ZLIB)
if(FETCH_FOUND)
    target_link_libraries(co_data PRIVATE PkgConfig::FETCH)
    target_compile_definitions(co_data PRIVATE CO_HAVE_FETCH)
endif()
# gcc makes vectors of the loops that draw a glyph or resize an image only at -O3 and when it need
# not mind floating point traps (a glyph: 14 -> 5 us). No flag here changes a result: the tests
# compare the bytes.
set_source_files_properties(src/data/glyphs_draw.c src/data/image/resample.c PROPERTIES
                            COMPILE_OPTIONS "$<$<CONFIG:Release>:-O3;-fno-trapping-math>")
