#include "backend/dnnl/tune.h"

#include <float.h>
#include <string.h>

#include "backend/dnnl/plan.h"
#include "base/alloc.h"

void co_dnnl_force_family(co_backend *backend, co_family_choice family)
{
    co_dnnl_of(backend)->forced = family;
}

co_status co_dnnl_tune_save(const co_backend *backend, const char *path, co_error *err)
{
    const co_dnnl_backend *own = (const co_dnnl_backend *)(const void *)backend;
    return co_tuning_save(&own->tuning, path, err);
}

typedef struct tuner {
    co_dnnl_backend *backend;
    const co_backend_ops *ops;
    const co_graph *graph;
    const co_plan_spec *spec;
    const co_clock *clock;
    co_shape *shapes;
    co_batch batch;
} tuner;

/* ------------------------------------------------------------------ measuring */

static co_status run_step(const tuner *t, co_plan *plan, co_error *err)
{
    CO_TRY(t->ops->forward(plan, &t->batch, err));
    int phases = 0;
    t->ops->phases(plan, &phases);
    size_t count = (size_t)t->spec->batch * co_output_width(t->graph, CO_OUTPUT_LOGITS);
    memcpy(t->ops->output_gradient(plan, CO_OUTPUT_LOGITS), t->ops->output(plan, CO_OUTPUT_LOGITS),
           count * sizeof(float));
    for (int i = 0; i < phases; i++) {
        CO_TRY(t->ops->backward(plan, i, err));
    }
    return CO_OK;
}

/* The fastest of several warm steps: what the kernels need when nothing disturbs them. */
static co_status time_plan(const tuner *t, co_plan *plan, double *seconds, co_error *err)
{
    enum { WARM = 2, LEAST = 5, MOST = 60 };
    const double long_enough_s = 0.5;
    double best = DBL_MAX;
    double begin = co_clock_seconds(t->clock);
    for (int i = 0; i < WARM + MOST; i++) {
        double from = co_clock_seconds(t->clock);
        CO_TRY(run_step(t, plan, err));
        double to = co_clock_seconds(t->clock);
        if (i >= WARM && to - from < best) {
            best = to - from;
        }
        if (i >= WARM + LEAST && to - begin > long_enough_s) {
            break;
        }
    }
    *seconds = best;
    return CO_OK;
}

static co_status measure(const tuner *t, double *seconds, co_error *err)
{
    co_model *model = NULL;
    co_plans *plans = NULL;
    CO_TRY(t->ops->model_create(&t->backend->base, t->graph, &model, err));
    co_graph_init_params(t->graph, 1, model->params);
    co_graph_init_stats(t->graph, model->stats);
    co_plan_spec spec = *t->spec;
    spec.feature_gradient = false;
    co_status status = t->ops->plans_create(model, &spec, 1, NULL, &plans, err);
    if (status == CO_OK) {
        status = t->ops->refresh(model, 0, t->graph->param_floats, err);
    }
    if (status == CO_OK) {
        status = time_plan(t, t->ops->plan(plans, 0), seconds, err);
    }
    t->ops->plans_destroy(plans);
    t->ops->model_destroy(model);
    return status;
}

/* ------------------------------------------------------------------ searching */

static co_status set_choice(const tuner *t, const co_kernel_query *query,
                            const co_kernel_choice *choice, co_error *err)
{
    for (int pass = 0; pass < CO_PASSES; pass++) {
        co_tune_row row = {*query, (co_lane_pass)pass, choice->pass[pass]};
        CO_TRY(co_tuning_set(&t->backend->tuning, &row, err));
    }
    return CO_OK;
}

/* Keeps `candidate` when the step becomes faster by more than what measuring wobbles. */
static co_status try_choice(const tuner *t, const co_kernel_query *query,
                            const co_kernel_choice *candidate, co_kernel_choice *best,
                            double *best_s, co_error *err)
{
    const double worth_it = 0.99;
    double seconds = 0.0;
    if (memcmp(candidate, best, sizeof(*best)) == 0) {
        return CO_OK;
    }
    CO_TRY(set_choice(t, query, candidate, err));
    CO_TRY(measure(t, &seconds, err));
    if (seconds < *best_s * worth_it) {
        *best = *candidate;
        *best_s = seconds;
    }
    return CO_OK;
}

/* All kernels of the family for one pass. */
static co_status tune_pass(const tuner *t, const co_kernel_query *query, int pass,
                           co_kernel_choice *best, double *best_s, co_error *err)
{
    bool lane = co_kernel_is_lane(best->pass[pass]);
    for (int kernel = 0; kernel < CO_KERNEL_COUNT; kernel++) {
        co_kernel_choice candidate = *best;
        candidate.pass[pass] = (co_kernel)kernel;
        if (co_kernel_is_lane((co_kernel)kernel) == lane &&
            co_kernel_fits((co_kernel)kernel, query)) {
            CO_TRY(try_choice(t, query, &candidate, best, best_s, err));
        }
    }
    return CO_OK;
}

/* First the family, then each pass for itself. */
static co_status tune_query(const tuner *t, const co_kernel_query *query, co_kernel_choice *best,
                            double *best_s, co_error *err)
{
    static const co_tuning nothing = {NULL, 0, 0};
    for (int family = CO_FAMILY_LANE; family <= CO_FAMILY_DNNL; family++) {
        co_kernel_choice candidate = co_kernel_choose(query, &nothing, (co_family_choice)family);
        CO_TRY(try_choice(t, query, &candidate, best, best_s, err));
    }
    for (int pass = 0; pass < CO_PASSES; pass++) {
        CO_TRY(tune_pass(t, query, pass, best, best_s, err));
    }
    return set_choice(t, query, best, err);
}

static co_kernel_query query_of(const tuner *t, int layer)
{
    const co_layer *l = &t->graph->layers[layer];
    return co_conv_query(t->backend, l, t->spec->batch, t->shapes[l->inputs[0]], t->shapes[layer]);
}

/* Did an earlier layer ask the same? */
static bool is_repeated(const tuner *t, int layer, const co_kernel_query *query)
{
    for (int i = 0; i < layer; i++) {
        if (t->graph->layers[i].kind == CO_LAYER_CONV2D) {
            co_kernel_query earlier = query_of(t, i);
            if (co_kernel_same_query(&earlier, query)) {
                return true;
            }
        }
    }
    return false;
}

static co_status tune_layers(const tuner *t, co_tune_progress progress, void *arg, co_error *err)
{
    double best_s = 0.0;
    CO_TRY(measure(t, &best_s, err));
    for (int i = 0; i < t->graph->layer_count; i++) {
        if (t->graph->layers[i].kind != CO_LAYER_CONV2D) {
            continue;
        }
        co_kernel_query query = query_of(t, i);
        if (is_repeated(t, i, &query)) {
            continue;
        }
        double before_s = best_s;
        co_kernel_choice best = co_kernel_choose(&query, &t->backend->tuning, CO_FAMILY_TABLE);
        CO_TRY(tune_query(t, &query, &best, &best_s, err));
        for (int pass = 0; pass < CO_PASSES; pass++) {
            char line[CO_TUNE_LINE];
            co_tune_row row = {query, (co_lane_pass)pass, best.pass[pass]};
            co_tune_row_print(&row, line);
            if (!progress(arg, line, before_s, best_s)) {
                return CO_OK;
            }
        }
    }
    return CO_OK;
}

static co_status make_batch(tuner *t, void **pixels, void **samples, co_error *err)
{
    size_t rows = (size_t)t->spec->batch;
    size_t count = rows * co_shape_count(t->shapes[0]);
    CO_TRY(co_alloc(count, sizeof(float), "batch to tune with", pixels, err));
    CO_TRY(co_alloc(rows, sizeof(uint32_t), "batch to tune with", samples, err));
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 1, .stream = CO_STREAM_TEST});
    float *values = *pixels;
    for (size_t i = 0; i < count; i++) {
        values[i] = co_rng_normal(&rng);
    }
    t->batch = (co_batch){
        .rows = t->spec->batch, .pixel = CO_PIXEL_F32, .pixels = values, .samples = *samples};
    return CO_OK;
}

co_status co_dnnl_tune(co_backend *backend, const co_graph *graph, const co_plan_spec *spec,
                       const co_clock *clock, co_tune_progress progress, void *arg, co_error *err)
{
    tuner t = {.backend = co_dnnl_of(backend),
               .ops = backend->ops,
               .graph = graph,
               .spec = spec,
               .clock = clock};
    void *shapes = NULL;
    void *pixels = NULL;
    void *samples = NULL;
    CO_TRY(co_alloc((size_t)graph->layer_count, sizeof(co_shape), "shapes", &shapes, err));
    t.shapes = shapes;
    co_shape input = graph->layers[0].out;
    co_status status = co_graph_shapes(graph, spec->height > 0 ? spec->height : input.height,
                                       spec->width > 0 ? spec->width : input.width, t.shapes, err);
    if (status == CO_OK) {
        status = make_batch(&t, &pixels, &samples, err);
    }
    if (status == CO_OK) {
        status = tune_layers(&t, progress, arg, err);
    }
    co_free(samples);
    co_free(pixels);
    co_free(shapes);
    return status;
}
