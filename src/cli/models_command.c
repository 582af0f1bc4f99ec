/* cohort models: the list of networks, or one of them layer by layer with its memory bill. */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/cli.h"
#include "graph/models/models.h"
#include "graph/network.h"
#include "monitor/monitor.h"
#include "train/job.h"

static co_status print_list(co_error *err)
{
    int count = 0;
    const co_model_info *models = co_models(&count);
    printf("  %-14s %-12s %8s %12s   %s\n", "name", "input", "classes", "parameters", "layers");
    for (int i = 0; i < count; i++) {
        co_graph *graph = NULL;
        CO_TRY(
            co_model_build(models[i].name, NULL, models[i].input, models[i].classes, &graph, err));
        char input[48];
        (void)snprintf(input, sizeof(input), "%dx%dx%d", models[i].input.channels,
                       models[i].input.height, models[i].input.width);
        printf("  %-14s %-12s %8d %12zu   %s\n", models[i].name, input, models[i].classes,
               co_graph_param_count(graph), models[i].summary);
        co_graph_destroy(graph);
    }
    printf("\ncohort models NAME shows one: layers, shapes, parameters, FLOPs, memory;\n"
           "with --as-yaml as a network file, which --model FILE.yaml takes\n");
    return CO_OK;
}

static size_t layer_params(const co_graph *graph, const co_layer *layer)
{
    size_t count = layer->weight >= 0 ? graph->params[layer->weight].count : 0;
    return count + (layer->bias >= 0 ? graph->params[layer->bias].count : 0);
}

static void print_layers(const co_graph *graph)
{
    double macs = 0.0;
    double trained = 0.0;
    bool first = true; /* the first layer with weights needs no data gradient */
    printf("  %-3s %-26s %-16s %-16s %12s %14s\n", "", "layer", "kind", "output", "parameters",
           "FLOPs forward");
    for (int i = 0; i < graph->layer_count; i++) {
        const co_layer *layer = &graph->layers[i];
        char shape[48];
        double own = co_layer_macs(layer);
        (void)snprintf(shape, sizeof(shape), "%dx%dx%d", layer->out.channels, layer->out.height,
                       layer->out.width);
        printf("  %-3d %-26s %-16s %-16s %12zu %14.0f\n", i, layer->name,
               co_layer_kind_name(layer->kind), shape, layer_params(graph, layer), 2.0 * own);
        macs += own;
        if (own > 0.0) {
            trained += first ? 2.0 * own : 3.0 * own;
            first = false;
        }
    }
    printf("\n");
    co_cli_print_row(stdout, "parameters", "%zu", co_graph_param_count(graph));
    co_cli_print_row(stdout, "FLOPs per image", "forward %.4g, training step %.4g", 2.0 * macs,
                     2.0 * trained);
    co_cli_print_row(stdout, "outputs", "logits of '%s', features of '%s'",
                     graph->layers[graph->logits].name, graph->layers[graph->features].name);
}

static void add_item(size_t *total, const char *name, size_t bytes)
{
    co_cli_print_size(stdout, name, bytes);
    *total += bytes;
}

/* The copy of the state that is written while the training goes on. */
static size_t checkpoint_bytes(const co_job *job)
{
    const co_settings *settings = job->settings;
    if (settings->checkpoint_every == 0 && !(settings->checkpoint_minutes > 0.0) &&
        settings->keep_best == 0) {
        return 0;
    }
    size_t floats = job->graph->param_floats + job->graph->stat_floats;
    size_t average = job->ema != NULL ? co_ema_bytes(job->ema) : 0;
    return floats * sizeof(float) + co_optimizer_bytes(job->optimizer) + average;
}

static void add_some(size_t *total, const char *name, size_t bytes)
{
    if (bytes > 0) {
        add_item(total, name, bytes);
    }
}

/* The bill of a training process, item by item; the total is what it will hold resident. */
static co_status print_bill(const co_job *job, size_t program_bytes, co_error *err)
{
    size_t readers = 0;
    CO_TRY(co_job_reader_bytes(job, &readers, err));
    co_memory_item items[CO_MAX_MEMORY_ITEMS];
    int count = job->backend->ops->memory(job->plans.plans, items);
    size_t total = 0;
    add_item(&total, "program and libraries", program_bytes);
    for (int i = 0; i < count; i++) {
        add_item(&total, items[i].name, items[i].bytes);
    }
    add_item(&total, "optimizer", co_optimizer_bytes(job->optimizer));
    add_some(&total, "gathered gradients",
             job->gathered != NULL ? job->graph->param_floats * sizeof(float) : 0);
    add_some(&total, "average of the weights", job->ema != NULL ? co_ema_bytes(job->ema) : 0);
    add_some(&total, "copy for checkpoints", checkpoint_bytes(job));
    add_item(&total, "data set", co_dataset_memory_bytes(job->dataset));
    add_item(&total, "loader", co_loader_memory_bytes(job->train_loader));
    add_some(&total, "image decoders", readers);
    add_item(&total, "evaluation", co_job_evaluation_bytes(job));
    add_item(&total, "event ring", CO_MONITOR_EVENTS * sizeof(co_event));
    char text[32];
    co_text size = co_text_over(text, sizeof(text));
    co_text_size(&size, total);
    co_cli_print_row(stdout, "total", "%12s  (%zu bytes)", text, total);
    return CO_OK;
}

/* Builds what `cohort train` would with these settings, and prints what it holds. like: what the
 * samples look like when the data set named has others. */
static co_status print_memory(const co_settings *settings, const co_dataset_info *like,
                              co_error *err)
{
    size_t program_bytes = co_cli_resident_bytes();
    co_job *job = NULL;
    CO_TRY(like != NULL ? co_job_open_blank(settings, like, &job, err)
                        : co_job_open_training(settings, &job, err));
    printf("\nmemory of a training process (%s, batch %d, %d thread%s)\n",
           like != NULL ? "without its data set: name it with --dataset"
                        : co_dataset_describe(job->dataset)->name,
           settings->batch_size, co_team_threads(job->team),
           co_team_threads(job->team) == 1 ? "" : "s");
    co_status status = print_bill(job, program_bytes, err);
    co_job_close(job);
    return status;
}

/* The samples that the settings name; where they name none, those that the network was made for.
 * *fits: the data set has such samples. */
static co_status choose_samples(const co_cli *cli, co_model_info *info, bool *fits, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    co_dataset *set = NULL;
    co_dataset_options options = co_job_dataset_options(settings);
    options.background = false;
    CO_TRY(co_dataset_open(settings->dataset, settings->dataset_dir, &options, &set, err));
    const co_dataset_info *data = co_dataset_describe(set);
    const co_shape shape = {data->channels, data->height, data->width};
    if (cli->conf.sources[CO_ROW_dataset].kind != CO_SOURCE_DEFAULT) {
        info->input = shape;
        info->classes = data->classes;
    }
    *fits = memcmp(&shape, &info->input, sizeof(shape)) == 0;
    co_dataset_close(set);
    return CO_OK;
}

static co_status print_model(const co_cli *cli, const co_model_info *usual, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    co_model_info info = *usual;
    bool fits = false;
    CO_TRY(choose_samples(cli, &info, &fits, err));
    co_graph *graph = NULL;
    CO_TRY(
        co_model_build(info.name, settings->model_config, info.input, info.classes, &graph, err));
    printf("%s: %s\n\n", info.name, info.summary);
    print_layers(graph);
    co_graph_destroy(graph);
    /* Rows of numbers are floats, as in NT3; pictures are bytes. */
    bool bytes = info.input.height > 1;
    const size_t values = co_shape_count(info.input);
    const co_dataset_info like = {
        .name = "blank",
        .format = "drawn",
        .channels = info.input.channels,
        .height = info.input.height,
        .width = info.input.width,
        .pixel = bytes ? CO_PIXEL_U8 : CO_PIXEL_F32,
        .sample_bytes = bytes ? values : values * sizeof(float),
        .classes = info.classes,
    };
    return print_memory(settings, fits ? NULL : &like, err);
}

static co_status print_yaml(const co_settings *settings, const co_model_info *info, co_error *err)
{
    co_graph *graph = NULL;
    char *text = NULL;
    CO_TRY(co_model_build(info->name, settings->model_config, info->input, info->classes, &graph,
                          err));
    co_status status = co_network_write(graph, &text, err);
    co_graph_destroy(graph);
    if (status == CO_OK) {
        printf("%s", text);
        co_free(text);
    }
    return status;
}

co_status co_cli_models(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    if (cli->conf.sources[CO_ROW_model].kind == CO_SOURCE_DEFAULT) {
        return print_list(err);
    }
    co_model_info info = {0};
    CO_TRY(co_model_describe(settings->model, &info, err));
    return settings->as_yaml ? print_yaml(settings, &info, err) : print_model(cli, &info, err);
}
