/* Vector operations over flat buffers: one source compiled per instruction set.
 *
 * Element by element in the order of the formulas, so that the results are the same bits for
 * every split into ranges and (fused multiply-adds are not used) every instruction set. Pure
 * functions of their arguments, any thread.
 */
#ifndef CO_BACKEND_DNNL_VECTOR_H
#define CO_BACKEND_DNNL_VECTOR_H

#include <stddef.h>

#include "backend/backend.h"
#include "backend/dnnl/lane/lane.h"

/* Adam's constants of one step, computed once in double. */
typedef struct co_adam_step {
    float step_size;      /* lr / (1 - beta1^step) */
    float root_of_second; /* sqrt(1 - beta2^step) */
    float beta1;
    float beta2;
    float rest1; /* 1 - beta1 */
    float rest2;
    float epsilon;
    float penalty; /* times the weights, added to the gradient */
    float keep;    /* AdamW: what the decay leaves of the weights; else 1 */
} co_adam_step;

typedef struct co_vector_ops {
    /* momentum NULL: plain gradient descent. */
    void (*sgd)(size_t count, const co_sgd *hyper, const float *grads, float *params,
                float *momentum);
    void (*adam)(size_t count, const co_adam_step *step, const float *grads, float *params,
                 float *m, float *v);
    void (*axpy)(size_t count, float a, const float *x, float *y);
    void (*lerp)(size_t count, float t, const float *x, float *y);
    void (*scale)(size_t count, float a, float *x);
    double (*sum_squares)(size_t count, const float *x);
} co_vector_ops;

extern const co_vector_ops co_vector_plain;
#if defined(__x86_64__)
extern const co_vector_ops co_vector_avx2;
extern const co_vector_ops co_vector_avx512;
#endif

/* An instruction set that this CPU has. */
const co_vector_ops *co_vector_ops_for(co_lane_isa isa);
co_adam_step co_adam_step_of(const co_adam *hyper);

#endif
