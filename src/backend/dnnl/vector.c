#include "backend/dnnl/vector.h"

#include <math.h>

const co_vector_ops *co_vector_ops_for(co_lane_isa isa)
{
#if defined(__x86_64__)
    if (isa == CO_LANE_AVX512) {
        return &co_vector_avx512;
    }
    if (isa == CO_LANE_AVX2) {
        return &co_vector_avx2;
    }
#else
    (void)isa;
#endif
    return &co_vector_plain;
}

co_adam_step co_adam_step_of(const co_adam *hyper)
{
    double step = (double)hyper->step;
    double first = 1.0 - pow((double)hyper->beta1, step);
    double second = 1.0 - pow((double)hyper->beta2, step);
    return (co_adam_step){
        .step_size = (float)((double)hyper->lr / first),
        .root_of_second = (float)sqrt(second),
        .beta1 = hyper->beta1,
        .beta2 = hyper->beta2,
        .rest1 = (float)(1.0 - (double)hyper->beta1),
        .rest2 = (float)(1.0 - (double)hyper->beta2),
        .epsilon = hyper->epsilon,
        .penalty = hyper->decoupled ? 0.0f : hyper->weight_decay,
        .keep = hyper->decoupled ? (float)(1.0 - (double)hyper->lr * (double)hyper->weight_decay)
                                 : 1.0f,
    };
}
