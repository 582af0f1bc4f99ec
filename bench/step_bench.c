/* Images per second of cohort's training step on data in memory; prints one JSON line with the
 * fields of bench/peer/step.py. --help lists the options. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bench/machine.h"
#include "bench/step_job.h"

enum { MAX_CHUNKS = 1000 };

typedef struct arguments {
    co_step_settings step;
    double seconds; /* of a chunk */
    int chunks;
    double started; /* wall time when the process was started; 0 = unknown */
    bool trace;
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
        {"model", required_argument, NULL, 'm'},
        {"batch", required_argument, NULL, 'b'},
        {"threads", required_argument, NULL, 't'},
        {"backend", required_argument, NULL, 'k'},
        {"isa", required_argument, NULL, 'i'},
        {"loader-threads", required_argument, NULL, 'l'},
        {"samples", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 's'},
        {"chunks", required_argument, NULL, 'c'},
        {"started", required_argument, NULL, 'T'},
        {"trace", no_argument, NULL, 'v'},
        {"first-step-only", no_argument, NULL, 'f'},
        {"size", required_argument, NULL, 'z'},
        {"classes", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {"model-config", required_argument, NULL, 'g'},
        {NULL, 0, NULL, 0},
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

/* Times of the operations, told apart by (layer, pass); entry 0..2 is layer -1. */
typedef struct trace {
    double *seconds;
    size_t current; /* what runs now */
    double since;
} trace;

static void trace_switch(trace *t, size_t next)
{
    double time = now();
    t->seconds[t->current] += time - t->since;
    t->current = next;
    t->since = time;
}

static void trace_call(void *arg, int layer, co_pass pass)
{
    trace_switch(arg, (size_t)(layer + 1) * 3 + pass);
}

static co_status run_traced(co_step_job *job, trace *t, int steps, co_error *err)
{
    co_status status = CO_OK;
    co_step_job_trace(job, trace_call, t);
    t->since = now();
    for (int i = 0; i < steps && status == CO_OK; i++) {
        status = co_step_job_step(job, err);
    }
    trace_switch(t, 0);
    co_step_job_trace(job, NULL, NULL);
    return status;
}

/* Layers that run as one kernel are announced together: the time is with the last of them. */
static void print_trace(const co_graph *graph, const trace *t, int steps)
{
    static const char *const passes[] = {"forward", "weights", "data"};
    static const char *const parts[] = {"(input)", "(loss)", "(update)"};
    printf("%-20s %-16s %-8s %10s %10s\n", "layer", "kind", "pass", "us/step", "Mmac/img");
    for (int layer = -1; layer < graph->layer_count; layer++) {
        for (int pass = 0; pass < 3; pass++) {
            double us = 1e6 * t->seconds[(layer + 1) * 3 + pass] / steps;
            if (us > 0.0 && layer < 0) {
                printf("%-20s %-16s %-8s %10.1f\n", parts[pass], "", "", us);
            } else if (us > 0.0) {
                const co_layer *l = &graph->layers[layer];
                printf("%-20s %-16s %-8s %10.1f %10.3f\n", l->name, co_layer_kind_name(l->kind),
                       passes[pass], us, 1e-6 * co_layer_macs(l));
            }
        }
    }
}

static co_status show_trace(co_step_job *job, co_error *err)
{
    enum { STEPS = 100 };
    void *block = NULL;
    CO_TRY(co_alloc((size_t)job->graph->layer_count * 3 + 3, sizeof(double), "trace", &block, err));
    trace t = {.seconds = block};
    co_status status = run_traced(job, &t, STEPS, err);
    if (status == CO_OK) {
        print_trace(job->graph, &t, STEPS);
    }
    co_free(block);
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
    if (args->trace) {
        CO_TRY(show_trace(job, err));
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
