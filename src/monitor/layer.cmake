# JSON is written with base/text and read back, for `cohort runs`, with jansson.
# Pictures for TensorBoard are PNG files.
target_link_libraries(co_monitor PRIVATE PkgConfig::JANSSON PkgConfig::SPNG)
if(SQLITE_FOUND) # without it `cohort runs` reads all folders each time
    target_link_libraries(co_monitor PRIVATE PkgConfig::SQLITE)
    target_compile_definitions(co_monitor PRIVATE CO_SQLITE)
endif()
