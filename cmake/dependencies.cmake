# Libraries from the distribution. Missing ones are named together, with their Debian packages.
set(CO_MISSING "")
find_package(Threads REQUIRED)
find_package(PkgConfig)
if(NOT PKG_CONFIG_FOUND)
    message(FATAL_ERROR "pkg-config is missing (Debian: pkg-config); run: tools/setup.sh build")
endif()

# co_library(PREFIX MODULE PACKAGE): the imported target PkgConfig::PREFIX, or a note.
macro(co_library PREFIX MODULE PACKAGE)
    pkg_check_modules(${PREFIX} QUIET IMPORTED_TARGET ${MODULE})
    if(NOT ${PREFIX}_FOUND)
        list(APPEND CO_MISSING ${PACKAGE})
    endif()
endmacro()
co_library(YAML yaml-0.1 libyaml-dev)
co_library(JANSSON jansson libjansson-dev)
co_library(ARCHIVE libarchive libarchive-dev)
co_library(XXHASH libxxhash libxxhash-dev)
co_library(JPEG libjpeg libjpeg62-turbo-dev)
co_library(SPNG spng libspng-dev)
co_library(ZLIB zlib zlib1g-dev)
pkg_check_modules(CMOCKA QUIET IMPORTED_TARGET cmocka)
# Only `cohort data fetch` needs them; -D CO_FETCH=OFF builds without.
option(CO_FETCH "Downloads of data sets (libcurl, libmd)" ON)
if(CO_FETCH)
    pkg_check_modules(FETCH QUIET IMPORTED_TARGET libcurl libmd)
endif()
pkg_check_modules(SQLITE QUIET IMPORTED_TARGET sqlite3)

find_path(DNNL_INCLUDE_DIR dnnl.h)
find_library(DNNL_LIBRARY dnnl)
if(NOT DNNL_INCLUDE_DIR OR NOT DNNL_LIBRARY)
    list(APPEND CO_MISSING libdnnl-dev)
endif()
if(CO_MISSING)
    list(JOIN CO_MISSING " " CO_MISSING_TEXT)
    message(FATAL_ERROR "these libraries are missing (Debian packages): ${CO_MISSING_TEXT}\n"
            "Install them with: tools/setup.sh build")
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

# OpenMP only with gcc: clang and sanitizer builds use the POSIX form of base/threads.
set(CO_THREADS "POSIX threads")
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT CO_SANITIZE_THREAD AND NOT CO_SANITIZE_ADDRESS)
    find_package(OpenMP QUIET COMPONENTS C)
    if(OpenMP_C_FOUND)
        set(CO_THREADS "OpenMP ${OpenMP_C_VERSION}")
    endif()
endif()

# Components that are left out where their library is missing.
option(CO_MPI "Many workers, if Open MPI is found" ON)
option(CO_SIM "The simulated cluster, if SimGrid is found" ON)
if(CO_MPI)
    find_package(MPI QUIET COMPONENTS C)
    pkg_check_modules(OMPI QUIET ompi-c)
endif()
set(CO_SIMGRID OFF)
if(CO_SIM)
    find_path(SIMGRID_INCLUDE_DIR smpi/smpi.h)
    find_library(SIMGRID_LIBRARY simgrid)
    get_filename_component(SIMGRID_FOLDER "${SIMGRID_LIBRARY}" DIRECTORY)
    find_program(SIMGRID_SMPIMAIN smpimain HINTS ${SIMGRID_FOLDER}/simgrid)
    # Instrumented objects cannot be loaded into SimGrid's own program.
    if(SIMGRID_INCLUDE_DIR AND SIMGRID_LIBRARY AND SIMGRID_SMPIMAIN AND NOT CO_SANITIZE_ADDRESS
       AND NOT CO_SANITIZE_THREAD AND NOT CO_FUZZ)
        set(CO_SIMGRID ON)
        pkg_check_modules(SIMGRID_MODULE QUIET simgrid)
        set(SIMGRID_VERSION "SimGrid ${SIMGRID_MODULE_VERSION}")
    endif()
endif()
