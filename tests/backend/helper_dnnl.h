/* One graph on one backend with random weights and a random batch, to compare two of them. */
#ifndef CO_TESTS_BACKEND_HELPER_DNNL_H
#define CO_TESTS_BACKEND_HELPER_DNNL_H

#include "backend/backend.h"
#include "backend/dnnl/tune.h"
#include "base/rng.h"

typedef struct side_options {
    const char *backend; /* "ref" or "dnnl" */
    const char *isa;     /* NULL = "auto" */
    int threads;         /* 0 = 1 */
    co_family_choice family;
    const char *tune_file;
} side_options;

typedef struct side {
    const co_graph *graph; /* borrowed */
    co_team *team;
    co_backend *backend;
    const co_backend_ops *ops;
    co_model *model;
    co_plans *plans;
} side;

/* Failures fail the running test. Weights, and statistics of batch norms, drawn from the seed. */
side side_open(const side_options *options, const co_graph *graph, const co_plan_spec *specs,
               int count, uint64_t seed);
void side_close(side *s);
/* Draws new weights and statistics. */
void side_draw(side *s, uint64_t seed);
/* Forward; in training also random output gradients from the seed and all phases. */
void side_run(side *s, int plan, const co_plan_spec *spec, const co_batch *batch, uint64_t seed);

typedef struct random_batch {
    co_batch batch;
    float *pixels;
    uint32_t *samples;
} random_batch;

random_batch random_batch_make(const co_graph *graph, const co_plan_spec *spec, uint64_t seed);
void random_batch_free(random_batch *b);

/* ||a - b|| / ||b||; 0 when both are 0; infinite where a is not finite. */
double distance(const float *a, const float *b, size_t count);
/* The largest distance over outputs, gradients of parameters and statistics; its name in what
 * (CO_NAME_SIZE). */
double side_distance(const side *a, const side *b, int plan, const co_plan_spec *spec, char *what);
/* The same bits in all of them. */
void assert_sides_identical(const side *a, const side *b, int plan, const co_plan_spec *spec);

#endif
