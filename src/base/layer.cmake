target_link_libraries(co_base PRIVATE PkgConfig::XXHASH)
