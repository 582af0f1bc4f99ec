/* cohort eval: the weights of a run folder, or of a file, on the test samples. */
#include <string.h>

#include "cli/cli.h"
#include "train/job.h"

static co_status weights_path(const co_settings *settings, char *out, size_t size, co_error *err)
{
    int length = 0;
    if (settings->checkpoint != NULL) {
        length = snprintf(out, size, "%s", settings->checkpoint);
    } else if (settings->run_dir != NULL) {
        length = snprintf(out, size, "%s/model.safetensors", settings->run_dir);
    } else {
        return co_fail(err, CO_USAGE,
                       "eval needs weights: give a run folder (cohort eval RUN_DIR) or "
                       "--checkpoint FILE");
    }
    if (length < 0 || (size_t)length >= size) {
        return co_fail(err, CO_USAGE, "the path of the weights is too long");
    }
    return CO_OK;
}

static void print_score(const co_score *score, double seconds)
{
    co_cli_print_row(stdout, "test samples", "%lld", (long long)score->rows);
    co_cli_print_row(stdout, "test accuracy", "%.2f %%", 100.0 * co_score_accuracy(score));
    co_cli_print_row(stdout, "test accuracy, top 5", "%.2f %%", 100.0 * co_score_accuracy5(score));
    co_cli_print_row(stdout, "test loss", "%.6f", co_score_loss(score));
    co_cli_print_row(stdout, "seconds", "%.3f", seconds);
}

co_status co_cli_eval(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    char path[4096];
    CO_TRY(weights_path(settings, path, sizeof(path), err));
    co_job *job = NULL;
    CO_TRY(co_job_open_evaluation(settings, path, &job, err));
    co_score score = {0};
    co_predictions record = {0};
    job->record = settings->save_logits != NULL ? &record : NULL;
    double start = co_clock_seconds(cli->clock);
    co_status status = co_job_evaluate_test(job, &score, err);
    if (status == CO_OK && settings->save_logits != NULL) {
        status = co_predictions_save(&record, settings->save_logits, job->graph->name, err);
    }
    if (status == CO_OK) {
        printf("%s on %s, weights of %s\n", job->graph->name,
               co_dataset_describe(job->dataset)->name, path);
        print_score(&score, co_clock_seconds(cli->clock) - start);
    }
    co_predictions_free(&record);
    co_job_close(job);
    return status;
}
