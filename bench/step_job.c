#include "bench/step_job.h"

#include <string.h>

#include "bench/random_set.h"
#include "graph/models/models.h"
#include "train/loss.h"

static co_status open_model(const co_step_settings *settings, co_step_job *job, co_error *err)
{
    const co_backend_options options = {.isa = settings->isa};
    const co_shape shape = job->graph->layers[0].out;
    const co_plan_spec spec = {.batch = settings->batch, .mode = CO_TRAIN};
    co_pixel_map pixels = {.channels = shape.channels};
    for (int c = 0; c < shape.channels; c++) {
        pixels.scale[c] = 1.0f / 78.6f;
        pixels.shift[c] = -33.3f / 78.6f;
    }
    CO_TRY(co_backend_create(settings->backend, &options, job->team, &job->backend, err));
    const co_backend_ops *ops = job->backend->ops;
    CO_TRY(ops->model_create(job->backend, job->graph, &job->model, err));
    co_graph_init_params(job->graph, 1, job->model->params);
    co_graph_init_stats(job->graph, job->model->stats);
    CO_TRY(ops->refresh(job->model, 0, job->graph->param_floats, err));
    CO_TRY(ops->plans_create(job->model, &spec, 1, &pixels, &job->plans, err));
    job->plan = ops->plan(job->plans, 0);
    job->phases = ops->phases(job->plan, &job->phase_count);
    job->batch = settings->batch;
    CO_TRY(co_optimizer_create(CO_OPTIMIZER_SGD, job->graph, &job->optimizer, err));
    return co_strategy_local(job->model, job->optimizer, &job->strategy, err);
}

static co_status open_data(const co_step_settings *settings, co_step_job *job, co_error *err)
{
    const co_shape shape = job->graph->layers[0].out;
    const co_loader_options options = {
        .split = CO_SPLIT_TRAIN,
        .batch = settings->batch,
        .shuffle = true,
        .drop_last = true,
        .threads = settings->loader_threads,
        .seed = 1,
    };
    CO_TRY(co_random_set_open(shape, job->classes, settings->samples, &job->dataset, err));
    return co_loader_create(job->dataset, &options, &job->loader, err);
}

/* The shape and classes that the model was made for. */
static co_status build_graph(const char *name, co_step_job *job, co_error *err)
{
    int count = 0;
    const co_model_info *models = co_models(&count);
    co_shape shape = {1, 28, 28};
    job->classes = 10;
    for (int i = 0; i < count; i++) {
        if (strcmp(models[i].name, name) == 0) {
            shape = models[i].input;
            job->classes = models[i].classes;
        }
    }
    return co_model_build(name, NULL, shape, job->classes, &job->graph, err);
}

co_status co_step_job_open(const co_step_settings *settings, co_step_job *job, co_error *err)
{
    *job = (co_step_job){0};
    co_status status;
    CO_TRY_GOTO(status, co_team_create(settings->threads, &job->team, err), undo);
    CO_TRY_GOTO(status, build_graph(settings->model, job, err), undo);
    CO_TRY_GOTO(status, open_data(settings, job, err), undo);
    CO_TRY_GOTO(status, open_model(settings, job, err), undo);
    return CO_OK;
undo:
    co_step_job_close(job);
    return status;
}

void co_step_job_close(co_step_job *job)
{
    if (job->strategy != NULL) {
        job->strategy->ops->destroy(job->strategy);
    }
    co_optimizer_destroy(job->optimizer);
    if (job->plans != NULL) {
        job->backend->ops->plans_destroy(job->plans);
    }
    if (job->model != NULL) {
        job->backend->ops->model_destroy(job->model);
    }
    if (job->backend != NULL) {
        job->backend->ops->destroy(job->backend);
    }
    co_loader_destroy(job->loader);
    co_dataset_close(job->dataset);
    co_graph_destroy(job->graph);
    co_team_destroy(job->team);
    *job = (co_step_job){0};
}

co_status co_step_job_observe(co_step_job *job, const co_observer *observer, co_error *err)
{
    job->observer = observer != NULL ? *observer : (co_observer){0};
    return job->backend->ops->observe(job->plan, observer, err);
}

static uint64_t start_of(const co_step_job *job)
{
    return job->observer.span != NULL ? co_clock_ns(job->observer.clock) : 0;
}

static void tell(const co_step_job *job, const char *part, co_pass pass, uint64_t start)
{
    if (job->observer.span != NULL) {
        const co_span span = {
            .layer = -1,
            .pass = pass,
            .name = part,
            .work = part,
            .kernel = "-",
            .start_ns = start,
            .end_ns = co_clock_ns(job->observer.clock),
        };
        job->observer.span(job->observer.arg, &span);
    }
}

co_status co_step_job_step(co_step_job *job, co_error *err)
{
    static const co_hyper hyper = {.lr = 0.001, .momentum = 0.9};
    const co_backend_ops *ops = job->backend->ops;
    const co_batch *batch = NULL;
    uint64_t start = start_of(job);
    CO_TRY(co_loader_next(job->loader, &batch, err));
    tell(job, "loader", CO_FORWARD, start);
    CO_TRY(ops->forward(job->plan, batch, err));
    const co_loss_term term = {
        .kind = CO_LOSS_CROSS_ENTROPY,
        .row_end = batch->rows,
        .labels = batch->labels,
        .weight = 1.0f,
    };
    co_score score = {0};
    start = start_of(job);
    co_loss_compute(&term, 1, batch->rows, job->classes, ops->output(job->plan, CO_OUTPUT_LOGITS),
                    ops->output_gradient(job->plan, CO_OUTPUT_LOGITS), &score);
    tell(job, "loss", CO_BACKWARD_DATA, start);
    for (int i = 0; i < job->phase_count; i++) {
        CO_TRY(ops->backward(job->plan, i, err));
        CO_TRY(job->strategy->ops->ready(job->strategy, job->phases[i].offset, job->phases[i].count,
                                         err));
    }
    co_reduction reduction;
    start = start_of(job);
    CO_TRY(job->strategy->ops->reduce(job->strategy, &reduction, err));
    CO_TRY(job->strategy->ops->apply(job->strategy, &hyper, err));
    tell(job, "update", CO_BACKWARD_WEIGHTS, start);
    return CO_OK;
}

double co_step_flops(const co_graph *graph)
{
    bool learns[CO_MAX_LAYERS] = {false}; /* this layer or one below it has parameters */
    double macs = 0.0;
    for (int i = 1; i < graph->layer_count; i++) {
        const co_layer *layer = &graph->layers[i];
        bool below = false;
        for (int k = 0; k < 2; k++) {
            below = below || (layer->inputs[k] >= 0 && learns[layer->inputs[k]]);
        }
        learns[i] = below || layer->weight >= 0 || layer->bias >= 0;
        macs += co_layer_macs(layer) * (below ? 3.0 : 2.0);
    }
    return 2.0 * macs;
}
