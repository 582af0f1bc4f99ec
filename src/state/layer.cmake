# The header is parsed by hand (see safetensors_header.c); the tests check it with jansson.
target_link_libraries(co_state PRIVATE PkgConfig::JANSSON)
