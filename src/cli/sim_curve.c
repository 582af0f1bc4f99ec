/* cohort sim --curve: one simulation after the other, each with more workers, and how well they
 * are used; next to it the formula of a ring. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/gnuplot.h"
#include "cli/sim.h"
#include "comm/platform.h"

enum { PATH_BYTES = 4200, LINE_BYTES = 256, SUMMARY_BYTES = 1 << 20 };

typedef struct curve {
    co_cli *cli;
    co_cluster cluster;
    char csv[PATH_BYTES];
    char picture[PATH_BYTES];
    double one_step;   /* seconds with one worker */
    double one_images; /* per second */
    char *text;        /* of the CSV, all of it */
    size_t size;
    co_text out;
} curve;

/* What a run says of itself. */
typedef struct figures {
    double steps;
    double seconds;
    double images;
    double communication_ms;
    double parameters;
} figures;

/* A number of our own summary.json, in which every name has a line of its own. What a run does not
 * have is null there: NaN. */
static co_status read_number(const char *text, const char *name, const char *path, double *out,
                             co_error *err)
{
    char key[64];
    (void)snprintf(key, sizeof(key), "\"%s\": ", name);
    const char *found = strstr(text, key);
    char *end = NULL;
    double value = found != NULL ? strtod(found + strlen(key), &end) : 0.0;
    if (found != NULL && strncmp(found + strlen(key), "null", 4) == 0) {
        *out = (double)NAN;
        return CO_OK;
    }
    if (found == NULL || end == found + strlen(key)) {
        return co_fail(err, CO_FAILED, "%s has no number '%s'", path, name);
    }
    *out = value;
    return CO_OK;
}

static co_status read_figures(const char *folder, figures *out, co_error *err)
{
    char path[PATH_BYTES + 32];
    char *text = NULL;
    size_t bytes = 0;
    (void)snprintf(path, sizeof(path), "%s/summary.json", folder);
    CO_TRY(co_file_read(path, SUMMARY_BYTES, CO_FILE, &text, &bytes, err));
    const struct {
        const char *name;
        double *value;
    } wanted[] = {
        {"steps", &out->steps},           {"train_seconds", &out->seconds},
        {"images", &out->images},         {"communication_ms_per_step", &out->communication_ms},
        {"parameters", &out->parameters},
    };
    co_status status = CO_OK;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]) && status == CO_OK; i++) {
        status = read_number(text, wanted[i].name, path, wanted[i].value, err);
    }
    co_free(text);
    if (isnan(out->communication_ms)) { /* a single worker */
        out->communication_ms = 0.0;
    }
    return status;
}

/* Of all-reduce in a ring: 2 (W - 1) messages one after the other, and 2 (W - 1) / W of the
 * gradient over each link. Between two hosts lie two links. */
static double ring_seconds(const curve *c, int workers, double parameters)
{
    const double others = workers - 1.0;
    const double bytes = parameters * (c->cli->conf.values.bf16_allreduce ? 2.0 : 4.0);
    return 2.0 * others * 2.0 * c->cluster.latency +
           2.0 * others / workers * bytes / c->cluster.bandwidth;
}

static void add_row(curve *c, int workers, const figures *f)
{
    double step = f->seconds / f->steps;
    double rate = f->images / f->seconds;
    if (workers == 1) {
        c->one_step = step;
        c->one_images = rate;
    }
    double ring = c->one_step + ring_seconds(c, workers, f->parameters);
    char line[LINE_BYTES];
    (void)snprintf(line, sizeof(line), "%d,%.9f,%.3f,%.6f,%.6f,%.9f,%.6f\n", workers, step, rate,
                   rate / (workers * c->one_images), f->communication_ms, ring, c->one_step / ring);
    co_text_put(&c->out, line);
    printf("%8d %14.6f %14.1f %11.2f %% %11.2f %%\n", workers, step, rate,
           100.0 * rate / (workers * c->one_images), 100.0 * c->one_step / ring);
    (void)fflush(stdout);
}

static co_status simulate(curve *c, int workers, co_error *err)
{
    char folder[PATH_BYTES];
    char number[16];
    figures f = {0};
    (void)snprintf(folder, sizeof(folder), "%.4000s/workers-%d", c->cli->conf.values.run_dir,
                   workers);
    (void)snprintf(number, sizeof(number), "%d", workers);
    const char *const more[] = {"--workers", number,        "--run-dir",     folder,
                                "--quiet",   "--drop-last", "--no-evaluate", NULL};
    CO_TRY(co_cli_sim_run(c->cli, workers, more, true, err));
    CO_TRY(read_figures(folder, &f, err));
    add_row(c, workers, &f);
    return CO_OK;
}

static void put_script(FILE *script, const void *arg)
{
    const curve *c = arg;
    co_gnuplot_output(script, c->picture, "800,500");
    (void)fprintf(script, "set datafile separator ','\nset datafile columnheaders\n"
                          "set grid lc rgb '#c0c0c0' lt 1 lw 0.5\nset border 3\n"
                          "set tics nomirror\nset key bottom left\nset logscale x 2\n"
                          "set yrange [0:105]\nset xlabel 'workers'\n"
                          "set ylabel 'efficiency, %%'\nplot ");
    co_gnuplot_quoted(script, c->csv);
    (void)fprintf(script, " using 1:(100 * $4) with linespoints pt 7 lw 2 title 'simulated', ");
    co_gnuplot_quoted(script, c->csv);
    (void)fprintf(script, " using 1:(100 * $7) with lines dt 2 lw 2 title "
                          "'ring, by its formula, after backward'\n");
}

static co_status simulate_all(curve *c, co_error *err)
{
    const co_number_list *list = &c->cli->conf.values.curve;
    printf(" workers  seconds/step       images/s   simulated    by formula\n");
    co_text_put(&c->out, "workers,seconds_per_step,img_per_s,efficiency,communication_ms_per_step,"
                         "ring_seconds_per_step,ring_efficiency\n");
    for (int i = 0; i < list->count; i++) {
        CO_TRY(simulate(c, (int)list->items[i], err));
        /* What is there so far, should a later one fail. */
        CO_TRY(co_file_save(&co_files_system, c->csv, c->text, c->out.length, err));
    }
    co_status status = co_gnuplot_draw(put_script, c, c->picture, err);
    if (status == CO_UNSUPPORTED) {
        printf("no picture: %s\n", err->text);
        err->text[0] = '\0';
        status = CO_OK;
    } else if (status == CO_OK) {
        printf("picture       %s\n", c->picture);
    }
    printf("table         %s\n", c->csv);
    return status;
}

co_status co_cli_sim_curve(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    curve c = {.cli = cli};
    void *block = NULL;
    CO_TRY(co_cluster_read(settings->cluster, &c.cluster, err));
    if (c.cluster.platform[0] != '\0') {
        return co_fail(err, CO_USAGE,
                       "--curve needs a cluster that is given by its numbers, for any number of "
                       "workers; not a platform file");
    }
    (void)snprintf(c.csv, sizeof(c.csv), "%.4000s/curve.csv", settings->run_dir);
    (void)snprintf(c.picture, sizeof(c.picture), "%.4000s/curve.svg", settings->run_dir);
    c.size = ((size_t)settings->curve.count + 1) * LINE_BYTES;
    CO_TRY(co_alloc(c.size, 1, "curve", &block, err));
    c.text = block;
    c.out = co_text_over(c.text, c.size);
    co_status status = simulate_all(&c, err);
    co_free(c.text);
    return status;
}
