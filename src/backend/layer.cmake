target_link_libraries(co_backend PUBLIC dnnl)

# The lane kernels are one source compiled once per instruction set (docs/METHODS.md 8). No
# -march=native: the table is chosen when the program runs.
# Sanitizers: -O3 and checks of every pointer sum would compile for many minutes (clang 14).
set(CO_KERNEL_FLAGS "-O3")
if(CO_SANITIZED)
    set(CO_KERNEL_FLAGS "-O1;-fno-sanitize=alignment,null,object-size,pointer-overflow")
endif()
set(CO_LANE_DIR ${PROJECT_SOURCE_DIR}/src/backend/dnnl/lane)
set_source_files_properties(${CO_LANE_DIR}/lane_plain.c PROPERTIES
    COMPILE_OPTIONS "${CO_KERNEL_FLAGS}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
    set_source_files_properties(${CO_LANE_DIR}/lane_avx2.c PROPERTIES
        COMPILE_OPTIONS "${CO_KERNEL_FLAGS};-mavx2;-mfma")
    set_source_files_properties(${CO_LANE_DIR}/lane_avx512.c PROPERTIES
        COMPILE_OPTIONS "${CO_KERNEL_FLAGS};-mavx512f;-mavx512vl;-mavx512dq;-mavx512bw;-mfma")
endif()
file(GLOB CO_LANE_PARTS CONFIGURE_DEPENDS ${CO_LANE_DIR}/*.inc)
set_source_files_properties(${CO_LANE_DIR}/lane_plain.c ${CO_LANE_DIR}/lane_avx2.c
    ${CO_LANE_DIR}/lane_avx512.c PROPERTIES OBJECT_DEPENDS "${CO_LANE_PARTS}")

# So are the vector operations over flat buffers.
set(CO_VECTOR_DIR ${PROJECT_SOURCE_DIR}/src/backend/dnnl)
set_source_files_properties(${CO_VECTOR_DIR}/vector_plain.c PROPERTIES
    COMPILE_OPTIONS "${CO_KERNEL_FLAGS}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
    set_source_files_properties(${CO_VECTOR_DIR}/vector_avx2.c PROPERTIES
        COMPILE_OPTIONS "${CO_KERNEL_FLAGS};-mavx2")
    set_source_files_properties(${CO_VECTOR_DIR}/vector_avx512.c PROPERTIES
        COMPILE_OPTIONS "${CO_KERNEL_FLAGS};-mavx512f;-mavx512vl;-mavx512dq;-mavx512bw")
endif()
set_source_files_properties(${CO_VECTOR_DIR}/vector_plain.c ${CO_VECTOR_DIR}/vector_avx2.c
    ${CO_VECTOR_DIR}/vector_avx512.c PROPERTIES OBJECT_DEPENDS ${CO_VECTOR_DIR}/vector.inc)
