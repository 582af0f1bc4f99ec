/* cohort runs plot: the curves of one or several runs as a picture, drawn by gnuplot. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "cli/cli.h"
#include "cli/gnuplot.h"

enum { RUNS_MAX = 12, PATH_SIZE = 4096, PLOTS = 3, CURVES_MAX = 2 };

typedef struct curve {
    const char *event; /* which rows ... */
    const char *split;
    const char *column; /* ... and what of them; x is the step */
    const char *factor; /* of its values */
    const char *label;
    bool points;
} curve;

/* One of the plots below each other. */
typedef struct plot {
    const char *settings;
    bool positive; /* only such values can be drawn */
    int count;
    curve curves[CURVES_MAX];
} plot;

static const plot plots[PLOTS] = {
    {
        "set ylabel 'loss'\nset logscale y\nset key top right",
        true,
        2,
        {{"step", "train", "running_loss", "", "training", false},
         {"evaluation", "test", "loss", "", "test", true}},
    },
    {
        "unset logscale\nset ylabel 'accuracy, %'\nset key bottom right",
        false,
        2,
        {{"epoch", "train", "accuracy", "100 * ", "training, whole epochs", false},
         {"evaluation", "test", "accuracy", "100 * ", "test", true}},
    },
    {
        "unset logscale\nset ylabel 'learning rate'\nset yrange [0:*]\nset key top right",
        false,
        1,
        {{"step", "train", "lr", "", "", false}},
    },
};

typedef struct picture {
    char *list;
    char *runs[RUNS_MAX]; /* in `list` */
    bool there[RUNS_MAX][PLOTS][CURVES_MAX];
    int count;
    char out[PATH_SIZE];
} picture;

/* --- what there is to draw ------------------------------------------------------------------ */

enum { FIELDS_MAX = 40, LINE_SIZE = 1024 };

typedef struct table {
    char header[LINE_SIZE];
    char line[LINE_SIZE];
    char *names[FIELDS_MAX];
    char *fields[FIELDS_MAX];
    int name_count;
    int field_count;
} table;

static int split_line(char *line, char *fields[FIELDS_MAX])
{
    int count = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *rest = line; rest != NULL && count < FIELDS_MAX;) {
        fields[count++] = strsep(&rest, ",");
    }
    return count;
}

/* The field of this row in that column; "" without one. */
static const char *field(const table *t, const char *name)
{
    for (int i = 0; i < t->name_count && i < t->field_count; i++) {
        if (strcmp(t->names[i], name) == 0) {
            return t->fields[i];
        }
    }
    return "";
}

static bool is_point(const table *t, const curve *c, bool positive)
{
    char *end = NULL;
    if (strcmp(field(t, "event"), c->event) != 0 || strcmp(field(t, "split"), c->split) != 0) {
        return false;
    }
    const char *text = field(t, c->column);
    double value = strtod(text, &end);
    return end != text && isfinite(value) && (!positive || value > 0.0);
}

static void look_at_row(const table *t, bool there[PLOTS][CURVES_MAX])
{
    for (int i = 0; i < PLOTS; i++) {
        for (int c = 0; c < plots[i].count; c++) {
            there[i][c] = there[i][c] || is_point(t, &plots[i].curves[c], plots[i].positive);
        }
    }
}

/* gnuplot fails where a curve has no point. */
static co_status look_at_run(picture *p, int run, const char *path, co_error *err)
{
    table t = {0};
    bool(*there)[CURVES_MAX] = p->there[run];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return co_fail_errno(err, CO_FILE, errno, "cannot read %s", path);
    }
    if (fgets(t.header, sizeof(t.header), file) != NULL) {
        t.name_count = split_line(t.header, t.names);
    }
    while (fgets(t.line, sizeof(t.line), file) != NULL) {
        t.field_count = split_line(t.line, t.fields);
        look_at_row(&t, there);
    }
    (void)fclose(file);
    if (!there[0][0] && !there[2][0]) {
        return co_fail(err, CO_USAGE,
                       "%.200s has no steps to draw: it has not come as far as its first record "
                       "(every --log-interval steps): let it go on, or train with a smaller "
                       "--log-interval",
                       p->runs[run]);
    }
    return CO_OK;
}

static bool has_curve(const picture *p, int number)
{
    for (int run = 0; run < p->count; run++) {
        for (int c = 0; c < plots[number].count; c++) {
            if (p->there[run][number][c]) {
                return true;
            }
        }
    }
    return false;
}

/* --- the script ---------------------------------------------------------------------------- */

static const char *name_of(const char *run)
{
    const char *slash = strrchr(run, '/');
    return slash != NULL ? slash + 1 : run;
}

static void put_curve(FILE *script, const picture *p, int run, const curve *c)
{
    bool one = p->count == 1; /* then the test has a colour of its own */
    char title[PATH_SIZE + 64];
    co_gnuplot_quoted(script, p->runs[run]);
    (void)fprintf(script,
                  ".'/metrics.csv' using (strcol('event') eq '%s' && strcol('split') eq '%s' ? "
                  "column('step') : NaN):(%scolumn('%s')) with %s lc %d title ",
                  c->event, c->split, c->factor, c->column,
                  c->points ? "linespoints lw 1 dt 2 pt 7 ps 0.9" : "lines lw 1.5",
                  one && c->points ? 2 : run + 1);
    (void)snprintf(title, sizeof(title), "%s%s%s", one ? "" : name_of(p->runs[run]),
                   one || c->label[0] == '\0' ? "" : ": ", c->label);
    co_gnuplot_quoted(script, title);
}

/* Each curve of each run that has points of it. */
static void put_plot(FILE *script, const picture *p, int number)
{
    const plot *one = &plots[number];
    const char *before = "";
    (void)fprintf(script, "%s\nplot ", one->settings);
    for (int i = 0; i < p->count * one->count; i++) {
        if (p->there[i / one->count][number][i % one->count]) {
            (void)fprintf(script, "%s", before);
            put_curve(script, p, i / one->count, &one->curves[i % one->count]);
            before = ", \\\n  ";
        }
    }
    (void)fprintf(script, "\n");
}

/* Rows of other kinds are NaN, which must not interrupt a line. */
static void put_script(FILE *script, const void *arg)
{
    const picture *p = arg;
    const int count = has_curve(p, 0) + has_curve(p, 1) + has_curve(p, 2);
    int done = 0;
    co_gnuplot_output(script, p->out, "1000,1000");
    (void)fprintf(script,
                  "set datafile separator ','\nset datafile columnheaders\n"
                  "set datafile missing NaN\nset grid lc rgb '#c0c0c0' lt 1 lw 0.5\n"
                  "set border 3\nset tics nomirror\nset key inside opaque noenhanced\n"
                  "set lmargin 12\nset rmargin 4\nset xrange [0:*]\n"
                  "set multiplot layout %d,1\nset format y '%%g'\n",
                  count);
    for (int i = 0; i < PLOTS; i++) {
        if (has_curve(p, i)) {
            (void)fprintf(script, "%s", ++done == count ? "set xlabel 'step'\n" : "");
            put_plot(script, p, i);
        }
    }
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
        CO_TRY(look_at_run(p, p->count - 1, path, err));
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
