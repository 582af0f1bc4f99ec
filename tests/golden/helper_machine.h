/* A backend that computes a model with given weights. */
#ifndef CO_TESTS_GOLDEN_MACHINE_H
#define CO_TESTS_GOLDEN_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/backend.h"

/* One way to compute. */
typedef struct variant {
    const char *backend;
    const char *isa;
    int threads;
} variant;

/* Those that this machine may have. oneDNN takes one instruction set per process: where it matters,
 * each needs a process of its own. */
enum { GOLDEN_VARIANTS = 5 };
extern const variant golden_variants[GOLDEN_VARIANTS];

typedef struct machine {
    co_team *team;
    co_backend *backend;
    co_model *model;
    co_plans *plans;
} machine;

void check(co_status status, const co_error *err);

/* params: (param_floats). map: NULL for float pixels. false: this processor lacks the instruction
 * set. */
bool machine_open(machine *m, const variant *v, const co_graph *graph, const float *params,
                  const co_pixel_map *map, const co_plan_spec *specs, int count);
void machine_close(machine *m);

/* Forward and backward of a batch by plan 0; returns the cross-entropy. */
double machine_gradient(machine *m, const co_batch *batch, int classes);

#endif
