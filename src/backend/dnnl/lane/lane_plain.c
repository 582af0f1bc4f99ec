#define CO_LANE_FORM  0
#define CO_LANE_NAME  "plain"
#define CO_LANE_TABLE co_lane_plain_ops
#include "backend/dnnl/lane/kernels.inc"
