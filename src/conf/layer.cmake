target_link_libraries(co_conf PRIVATE PkgConfig::YAML)
