#include "optim/groups.h"

#include <fnmatch.h>
#include <string.h>

#include "base/alloc.h"
#include "conf/yaml.h"

static const double largest_scale = 1e6;

/* "weight", "bias" or "norm". */
static const char *kind_of(const co_graph *graph, int param)
{
    const co_layer *layer = &graph->layers[graph->params[param].layer];
    if (layer->kind == CO_LAYER_BATCH_NORM) {
        return "norm";
    }
    return layer->bias == param ? "bias" : "weight";
}

static bool is_kind(const char *group)
{
    return strcmp(group, "weight") == 0 || strcmp(group, "bias") == 0 || strcmp(group, "norm") == 0;
}

static bool is_in(const co_graph *graph, int param, const char *group)
{
    if (is_kind(group)) {
        return strcmp(kind_of(graph, param), group) == 0;
    }
    return fnmatch(group, graph->params[param].name, 0) == 0;
}

/* Writes the factor of one group to its parameters. */
static co_status read_group(const co_graph *graph, const co_yaml_node *value, double *scales,
                            co_error *err)
{
    const char *group = value->key->text;
    double scale = 0.0;
    CO_TRY(co_yaml_number(value, group, &scale, err));
    if (!(scale >= 0.0 && scale <= largest_scale)) {
        return co_yaml_fail(err, CO_USAGE, value, "the factor of '%.60s' must be 0 to %g", group,
                            largest_scale);
    }
    int found = 0;
    for (int i = 0; i < graph->param_count; i++) {
        if (is_in(graph, i, group)) {
            scales[i] = scale;
            found++;
        }
    }
    /* A network may well have no batch norm; but a name that fits nothing is a mistake. */
    if (found == 0 && !is_kind(group)) {
        return co_yaml_fail(err, CO_USAGE, value->key,
                            "no parameter of %s is called '%.60s'; a group is weight, bias, norm "
                            "or a pattern of names such as '%s'",
                            graph->name, group,
                            graph->param_count > 0 ? graph->params[0].name : "fc.*");
    }
    return CO_OK;
}

/* scales[0..param_count): 1 where the text says nothing. */
static co_status read_scales(const co_graph *graph, const char *flag, const char *text,
                             double *scales, co_error *err)
{
    for (int i = 0; i < graph->param_count; i++) {
        scales[i] = 1.0;
    }
    if (text == NULL) {
        return CO_OK;
    }
    co_yaml *document = NULL;
    CO_TRY(co_yaml_parse(flag, text, strlen(text), &document, err));
    const co_yaml_node *root = co_yaml_root(document);
    co_status status = CO_OK;
    if (root == NULL || root->kind != CO_YAML_MAP) {
        status = co_fail(err, CO_USAGE, "%s must be a mapping such as {bias: 2}", flag);
    }
    const co_yaml_node *value = status == CO_OK ? root->first : NULL;
    for (; value != NULL && status == CO_OK; value = value->next) {
        status = read_group(graph, value, scales, err);
    }
    co_yaml_free(document);
    return status;
}

/* Parameters lie one after the other; a slot reaches to the next one. */
static int make_runs(const co_graph *graph, const double *lr, const double *decay,
                     co_group_run *runs)
{
    int count = 0;
    for (int i = 0; i < graph->param_count; i++) {
        size_t begin = graph->params[i].offset;
        size_t end = i + 1 < graph->param_count ? graph->params[i + 1].offset : graph->param_floats;
        co_group_run *last = count > 0 ? &runs[count - 1] : NULL;
        bool same = last != NULL && !(last->lr_scale < lr[i] || last->lr_scale > lr[i]) &&
                    !(last->decay_scale < decay[i] || last->decay_scale > decay[i]);
        if (same) {
            last->count += end - begin;
        } else {
            runs[count++] = (co_group_run){begin, end - begin, lr[i], decay[i]};
        }
    }
    return count;
}

co_status co_groups_read(const co_graph *graph, const char *lr_scales, const char *decay_scales,
                         co_groups *out, co_error *err)
{
    if (lr_scales == NULL && decay_scales == NULL) {
        *out = (co_groups){0};
        return CO_OK;
    }
    size_t params = (size_t)graph->param_count;
    void *block = NULL;
    void *runs = NULL;
    CO_TRY(co_alloc(2 * params, sizeof(double), "factors of parameters", &block, err));
    double *lr = block;
    double *decay = lr + params;
    co_status status = CO_OK;
    CO_TRY_GOTO(status, read_scales(graph, "--lr-scales", lr_scales, lr, err), free_scales);
    CO_TRY_GOTO(status, read_scales(graph, "--decay-scales", decay_scales, decay, err),
                free_scales);
    CO_TRY_GOTO(status, co_alloc(params, sizeof(co_group_run), "groups", &runs, err), free_scales);
    *out = (co_groups){.runs = runs, .count = make_runs(graph, lr, decay, runs)};
free_scales:
    co_free(block);
    return status;
}

void co_groups_free(co_groups *groups)
{
    co_free(groups->runs);
    *groups = (co_groups){0};
}
