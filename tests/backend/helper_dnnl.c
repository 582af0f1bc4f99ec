#include "helper_dnnl.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

static co_rng rng_of(uint64_t seed, uint32_t what)
{
    return co_rng_at(&(co_rng_key){.seed = seed, .stream = CO_STREAM_TEST, .sample = what});
}

static void fill(co_rng *rng, float *values, size_t count, float low, float high)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = low + (high - low) * co_rng_uniform(rng);
    }
}

void side_draw(side *s, uint64_t seed)
{
    co_error err = {0};
    co_rng rng = rng_of(seed, 1);
    for (int i = 0; i < s->graph->param_count; i++) {
        const co_tensor *t = &s->graph->params[i];
        const co_layer *layer = &s->graph->layers[t->layer];
        bool gamma = layer->kind == CO_LAYER_BATCH_NORM && layer->weight == i;
        float bound = t->dims > 1 ? 1.5f / sqrtf((float)t->count / (float)t->shape[0]) : 0.5f;
        fill(&rng, s->model->params + t->offset, t->count, gamma ? 0.5f : -bound,
             gamma ? 1.5f : bound);
    }
    for (int i = 0; i < s->graph->stat_count; i++) {
        const co_tensor *t = &s->graph->stats[i];
        bool variance = s->graph->layers[t->layer].variance == i;
        fill(&rng, s->model->stats + t->offset, t->count, variance ? 0.5f : -0.5f,
             variance ? 2.0f : 0.5f);
    }
    check(s->ops->refresh(s->model, 0, s->graph->param_floats, &err), &err);
}

side side_open(const side_options *options, const co_graph *graph, const co_plan_spec *specs,
               int count, uint64_t seed)
{
    co_error err = {0};
    side s = {.graph = graph};
    co_backend_options backend = {.isa = options->isa != NULL ? options->isa : "auto",
                                  .tune_file = options->tune_file};
    check(co_team_create(options->threads > 0 ? options->threads : 1, &s.team, &err), &err);
    check(co_backend_create(options->backend, &backend, s.team, &s.backend, &err), &err);
    s.ops = s.backend->ops;
    if (strcmp(options->backend, "dnnl") == 0) {
        co_dnnl_force_family(s.backend, options->family);
    }
    check(s.ops->model_create(s.backend, graph, &s.model, &err), &err);
    check(s.ops->plans_create(s.model, specs, count, NULL, &s.plans, &err), &err);
    side_draw(&s, seed);
    return s;
}

void side_close(side *s)
{
    s->ops->plans_destroy(s->plans);
    s->ops->model_destroy(s->model);
    s->ops->destroy(s->backend);
    co_team_destroy(s->team);
}

void side_run(side *s, int plan, const co_plan_spec *spec, const co_batch *batch, uint64_t seed)
{
    co_error err = {0};
    co_plan *p = s->ops->plan(s->plans, plan);
    check(s->ops->forward(p, batch, &err), &err);
    if (spec->mode == CO_EVAL) {
        return;
    }
    for (int i = 0; i < CO_OUTPUT_COUNT; i++) {
        if (i == CO_OUTPUT_FEATURES && !spec->feature_gradient) {
            continue;
        }
        co_rng rng = rng_of(seed, 100 + (uint32_t)i);
        fill(&rng, s->ops->output_gradient(p, (co_output)i),
             (size_t)spec->batch * co_output_width(s->graph, (co_output)i), -1.0f, 1.0f);
    }
    int count = 0;
    s->ops->phases(p, &count);
    for (int i = 0; i < count; i++) {
        check(s->ops->backward(p, i, &err), &err);
    }
}

random_batch random_batch_make(const co_graph *graph, const co_plan_spec *spec, uint64_t seed)
{
    co_shape shape = graph->layers[0].out;
    shape.height = spec->height > 0 ? spec->height : shape.height;
    shape.width = spec->width > 0 ? spec->width : shape.width;
    size_t rows = (size_t)spec->batch;
    random_batch b = {.pixels = malloc(rows * co_shape_count(shape) * sizeof(float)),
                      .samples = malloc(rows * sizeof(uint32_t))};
    co_rng rng = rng_of(seed, 2);
    fill(&rng, b.pixels, rows * co_shape_count(shape), -1.0f, 1.0f);
    for (size_t i = 0; i < rows; i++) {
        b.samples[i] = (uint32_t)(1000 + 7 * i);
    }
    b.batch = (co_batch){.rows = spec->batch,
                         .pixel = CO_PIXEL_F32,
                         .pixels = b.pixels,
                         .samples = b.samples,
                         .epoch = 3,
                         .seed = seed};
    return b;
}

void random_batch_free(random_batch *b)
{
    free(b->pixels);
    free(b->samples);
}

double distance(const float *a, const float *b, size_t count)
{
    double difference = 0.0;
    double norm = 0.0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(a[i])) {
            return INFINITY;
        }
        double d = (double)a[i] - (double)b[i];
        difference += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    if (difference == 0.0) {
        return 0.0;
    }
    return norm > 0.0 ? sqrt(difference / norm) : INFINITY;
}

static void keep_larger(double d, const char *name, double *worst, char *what)
{
    if (d >= *worst) {
        *worst = d;
        snprintf(what, CO_NAME_SIZE, "%s", name);
    }
}

double side_distance(const side *a, const side *b, int plan, const co_plan_spec *spec, char *what)
{
    double worst = 0.0;
    snprintf(what, CO_NAME_SIZE, "nothing");
    for (int i = 0; i < CO_OUTPUT_COUNT; i++) {
        size_t count = (size_t)spec->batch * co_output_width(a->graph, (co_output)i);
        const float *x = a->ops->output(a->ops->plan(a->plans, plan), (co_output)i);
        const float *y = b->ops->output(b->ops->plan(b->plans, plan), (co_output)i);
        keep_larger(distance(x, y, count), i == 0 ? "logits" : "features", &worst, what);
    }
    for (int i = 0; i < a->graph->stat_count; i++) {
        const co_tensor *t = &a->graph->stats[i];
        keep_larger(distance(a->model->stats + t->offset, b->model->stats + t->offset, t->count),
                    t->name, &worst, what);
    }
    for (int i = 0; spec->mode == CO_TRAIN && i < a->graph->param_count; i++) {
        const co_tensor *t = &a->graph->params[i];
        keep_larger(distance(a->model->grads + t->offset, b->model->grads + t->offset, t->count),
                    t->name, &worst, what);
    }
    return worst;
}

void assert_sides_identical(const side *a, const side *b, int plan, const co_plan_spec *spec)
{
    for (int i = 0; i < CO_OUTPUT_COUNT; i++) {
        size_t count = (size_t)spec->batch * co_output_width(a->graph, (co_output)i);
        assert_memory_equal(a->ops->output(a->ops->plan(a->plans, plan), (co_output)i),
                            b->ops->output(b->ops->plan(b->plans, plan), (co_output)i),
                            count * sizeof(float));
    }
    assert_memory_equal(a->model->grads, b->model->grads, a->graph->param_floats * sizeof(float));
    if (a->graph->stat_floats > 0) {
        assert_memory_equal(a->model->stats, b->model->stats,
                            a->graph->stat_floats * sizeof(float));
    }
}
