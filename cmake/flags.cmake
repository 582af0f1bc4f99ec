# Flags of our own code. -ffp-contract=off: gcc and clang differ in what they fuse.
add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                    -Wpointer-arith -Wcast-qual -Wformat=2 -Wundef -Werror
                    -ffp-contract=off -fno-math-errno -fvisibility=hidden)
add_compile_definitions(_GNU_SOURCE)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_compile_options(-fno-semantic-interposition)
    string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}") # asserts stay
    string(REPLACE "-O3" "-O2" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
    set(CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE} -g1")
endif()

# The sanitizers' build type: -O1 keeps the numerical tests within their time limits.
set(CMAKE_C_FLAGS_SANITIZE "-O1 -g -fno-omit-frame-pointer")
set(CO_SANITIZED OFF)
if(CO_SANITIZE_ADDRESS AND CO_SANITIZE_THREAD)
    message(FATAL_ERROR "CO_SANITIZE_ADDRESS and CO_SANITIZE_THREAD exclude each other: "
            "use one build folder for each (presets asan-ubsan and tsan)")
endif()
if(CO_SANITIZE_ADDRESS)
    set(CO_SANITIZED ON)
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all)
    add_link_options(-fsanitize=address,undefined)
endif()
if(CO_SANITIZE_THREAD)
    set(CO_SANITIZED ON)
    add_compile_options(-fsanitize=thread)
    add_link_options(-fsanitize=thread)
endif()
if(CO_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
        message(FATAL_ERROR "CO_FUZZ needs clang (libFuzzer); use the preset: cmake --preset fuzz")
    endif()
    set(CO_SANITIZED ON)
    add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
    add_link_options(-fsanitize=address,undefined)
endif()
if(CO_SANITIZED AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # gcc's flow analysis loses its way in instrumented code, as its manual says.
    add_compile_options(-Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow)
endif()
