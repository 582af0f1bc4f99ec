/* The order of backward, the same for every backend.
 *
 * Layers are visited from the last to the first. Of each, first the weight gradient, then (at the
 * start of the next phase) the data gradients that layers below it need:
 *
 *     phase 0: ................ weights(fc2)
 *     phase 1: data(fc2) data(relu) weights(fc1)
 *     phase 2: data(fc1) ... weights(conv2)       and so on
 *
 * When a layer's turn comes, all gradients of its output have been added up, since every layer
 * that reads it has a higher index. A data operation serves the inputs for which
 * co_backward.wanted holds: those with parameters at or below them. Where no gradient reaches a
 * layer with parameters, it has its phase all the same, and its weight operation writes zeros.
 *
 * Owned by the plan that created it; constant afterwards.
 */
#ifndef CO_BACKEND_PHASES_H
#define CO_BACKEND_PHASES_H

#include <stdbool.h>

#include "backend/backend.h"

typedef struct co_backward_op {
    int layer;
    co_pass pass; /* CO_BACKWARD_WEIGHTS or CO_BACKWARD_DATA */
} co_backward_op;

typedef struct co_backward {
    co_phase *phases;
    int phase_count;
    co_backward_op *ops; /* those of phase i: ops[first_op[i]] .. ops[first_op[i + 1] - 1] */
    int *first_op;       /* (phase_count + 1) */
    bool *wanted;        /* (layer_count) the gradient of that layer's output is computed */
} co_backward;

/* `shapes` (layer_count): the output of every layer at the plan's resolution, for the shares. */
CO_MUST_CHECK co_status co_backward_create(const co_graph *graph, const co_shape *shapes,
                                           bool feature_gradient, co_backward *out, co_error *err);
void co_backward_destroy(co_backward *backward); /* a zeroed one is allowed */

#endif
