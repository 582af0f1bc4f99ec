/* cohort calibrate: how long a training step takes on this machine, as a line through batch sizes:
 * seconds = a x + b. The simulated cluster declares its computing time by it. */
#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "co_build.h"
#include "train/worker.h"

enum { SIZES = 6, PASSES = 3, ROUNDS = 2, WARM_STEPS = 2, LANES = 16 };

typedef struct measured {
    int batch;
    double seconds; /* of a step: the shortest of all rounds; 0: not measured */
} measured;

/* Seconds of a step over at least a tenth of a second. */
static co_status time_steps(co_job *job, double *out, co_error *err)
{
    const co_announcer silent = {.clock = &co_clock_system};
    co_train_result result;
    CO_TRY(co_train(job, &silent, NULL, &result, err));
    *out = result.train_seconds / (double)result.steps;
    return CO_OK;
}

static co_status measure_job(co_job *job, measured *point, co_error *err)
{
    double once = 0.0;
    job->steps_total = WARM_STEPS;
    CO_TRY(time_steps(job, &once, err));
    uint64_t steps = 1 + (uint64_t)(0.1 / once);
    job->steps_total = steps < job->steps_per_epoch ? steps : job->steps_per_epoch;
    for (int i = 0; i < ROUNDS; i++) {
        CO_TRY(time_steps(job, &once, err));
        if (point->seconds <= 0.0 || once < point->seconds) {
            point->seconds = once;
        }
    }
    return CO_OK;
}

static co_status measure(const co_settings *settings, measured *point, co_error *err)
{
    co_settings own = *settings;
    co_job *job = NULL;
    own.batch_size = point->batch;
    own.loader_threads = 0;
    own.evaluate = false;
    own.drop_last = true;
    own.epochs = 1;
    own.threads = settings->threads > 0 ? settings->threads : 1;
    own.warmup_epochs = 0;
    CO_TRY(co_job_open_training(&own, &job, err));
    co_status status = measure_job(job, point, err);
    co_job_close(job);
    return status;
}

/* Least squares, with a and b >= 0: no sample and no step takes less than nothing. */
static void fit(const measured *points, int count, double *a, double *b)
{
    double x = 0.0;
    double y = 0.0;
    double xx = 0.0;
    double xy = 0.0;
    for (int i = 0; i < count; i++) {
        x += points[i].batch / (double)count;
        y += points[i].seconds / count;
    }
    for (int i = 0; i < count; i++) {
        xx += (points[i].batch - x) * (points[i].batch - x);
        xy += (points[i].batch - x) * (points[i].seconds - y);
    }
    *a = xy / xx;
    *b = y - *a * x;
    if (*a < 0.0) {
        *a = 0.0;
        *b = y;
    } else if (*b < 0.0) {
        *a = (xy + count * x * y) / (xx + count * x * x);
        *b = 0.0;
    }
}

static double worst_error(const measured *points, int count, double a, double b)
{
    double worst = 0.0;
    for (int i = 0; i < count; i++) {
        double error = fabs((a * points[i].batch + b) / points[i].seconds - 1.0);
        worst = error > worst ? error : worst;
    }
    return worst;
}

static void print_fit(const measured *points, int count, double a, double b)
{
    printf("  batch   ms per step   a x + b    error\n");
    for (int i = 0; i < count; i++) {
        double line = a * points[i].batch + b;
        double error = line / points[i].seconds - 1.0;
        printf("  %5d %13.4f %9.4f %+7.1f %%\n", points[i].batch, 1e3 * points[i].seconds,
               1e3 * line, 100.0 * error);
    }
    printf("a = %.6g s per sample, b = %.6g s per step; the line is off by at most %.1f %%\n", a, b,
           100.0 * worst_error(points, count, a, b));
    if (worst_error(points, count, a, b) > 0.1) {
        printf("no good line: was the machine busy? Calibrate again, or with a --batch-size near "
               "that of the simulation\n");
    }
    printf("--batch-cost \"[%.6g, %.6g]\"\n", a, b);
}

/* What the costs are those of: sim refuses them for anything else. */
static co_status put_subjects(co_text *text, const co_settings *settings, co_error *err)
{
    static const struct {
        co_row row;
        const char *name;
    } subjects[] = {
        {CO_ROW_model, "model"},
        {CO_ROW_model_config, "model_config"},
        {CO_ROW_dataset, "dataset"},
    };
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        char *value = NULL;
        CO_TRY(co_conf_value_text(settings, subjects[i].row, &value, err));
        co_text_printf(text, "%s: %s\n", subjects[i].name, value);
        co_free(value);
    }
    return CO_OK;
}

static void put_measured(co_text *text, const measured *points, int count, double a, double b)
{
    co_text_put(text, "measured:\n  batches: [");
    for (int i = 0; i < count; i++) {
        co_text_printf(text, "%s%d", i > 0 ? ", " : "", points[i].batch);
    }
    co_text_put(text, "]\n  seconds: [");
    for (int i = 0; i < count; i++) {
        co_text_printf(text, "%s%.6g", i > 0 ? ", " : "", points[i].seconds);
    }
    co_text_printf(text, "]\n  worst_error: %.3g\n", worst_error(points, count, a, b));
}

static co_status save_fit(const co_settings *settings, const measured *points, int count, double a,
                          double b, co_error *err)
{
    enum { FILE_BYTES = 16384 };
    const char *path = settings->cost_file;
    char cpu[128];
    void *block = NULL;
    co_cli_cpu_name(cpu, sizeof(cpu));
    CO_TRY(co_alloc(FILE_BYTES, 1, "costs", &block, err));
    co_text text = co_text_over(block, FILE_BYTES);
    co_text_printf(&text,
                   "# By cohort calibrate (%s; %s; threads: %d): a training step of x samples\n"
                   "# takes a x + b seconds, batch_cost being a and b. For cohort sim "
                   "--cost-file.\n"
                   "batch_cost: [%.6g, %.6g]\n",
                   CO_BUILD_VERSION, cpu, settings->threads > 0 ? settings->threads : 1, a, b);
    co_status status = put_subjects(&text, settings, err);
    put_measured(&text, points, count, a, b);
    if (status == CO_OK && text.length >= FILE_BYTES) {
        status = co_fail(err, CO_USAGE, "--model-config: is too long for a file of costs");
    }
    if (status == CO_OK) {
        status = co_file_save(&co_files_system, path, block, text.length, err);
    }
    co_free(block);
    CO_TRY(status);
    printf("written to %s: use it with cohort sim --cost-file %s\n", path, path);
    return CO_OK;
}

/* From a sixth of the batch to all of it. Kernels that have the samples in the lanes of vectors do
 * not suit the sizes between, which would bend the line: for a batch that fills the lanes only
 * sizes that do so too, up to 64 at least. */
static int choose_sizes(int batch_size, measured *points)
{
    const bool fills = batch_size % LANES == 0;
    const int most = fills && batch_size < 4 * LANES ? 4 * LANES : batch_size;
    int count = 0;
    for (int i = 0; i < SIZES; i++) {
        int batch = most * (i + 1) / SIZES;
        batch = fills ? (batch + LANES / 2) / LANES * LANES : batch;
        batch = batch > i + 1 ? batch : i + 1;
        if (count == 0 || batch > points[count - 1].batch) {
            points[count++] = (measured){.batch = batch};
        }
    }
    return count;
}

co_status co_cli_calibrate(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    measured points[SIZES] = {{0}};
    double a = 0.0;
    double b = 0.0;
    const int count = choose_sizes(settings->batch_size, points);
    /* One after the other, and again: what disturbs for a while disturbs no size alone. */
    for (int i = 0; i < PASSES * count; i++) {
        CO_TRY(measure(settings, &points[i % count], err));
    }
    fit(points, count, &a, &b);
    print_fit(points, count, a, b);
    return settings->cost_file != NULL ? save_fit(settings, points, count, a, b, err) : CO_OK;
}
