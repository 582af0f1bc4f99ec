target_link_libraries(co_state PRIVATE PkgConfig::JANSSON)
