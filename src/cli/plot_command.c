/* cohort runs plot: the curves of one or several runs as a picture, drawn by gnuplot. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "cli/cli.h"
#include "cli/gnuplot.h"

enum { RUNS_MAX = 12, PATH_SIZE = 4096 };

typedef struct picture {
    char *list;
    char *runs[RUNS_MAX]; /* in `list` */
    int count;
    char out[PATH_SIZE];
} picture;

/* --- the script ---------------------------------------------------------------------------- */

static const char *name_of(const char *run)
{
    const char *slash = strrchr(run, '/');
    return slash != NULL ? slash + 1 : run;
}

typedef struct curve {
    const char *event; /* which rows ... */
    const char *split;
    const char *value; /* ... and what of them; x is the step */
    const char *label;
    bool points;
} curve;

static void put_curve(FILE *script, const picture *p, int run, const curve *c)
{
    bool one = p->count == 1; /* then the test has a colour of its own */
    char title[PATH_SIZE + 64];
    co_gnuplot_quoted(script, p->runs[run]);
    (void)fprintf(script,
                  ".'/metrics.csv' using (strcol('event') eq '%s' && strcol('split') eq '%s' ? "
                  "column('step') : NaN):(%s) with %s lc %d title ",
                  c->event, c->split, c->value,
                  c->points ? "linespoints lw 1 dt 2 pt 7 ps 0.9" : "lines lw 1.5",
                  one && c->points ? 2 : run + 1);
    (void)snprintf(title, sizeof(title), "%s%s%s", one ? "" : name_of(p->runs[run]),
                   one || c->label[0] == '\0' ? "" : ": ", c->label);
    co_gnuplot_quoted(script, title);
}

/* One of the plots below each other: each curve of each run. */
static void put_plot(FILE *script, const picture *p, const char *settings, const curve *curves,
                     int count)
{
    (void)fprintf(script, "%s\nplot ", settings);
    for (int i = 0; i < p->count * count; i++) {
        (void)fprintf(script, "%s", i > 0 ? ", \\\n  " : "");
        put_curve(script, p, i / count, &curves[i % count]);
    }
    (void)fprintf(script, "\n");
}

/* Rows of other kinds are NaN, which must not interrupt a line. */
static void put_script(FILE *script, const void *arg)
{
    const picture *p = arg;
    static const curve loss[] = {
        {"step", "train", "column('running_loss')", "training", false},
        {"evaluation", "test", "column('loss')", "test", true},
    };
    static const curve accuracy[] = {
        {"epoch", "train", "100 * column('accuracy')", "training, whole epochs", false},
        {"evaluation", "test", "100 * column('accuracy')", "test", true},
    };
    static const curve rate[] = {{"step", "train", "column('lr')", "", false}};
    co_gnuplot_output(script, p->out, "1000,1000");
    (void)fprintf(script, "set datafile separator ','\nset datafile columnheaders\n"
                          "set datafile missing NaN\nset grid lc rgb '#c0c0c0' lt 1 lw 0.5\n"
                          "set border 3\nset tics nomirror\nset key inside opaque noenhanced\n"
                          "set lmargin 12\nset rmargin 4\nset xrange [0:*]\n"
                          "set multiplot layout 3,1\nset format y '%%g'\n");
    put_plot(script, p, "set ylabel 'loss'\nset logscale y\nset key top right", loss, 2);
    put_plot(script, p, "unset logscale\nset ylabel 'accuracy, %'\nset key bottom right", accuracy,
             2);
    put_plot(script, p,
             "set ylabel 'learning rate'\nset yrange [0:*]\nset xlabel 'step'\n"
             "set key top right",
             rate, 1);
    (void)fprintf(script, "unset multiplot\n");
}

static co_status find_runs(picture *p, const co_settings *settings, co_error *err)
{
    char path[PATH_SIZE];
    struct stat info;
    if (settings->runs == NULL) {
        return co_fail(err, CO_USAGE, "runs plot needs a run folder: cohort runs plot RUN ...");
    }
    CO_TRY(co_strdup(settings->runs, &p->list, err));
    char *rest = p->list;
    for (char *run = strtok_r(p->list, "\n", &rest); run != NULL;
         run = strtok_r(NULL, "\n", &rest)) {
        if (p->count == RUNS_MAX) {
            return co_fail(err, CO_USAGE, "runs plot takes at most %d runs", (int)RUNS_MAX);
        }
        for (size_t last = strlen(run); last > 1 && run[last - 1] == '/';) {
            run[--last] = '\0';
        }
        int length = snprintf(path, sizeof(path), "%s/metrics.csv", run);
        if (length < 0 || length >= PATH_SIZE || stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
            return co_fail(err, CO_FILE,
                           "%.200s has no metrics.csv: is it a run folder, and was "
                           "the run made without --no-csv?",
                           run);
        }
        p->runs[p->count++] = run;
    }
    int length = settings->out != NULL
                     ? snprintf(p->out, sizeof(p->out), "%s", settings->out)
                     : snprintf(p->out, sizeof(p->out), "%s/curves.png", p->runs[0]);
    if (length < 0 || length >= PATH_SIZE) {
        return co_fail(err, CO_USAGE, "--out: the path is too long");
    }
    return CO_OK;
}

co_status co_cli_runs_plot(co_cli *cli, co_error *err)
{
    picture p = {0};
    co_status status = find_runs(&p, &cli->conf.values, err);
    if (status == CO_OK) {
        status = co_gnuplot_draw(put_script, &p, p.out, err);
    }
    if (status == CO_OK) {
        printf("%s\n", p.out);
    }
    co_free(p.list);
    return status;
}
