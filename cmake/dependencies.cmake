# Libraries from the distribution. Each missing one is named with its Debian package.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)

find_path(DNNL_INCLUDE_DIR dnnl.h)
find_library(DNNL_LIBRARY dnnl)
if(NOT DNNL_INCLUDE_DIR OR NOT DNNL_LIBRARY)
    message(FATAL_ERROR "oneDNN 2.x is missing (Debian: libdnnl-dev); run tools/setup.sh")
endif()
file(STRINGS ${DNNL_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h DNNL_VERSION_LINES
     REGEX "#define DNNL_VERSION_(MAJOR|MINOR|PATCH)")
string(REGEX REPLACE ".*MAJOR +([0-9]+).*MINOR +([0-9]+).*PATCH +([0-9]+).*" "\\1.\\2.\\3"
       DNNL_VERSION "${DNNL_VERSION_LINES}")
if(NOT DNNL_VERSION MATCHES "^2\\.")
    message(FATAL_ERROR "oneDNN ${DNNL_VERSION} is refused: cohort speaks the 2.x API, and later "
            "versions have no Winograd for training (install Debian 12's libdnnl-dev)")
endif()
add_library(dnnl INTERFACE)
target_include_directories(dnnl SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(dnnl INTERFACE ${DNNL_LIBRARY})

# OpenMP only with gcc: clang and thread-sanitizer builds use the POSIX form of base/threads.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT CO_SANITIZE_THREAD AND NOT CO_SANITIZE_ADDRESS)
    find_package(OpenMP COMPONENTS C)
endif()
