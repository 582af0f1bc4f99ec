target_link_libraries(co_data PRIVATE PkgConfig::ARCHIVE)
