/* cohort calibrate: how long a training step takes on this machine, as a line through batch sizes:
 * seconds = a x + b. The simulated cluster declares its computing time by it. */
#include <math.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "train/worker.h"

enum { SIZES = 6, ROUNDS = 5, WARM_STEPS = 3 };

typedef struct measured {
    int batch;
    double seconds; /* of a step: the median of the rounds */
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

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static co_status measure_job(co_job *job, measured *out, co_error *err)
{
    double rounds[ROUNDS];
    double once = 0.0;
    job->steps_total = WARM_STEPS;
    CO_TRY(time_steps(job, &once, err));
    uint64_t steps = 1 + (uint64_t)(0.1 / once);
    job->steps_total = steps < job->steps_per_epoch ? steps : job->steps_per_epoch;
    for (int i = 0; i < ROUNDS; i++) {
        CO_TRY(time_steps(job, &rounds[i], err));
    }
    qsort(rounds, ROUNDS, sizeof(rounds[0]), by_value);
    out->seconds = rounds[ROUNDS / 2];
    return CO_OK;
}

static co_status measure(const co_settings *settings, measured *out, co_error *err)
{
    co_settings own = *settings;
    co_job *job = NULL;
    own.batch_size = out->batch;
    own.loader_threads = 0;
    own.evaluate = false;
    own.drop_last = true;
    own.epochs = 1;
    own.threads = settings->threads > 0 ? settings->threads : 1;
    own.warmup_epochs = 0;
    CO_TRY(co_job_open_training(&own, &job, err));
    co_status status = measure_job(job, out, err);
    co_job_close(job);
    return status;
}

/* Least squares. */
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
}

static void print_fit(const measured *points, double a, double b)
{
    double worst = 0.0;
    printf("  batch   ms per step   a x + b    error\n");
    for (int i = 0; i < SIZES; i++) {
        double line = a * points[i].batch + b;
        double error = line / points[i].seconds - 1.0;
        worst = fabs(error) > worst ? fabs(error) : worst;
        printf("  %5d %13.4f %9.4f %+7.1f %%\n", points[i].batch, 1e3 * points[i].seconds,
               1e3 * line, 100.0 * error);
    }
    printf("a = %.6g s per sample, b = %.6g s per step; the line is off by at most %.1f %%\n", a, b,
           100.0 * worst);
    printf("--batch-cost \"[%.6g, %.6g]\"\n", a, b > 0.0 ? b : 0.0);
}

co_status co_cli_calibrate(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    measured points[SIZES];
    double a = 0.0;
    double b = 0.0;
    for (int i = 0; i < SIZES; i++) {
        /* From a sixth of the batch to all of it. */
        int batch = settings->batch_size * (i + 1) / SIZES;
        points[i] = (measured){.batch = batch > i + 1 ? batch : i + 1};
        CO_TRY(measure(settings, &points[i], err));
    }
    fit(points, SIZES, &a, &b);
    print_fit(points, a, b);
    return CO_OK;
}
