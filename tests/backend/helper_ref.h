/* A reference plan with random weights and a random batch, for the tests of backend/ref. */
#ifndef CO_TESTS_BACKEND_HELPER_REF_H
#define CO_TESTS_BACKEND_HELPER_REF_H

#include "backend/backend.h"
#include "base/rng.h"

typedef struct ref_rig {
    co_graph *graph; /* owned from ref_rig_open on */
    co_team *team;
    co_backend *backend;
    co_model *model;
    co_plans *plans;
    co_plan *plan;
    co_batch batch;
    float *pixels;     /* (rows, C, H, W), uniform in [-1, 1) */
    uint32_t *samples; /* (rows) 100, 103, 106, ... */
} ref_rig;

/* Finishes the graph with these outputs; weights uniform in [-0.5, 0.5). Any failure fails the
 * running test. */
ref_rig ref_rig_open(co_graph *graph, int logits, int features, co_plan_spec spec, uint64_t seed);
void ref_rig_close(ref_rig *rig);

/* Uniform in [low, high]. */
int ref_random(co_rng *rng, int low, int high);

#endif
