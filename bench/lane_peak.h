/* The multiply-add peak of one core, measured in registers. */
#ifndef CO_BENCH_LANE_PEAK_H
#define CO_BENCH_LANE_PEAK_H

#include "backend/dnnl/lane/lane.h"

/* GFLOP/s, best of several short runs. */
double co_lane_peak_gflops(co_lane_isa isa);

#endif
