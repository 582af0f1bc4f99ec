/* Images per second of cohort's training step on data in memory; prints one JSON line with the
 * fields of bench/peer/step.py. --help lists the options. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bench/layer_times.h"
#include "bench/machine.h"
#include "bench/step_job.h"

enum { MAX_CHUNKS = 1000 };

typedef struct arguments {
    co_step_settings step;
    double seconds; /* of a chunk */
    int chunks;
    double started; /* wall time when the process was started; 0 = unknown */
    bool trace;
    bool layers;
    bool first_step_only;
} arguments;

/* What was measured. */
typedef struct result {
    double step_us; /* by the clock, and of processor time of all threads */
    double cpu_us;
    double first_step_ms;
    double rss_mib;
    double peak_rss_mib;
    double gflops;
    double peak_gflops;
} result;

static const char usage[] =
    "usage: step_bench [options]\n"
    "  --model NAME        lenet5 (default), cnn1, mnistnet, ...: see `cohort models`\n"
    "  --model-config YAML as cohort's, such as \"{'depth': 50}\"\n"
    "  --size N            height and width of an image (the model's)\n"
    "  --classes N         (the model's)\n"
    "  --batch N           64\n"
    "  --threads N         1\n"
    "  --backend NAME      dnnl (default) or ref\n"
    "  --isa NAME          auto (default), avx512, avx2, plain\n"
    "  --loader-threads N  0: the batch is gathered in the training thread\n"
    "  --samples N         4096 in the data set\n"
    "  --seconds S         0.5 per chunk\n"
    "  --chunks N          5; their median counts\n"
    "  --trace             also print the time of each operation\n"
    "  --layers            also print the time of each kind of layer beside its lower bound\n"
    "  --first-step-only   stop after one step: start-up time\n"
    "  --started T         when the process was started, seconds since 1970\n";

static bool parse_number(const char *text, double low, double high, double *out)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= low && value <= high)) {
        fprintf(stderr, "step_bench: '%s' is not a number from %g to %g\n", text, low, high);
        return false;
    }
    *out = value;
    return true;
}

static bool apply_number(int option, double value, arguments *args)
{
    switch (option) {
    case 'b':
        args->step.batch = (int)value;
        return true;
    case 't':
        args->step.threads = (int)value;
        return true;
    case 'z':
        args->step.size = (int)value;
        return true;
    case 'o':
        args->step.classes = (int)value;
        return true;
    case 'l':
        args->step.loader_threads = (int)value;
        return true;
    case 'n':
        args->step.samples = (uint32_t)value;
        return true;
    case 's':
        args->seconds = value;
        return true;
    case 'c':
        args->chunks = (int)value;
        return true;
    default:
        args->started = value;
        return true;
    }
}

/* Upper limits of the numbers: what the arrays and types here can hold. */
static double highest(int option)
{
    switch (option) {
    case 'T':
        return 1e12;
    case 'c':
        return MAX_CHUNKS;
    case 't':
    case 'l':
        return 1024;
    default:
        return 1e7;
    }
}

static bool parse(int argc, char **argv, arguments *args)
{
    static const struct option options[] = {
        {"model", required_argument, NULL, 'm'},   {"batch", required_argument, NULL, 'b'},
        {"threads", required_argument, NULL, 't'}, {"backend", required_argument, NULL, 'k'},
        {"isa", required_argument, NULL, 'i'},     {"loader-threads", required_argument, NULL, 'l'},
        {"samples", required_argument, NULL, 'n'}, {"seconds", required_argument, NULL, 's'},
        {"chunks", required_argument, NULL, 'c'},  {"started", required_argument, NULL, 'T'},
        {"trace", no_argument, NULL, 'v'},         {"first-step-only", no_argument, NULL, 'f'},
        {"size", required_argument, NULL, 'z'},    {"classes", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},          {"model-config", required_argument, NULL, 'g'},
        {"layers", no_argument, NULL, 'y'},        {NULL, 0, NULL, 0},
    };
    for (;;) {
        int option = getopt_long(argc, argv, "", options, NULL);
        double value = 0.0;
        switch (option) {
        case -1:
            return optind == argc;
        case 'm':
            args->step.model = optarg;
            break;
        case 'g':
            args->step.config = optarg;
            break;
        case 'k':
            args->step.backend = optarg;
            break;
        case 'i':
            args->step.isa = optarg;
            break;
        case 'v':
            args->trace = true;
            break;
        case 'y':
            args->layers = true;
            break;
        case 'f':
            args->first_step_only = true;
            break;
        case '?':
        case 'h':
            return false;
        default:
            if (!parse_number(optarg,
                              option == 'l'   ? 0.0
                              : option == 's' ? 0.001
                                              : 1.0,
                              highest(option), &value) ||
                !apply_number(option, value, args)) {
                return false;
            }
        }
    }
}

static double now(void)
{
    return co_clock_seconds(&co_clock_system);
}

/* One line of /proc/self/status, in MiB; 0 when it is not there. */
static double status_mib(const char *key)
{
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL) {
        return 0.0;
    }
    char line[256];
    double mib = 0.0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            mib = strtod(line + strlen(key), NULL) / 1024.0;
        }
    }
    fclose(file);
    return mib;
}

/* Microseconds of processor time of all threads. */
static double cpu_now(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

/* Runs steps for that long, at least `least`; *wall_us and *cpu_us are those of one step. */
static co_status chunk(co_step_job *job, double seconds, int least, double *wall_us, double *cpu_us,
                       co_error *err)
{
    double begin = now();
    double begin_cpu = cpu_now();
    double took = 0.0;
    int steps = 0;
    while (steps < least || took < seconds) {
        CO_TRY(co_step_job_step(job, err));
        steps++;
        took = now() - begin;
    }
    *wall_us = 1e6 * took / steps;
    *cpu_us = (cpu_now() - begin_cpu) / steps;
    return CO_OK;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(values[0]), compare);
    return 0.5 * (values[count / 2] + values[(count - 1) / 2]);
}

static co_status measure_steps(const arguments *args, co_step_job *job, result *out, co_error *err)
{
    double wall[MAX_CHUNKS];
    double cpu[MAX_CHUNKS];
    CO_TRY(chunk(job, args->seconds, 3, &wall[0], &cpu[0], err)); /* warm-up */
    for (int i = 0; i < args->chunks; i++) {
        CO_TRY(chunk(job, args->seconds, 2, &wall[i], &cpu[i], err));
    }
    out->step_us = median(wall, args->chunks);
    out->cpu_us = median(cpu, args->chunks);
    out->gflops = args->step.batch / out->step_us * co_step_flops(job->graph) * 1e-3;
    return CO_OK;
}

/* Steps under observation, about as long as a chunk; then the tables that were asked for. */
static co_status show_layers(const arguments *args, co_step_job *job, double step_us, co_error *err)
{
    enum { MOST_STEPS = 200, LEAST_STEPS = 3 };
    int steps = (int)(1e6 * args->seconds / step_us);
    steps = steps < LEAST_STEPS ? LEAST_STEPS : steps > MOST_STEPS ? MOST_STEPS : steps;
    co_layer_times times = {.graph = job->graph};
    co_status status = co_layer_times_take(&times, job, steps, err);
    if (status == CO_OK && args->trace) {
        co_layer_times_print(&times);
    }
    if (status == CO_OK && args->layers) {
        status = co_layer_times_print_kinds(&times, job->team, err);
    }
    co_layer_times_free(&times);
    return status;
}

static co_status measure(const arguments *args, co_step_job *job, result *out, co_error *err)
{
    CO_TRY(co_step_job_step(job, err));
    double wall = 1e-9 * (double)co_clock_wall_ns(&co_clock_system);
    out->first_step_ms = args->started > 0.0 ? 1e3 * (wall - args->started) : 0.0;
    if (args->first_step_only) {
        out->rss_mib = status_mib("VmRSS:");
        out->peak_rss_mib = status_mib("VmHWM:");
        return CO_OK;
    }
    CO_TRY(measure_steps(args, job, out, err));
    out->rss_mib = status_mib("VmRSS:");
    out->peak_rss_mib = status_mib("VmHWM:");
    if (args->trace || args->layers) {
        CO_TRY(show_layers(args, job, out->step_us, err));
    }
    out->peak_gflops = co_peak_gflops(co_peak_find("auto"), job->team);
    return CO_OK;
}

static void print_result(const arguments *args, const result *r)
{
    printf("{\"program\": \"cohort\", \"model\": \"%s\", \"batch\": %d, \"threads\": %d, "
           "\"isa\": \"%s\", \"backend\": \"%s\", \"img_s\": %.1f, \"step_us\": %.1f, "
           "\"cpu_us\": %.1f, \"first_step_ms\": %.1f, \"peak_rss_mib\": %.1f, "
           "\"rss_mib\": %.1f, \"gflops\": %.1f, \"peak_gflops\": %.1f, \"of_peak\": %.3f}\n",
           args->step.model, args->step.batch, args->step.threads, args->step.isa,
           args->step.backend, r->step_us > 0.0 ? 1e6 * args->step.batch / r->step_us : 0.0,
           r->step_us, r->cpu_us, r->first_step_ms, r->peak_rss_mib, r->rss_mib, r->gflops,
           r->peak_gflops, r->peak_gflops > 0.0 ? r->gflops / r->peak_gflops : 0.0);
}

int main(int argc, char **argv)
{
    const char *isa = getenv("COHORT_ISA");
    arguments args = {
        .step = {.model = "lenet5",
                 .backend = "dnnl",
                 .isa = isa != NULL ? isa : "auto",
                 .batch = 64,
                 .threads = 1,
                 .samples = 4096},
        .seconds = 0.5,
        .chunks = 5,
    };
    if (!parse(argc, argv, &args)) {
        fputs(usage, stderr);
        return CO_USAGE;
    }
    co_error err = {.status = CO_OK};
    co_step_job job;
    result r = {0};
    co_status status = co_step_job_open(&args.step, &job, &err);
    if (status == CO_OK) {
        status = measure(&args, &job, &r, &err);
        co_step_job_close(&job);
    }
    if (status != CO_OK) {
        fprintf(stderr, "step_bench: %s\n", err.text);
        return (int)status;
    }
    print_result(&args, &r);
    return 0;
}
