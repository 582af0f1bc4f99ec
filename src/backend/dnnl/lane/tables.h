/* The tables that lane_<isa>.c define. Private: others ask co_lane_ops_for. */
#ifndef CO_BACKEND_DNNL_LANE_TABLES_H
#define CO_BACKEND_DNNL_LANE_TABLES_H

#include "backend/dnnl/lane/lane.h"

extern const co_lane_ops co_lane_plain_ops;
#if defined(__x86_64__)
extern const co_lane_ops co_lane_avx2_ops;
extern const co_lane_ops co_lane_avx512_ops;
#endif

#endif
