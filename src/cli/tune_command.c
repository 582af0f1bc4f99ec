/* cohort tune: measures the kernels of a network on this machine and writes a tune file. */
#include <unistd.h>

#include "backend/dnnl/tune.h"
#include "cli/cli.h"
#include "graph/models/models.h"
#include "train/job.h"

static const char default_path[] = "cohort.tune";

typedef struct tuning {
    co_cli *cli;
    int rows;
} tuning;

static bool print_row(void *arg, const char *row, double before_s, double after_s)
{
    tuning *t = arg;
    printf("%s", row);
    co_cli_print_row(stdout, "step", "%.3f -> %.3f ms", 1e3 * before_s, 1e3 * after_s);
    (void)fflush(stdout);
    t->rows++;
    return atomic_load(t->cli->stop) == 0;
}

static co_status build_graph(const co_settings *settings, co_graph **out, co_error *err)
{
    co_model_info info = {0};
    CO_TRY(co_model_describe(settings->model, &info, err));
    return co_model_build(settings->model, settings->model_config, info.input, info.classes, out,
                          err);
}

static co_status tune(tuning *t, co_backend *backend, const co_graph *graph, const char *path,
                      co_error *err)
{
    const co_plan_spec spec = {.batch = t->cli->conf.values.batch_size, .mode = CO_TRAIN};
    CO_TRY(co_dnnl_tune(backend, graph, &spec, t->cli->clock, print_row, t, err));
    CO_TRY(co_dnnl_tune_save(backend, path, err));
    printf("%d choices written to %s: use them with --tune-file %s\n", t->rows, path, path);
    return CO_OK;
}

co_status co_cli_tune(co_cli *cli, co_error *err)
{
    co_settings *settings = &cli->conf.values;
    const char *path = settings->tune_file != NULL ? settings->tune_file : default_path;
    if (settings->backend != CO_CONF_BACKEND_DNNL) {
        return co_fail(err, CO_USAGE, "--backend: there is nothing to tune but dnnl");
    }
    /* An existing file is where the search starts. */
    const co_backend_options options = {
        .isa = co_job_isa_word(settings),
        .tune_file = access(path, F_OK) == 0 ? path : NULL,
    };
    tuning t = {.cli = cli};
    co_graph *graph = NULL;
    co_team *team = NULL;
    co_backend *backend = NULL;
    co_status status = build_graph(settings, &graph, err);
    if (status == CO_OK) {
        status = co_team_create(co_job_threads(settings), &team, err);
    }
    if (status == CO_OK) {
        status = co_backend_create("dnnl", &options, team, &backend, err);
    }
    if (status == CO_OK) {
        status = tune(&t, backend, graph, path, err);
    }
    if (backend != NULL) {
        backend->ops->destroy(backend);
    }
    co_team_destroy(team);
    co_graph_destroy(graph);
    return status;
}
