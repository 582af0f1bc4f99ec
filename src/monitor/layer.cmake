target_link_libraries(co_monitor PRIVATE PkgConfig::JANSSON)
