/* How a graph is computed: a backend compiles it to a set of plans.
 *
 *   co_backend   the arithmetic of one kind (ref, dnnl, later cuda) on a team of threads
 *   co_model     a graph's flat buffers: parameters, gradients, statistics
 *   co_plans     plans for all the batch shapes that a run needs, compiled up front over one
 *                slab of memory; running them allocates nothing
 *   co_plan      one of them: forward, then backward phase by phase
 *
 * Each creator owns what it creates and destroys it, in reverse order of creation; the graph and
 * the team are borrowed. One thread drives a backend, its models and plans.
 *
 * A plan maps a batch to outputs (logits, features), and gradients of those outputs to gradients
 * of the parameters. The loss sits between and is not the backend's: the caller reads
 * co_plan_output, writes co_plan_output_gradient, and runs the phases in order. After phase i
 * the gradients of its range are final; the data gradient that the layer below needs is computed
 * at the start of the next phase, so that communication of a range can overlap it.
 */
#ifndef CO_BACKEND_BACKEND_H
#define CO_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/batch.h"
#include "backend/norm_sync.h"
#include "base/clock.h"
#include "base/threads.h"
#include "graph/graph.h"

typedef struct co_backend co_backend;
typedef struct co_model co_model;
typedef struct co_plans co_plans;
typedef struct co_plan co_plan;

typedef enum co_mode { CO_TRAIN, CO_EVAL } co_mode;

typedef enum co_pass { CO_FORWARD, CO_BACKWARD_WEIGHTS, CO_BACKWARD_DATA } co_pass;

typedef enum co_output { CO_OUTPUT_LOGITS, CO_OUTPUT_FEATURES, CO_OUTPUT_COUNT } co_output;

typedef struct co_plan_spec {
    int batch;  /* rows of every batch that this plan runs: exactly */
    int height; /* of the input; 0 = the graph's own */
    int width;
    co_mode mode;          /* an EVAL plan has no backward */
    bool feature_gradient; /* backward adds output_gradient(FEATURES) too */
    /* Borrowed: batch norm in training is over the batches of all workers; NULL: over this plan's
     * batch. In the exchange other workers run: with ranks that are simulated in one process, the
     * memory of such plans must be each rank's own. */
    co_norm_sync *sync;
} co_plan_spec;

/* A step of backward: what is ready after it. */
typedef struct co_phase {
    int layer;     /* whose parameters; -1 for a last phase without any */
    size_t offset; /* range in the flat buffers, in floats */
    size_t count;
    double share; /* estimated part of the cost of the whole backward; the shares sum to 1 */
} co_phase;

/* One line of the memory bill of a set of plans, for `cohort models`. */
typedef struct co_memory_item {
    char name[64]; /* "parameters", "gradients", "activations", ... */
    size_t bytes;
} co_memory_item;

enum { CO_MAX_MEMORY_ITEMS = 32 };

typedef struct co_sgd {
    float lr;
    float momentum;
    float weight_decay;
    bool nesterov;
} co_sgd;

typedef struct co_adam {
    float lr;
    float beta1;
    float beta2;
    float epsilon;
    float weight_decay;
    bool decoupled; /* AdamW: the decay acts on the weights, not through the gradient */
    uint64_t step;  /* 1 for the first: bias correction */
} co_adam;

/* One operation of a plan that ran. Its texts live as long as the plan and the graph. Layers that
 * run as one operation (a convolution with the ReLU and the pooling behind it) are told as the
 * first of them. */
typedef struct co_span {
    int layer;        /* of the graph; -1 = input or loss side */
    co_pass pass;     /* of several gradients computed together: CO_BACKWARD_WEIGHTS */
    const char *name; /* the layer's; "input", "loss" for -1 */
    /* What was done: the layer's kind ("conv2d", "batch_norm", ...), or what lies between layers:
     * "input", "reorder" (another layout), "relu", "add", "add_relu", "zero", "loss"; "exchange":
     * a batch norm waits for the other workers. */
    const char *work;
    const char *kernel; /* what did it: "lane", "lane_winograd", "jit:avx512_core", "ref", ... */
    size_t bytes;       /* of the tensors that it reads and writes, each once; 0 = unknown */
    uint64_t start_ns;  /* by the observer's clock; spans do not overlap */
    uint64_t end_ns;
} co_span;

/* Who is told the spans of a plan, for benchmarks and timelines. */
typedef struct co_observer {
    void (*span)(void *arg, const co_span *span); /* by the plan's thread, in the order of a step */
    void *arg;
    const co_clock *clock; /* borrowed; all members of the team read it */
} co_observer;

struct co_model {
    co_backend *backend;   /* borrowed */
    const co_graph *graph; /* borrowed */
    float *params; /* (param_floats) canonical order, slots padded to 64 bytes, padding zero */
    float *grads;  /* likewise */
    float *stats;  /* (stat_floats) batch norm statistics */
};

/* Every backend fills in all of these; none is optional. */
typedef struct co_backend_ops {
    const char *name;
    void (*destroy)(co_backend *backend);

    co_status (*model_create)(co_backend *backend, const co_graph *graph, co_model **out,
                              co_error *err);
    void (*model_destroy)(co_model *model);
    /* The parameters of this range were written: refresh any private copies. */
    co_status (*refresh)(co_model *model, size_t offset, size_t count, co_error *err);

    /* `pixels` maps the batches' pixels (NULL: values as they are); specs[i] becomes plan i. */
    co_status (*plans_create)(co_model *model, const co_plan_spec *specs, int count,
                              const co_pixel_map *pixels, co_plans **out, co_error *err);
    void (*plans_destroy)(co_plans *plans);
    co_plan *(*plan)(co_plans *plans, int index);
    /* items[0..result): what the plans and the model hold, at most CO_MAX_MEMORY_ITEMS. */
    int (*memory)(const co_plans *plans, co_memory_item *items);

    co_status (*forward)(co_plan *plan, const co_batch *batch, co_error *err);
    /* Phase `index` of the list; phases run in order 0, 1, ... after one forward. Gradients of
     * the phase's range are overwritten, not added to. */
    co_status (*backward)(co_plan *plan, int index, co_error *err);
    const co_phase *(*phases)(const co_plan *plan, int *count);
    /* (batch, features of that output), row-major; valid until the next forward. */
    const float *(*output)(const co_plan *plan, co_output which);
    /* Same shape; the caller writes it between forward and backward. */
    float *(*output_gradient)(co_plan *plan, co_output which);
    /* Tells the observer every operation from now on; NULL: nobody, and no clock is read. Results
     * do not change by it. Operations of which each member of the team takes several in turn are
     * told after the last of them: their common time, shared out by the time that the members
     * spent in each. Allocates; the observer is copied. */
    co_status (*observe)(co_plan *plan, const co_observer *observer, co_error *err);

    /* Vector operations over a range of the flat buffers, in floats. `momentum`, `m`, `v` are
     * buffers as long as the parameters, indexed like them. Formulas as PyTorch's SGD, Adam, AdamW;
     * `refresh` follows when all ranges are done. A momentum of 0 needs no buffer: `momentum` may
     * then be NULL. */
    void (*sgd)(co_model *model, size_t offset, size_t count, const co_sgd *hyper, float *momentum);
    void (*adam)(co_model *model, size_t offset, size_t count, const co_adam *hyper, float *m,
                 float *v);
    /* y += a * x */
    void (*axpy)(co_backend *backend, size_t count, float a, const float *x, float *y);
    /* y += t * (x - y) */
    void (*lerp)(co_backend *backend, size_t count, float t, const float *x, float *y);
    /* x *= a */
    void (*scale)(co_backend *backend, size_t count, float a, float *x);
    /* Sum of squares in double, by a fixed tree whatever the number of threads; NaN or Inf in x
     * shows as a result that is not finite. */
    double (*sum_squares)(co_backend *backend, size_t count, const float *x);
} co_backend_ops;

struct co_backend {
    const co_backend_ops *ops;
    co_team *team;   /* borrowed */
    const char *isa; /* the instruction set in use: "avx512", "avx2", "plain"; static text */
    struct co_slab_pool *slabs; /* borrowed: where plans compute (slab.h); NULL: each has its own */
};

typedef struct co_backend_options {
    const char *isa;       /* "auto", "avx512", "avx2", "plain" */
    const char *tune_file; /* NULL = the committed kernel table alone */
} co_backend_options;

/* name: "dnnl" or "ref". CO_USAGE for an unknown name or instruction set, CO_UNSUPPORTED for an
 * instruction set that this processor lacks. */
CO_MUST_CHECK co_status co_backend_create(const char *name, const co_backend_options *options,
                                          co_team *team, co_backend **out, co_error *err);

CO_MUST_CHECK co_status co_ref_backend_create(const co_backend_options *options, co_team *team,
                                              co_backend **out, co_error *err);
CO_MUST_CHECK co_status co_dnnl_backend_create(const co_backend_options *options, co_team *team,
                                               co_backend **out, co_error *err);

/* Columns of an output: classes, or the length of the feature vector. */
size_t co_output_width(const co_graph *graph, co_output which);

#endif
