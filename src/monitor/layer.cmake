# JSON is written with base/text; the tests read it back with jansson.
target_link_libraries(co_monitor PRIVATE PkgConfig::JANSSON)
