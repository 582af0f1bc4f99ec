/* Compiled with the flags of this instruction set; see src/backend/layer.cmake. */
#if defined(__x86_64__)
#define CO_VECTOR_TABLE co_vector_avx512
#include "backend/dnnl/vector.inc"
#else
typedef int co_vector_avx512_is_for_x86_64;
#endif
