/* Compiled with the flags of this instruction set; see src/backend/layer.cmake. */
#if defined(__x86_64__)
#define CO_LANE_FORM  1
#define CO_LANE_NAME  "avx2"
#define CO_LANE_TABLE co_lane_avx2_ops
#include "backend/dnnl/lane/kernels.inc"
#else
typedef int co_lane_avx2_is_for_x86_64;
#endif
