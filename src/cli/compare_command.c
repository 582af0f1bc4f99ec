/* cohort runs compare: the settings in which runs differ, and what came out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "cli/cli.h"
#include "conf/option.h"
#include "monitor/runs.h"

enum { RUNS_MAX = 16, PATH_SIZE = 4096, CONFIG_BYTES = 1 << 20, CELL_SIZE = 32, NAME_WIDTH = 22 };

typedef struct compared {
    char *dir; /* borrowed from `list` */
    co_conf conf;
    co_run_record record;
    char weights[CO_HASH_TEXT_SIZE]; /* "" without model.safetensors */
} compared;

typedef struct comparison {
    char *list;
    compared *runs;
    int count;
} comparison;

static co_status read_run(compared *run, co_error *err)
{
    char path[PATH_SIZE];
    char *text = NULL;
    size_t bytes = 0;
    co_hash hash;
    co_error unused;
    CO_TRY(co_run_read(run->dir, &run->record, err));
    int length = snprintf(path, sizeof(path), "%s/config.yaml", run->dir);
    if (length < 0 || length >= PATH_SIZE - 16) {
        return co_fail(err, CO_USAGE, "the path of a run is too long");
    }
    CO_TRY(co_file_read(path, CONFIG_BYTES, CO_FILE, &text, &bytes, err));
    co_status status = co_conf_read(&run->conf, CO_COMMAND_TRAIN, path, text, bytes, err);
    co_free(text);
    (void)snprintf(path, sizeof(path), "%s/model.safetensors", run->dir);
    if (co_hash_file(path, &hash, &unused) == CO_OK) {
        co_hash_text(hash, run->weights);
    }
    return status;
}

static co_status split_list(comparison *c, const char *list, co_error *err)
{
    void *block = NULL;
    if (list == NULL || strchr(list, '\n') == NULL) {
        return co_fail(err, CO_USAGE,
                       "runs compare needs at least two run folders: cohort runs "
                       "compare RUN RUN ...");
    }
    CO_TRY(co_strdup(list, &c->list, err));
    CO_TRY(co_alloc(RUNS_MAX, sizeof(compared), "runs", &block, err));
    c->runs = block;
    for (char *next = c->list; next != NULL;) {
        char *end = strchr(next, '\n');
        if (c->count == RUNS_MAX) {
            return co_fail(err, CO_USAGE, "runs compare takes at most %d runs", (int)RUNS_MAX);
        }
        if (end != NULL) {
            *end = '\0';
        }
        for (size_t last = strlen(next); last > 1 && next[last - 1] == '/';) {
            next[--last] = '\0';
        }
        c->runs[c->count++].dir = next;
        next = end != NULL ? end + 1 : NULL;
    }
    return CO_OK;
}

/* The names of folders are cut at the front: their ends differ. */
static const char *short_name(const char *dir)
{
    const char *slash = strrchr(dir, '/');
    const char *name = slash != NULL && slash[1] != '\0' ? slash + 1 : dir;
    size_t length = strlen(name);
    return length < CELL_SIZE ? name : name + (length - CELL_SIZE + 1);
}

static void print_row(const char *name, char (*cells)[CELL_SIZE], int count, const int *width)
{
    printf("%-*s", NAME_WIDTH, name);
    for (int i = 0; i < count; i++) {
        printf("  %*s", width[i], cells[i]);
    }
    printf("\n");
}

/* A value that is too long ends with dots. */
static void put_cell(char cell[CELL_SIZE], const char *text)
{
    size_t length = strlen(text);
    (void)snprintf(cell, CELL_SIZE, "%.*s%s", CELL_SIZE - 4, text,
                   length >= CELL_SIZE - 3 ? "..." : "");
}

static co_status print_setting(const comparison *c, co_row row, const int *width, co_error *err)
{
    char cells[RUNS_MAX][CELL_SIZE];
    char *first = NULL;
    bool same = true;
    CO_TRY(co_conf_value_text(&c->runs[0].conf.values, row, &first, err));
    put_cell(cells[0], first);
    co_status status = CO_OK;
    for (int i = 1; status == CO_OK && i < c->count; i++) {
        char *text = NULL;
        status = co_conf_value_text(&c->runs[i].conf.values, row, &text, err);
        if (status == CO_OK) {
            put_cell(cells[i], text);
            same = same && strcmp(text, first) == 0;
        }
        co_free(text);
    }
    if (status == CO_OK && !same) {
        print_row(co_option_row(row)->name, cells, c->count, width);
    }
    co_free(first);
    return status;
}

typedef void (*cell_func)(const compared *run, char *out);

static void number(char *out, const char *format, double value)
{
    co_text text = co_text_over(out, CELL_SIZE);
    if (isfinite(value) && value >= 0.0) {
        (void)snprintf(out, CELL_SIZE,
                       strcmp(format, "%") == 0   ? "%.2f %%"
                       : strcmp(format, "d") == 0 ? "%.0f"
                                                  : "%.4f",
                       value);
    } else {
        co_text_put(&text, "-");
    }
}

static void status_cell(const compared *run, char *out)
{
    (void)snprintf(out, CELL_SIZE, "%.31s", run->record.status);
}

static void steps_cell(const compared *run, char *out)
{
    number(out, "d", (double)run->record.steps);
}

static void train_loss_cell(const compared *run, char *out)
{
    number(out, "", run->record.train_loss);
}

static void test_loss_cell(const compared *run, char *out)
{
    number(out, "", run->record.test_loss);
}

static void test_accuracy_cell(const compared *run, char *out)
{
    number(out, "%", 100.0 * run->record.test_accuracy);
}

static void seconds_cell(const compared *run, char *out)
{
    number(out, "", run->record.seconds);
}

static void rate_cell(const compared *run, char *out)
{
    number(out, "d", run->record.images_per_second);
}

/* The same weights to the bit have the same digits. */
static void weights_cell(const compared *run, char *out)
{
    (void)snprintf(out, CELL_SIZE, "%.12s", run->weights[0] != '\0' ? run->weights : "-");
}

static void print_results(const comparison *c, const int *width)
{
    static const struct {
        const char *name;
        cell_func cell;
    } rows[] = {
        {"status", status_cell},
        {"steps", steps_cell},
        {"train loss", train_loss_cell},
        {"test loss", test_loss_cell},
        {"test accuracy", test_accuracy_cell},
        {"training seconds", seconds_cell},
        {"images per second", rate_cell},
        {"hash of the weights", weights_cell},
    };
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        char cells[RUNS_MAX][CELL_SIZE];
        for (int i = 0; i < c->count; i++) {
            rows[r].cell(&c->runs[i], cells[i]);
        }
        print_row(rows[r].name, cells, c->count, width);
    }
}

static co_status compare(const comparison *c, co_error *err)
{
    char names[RUNS_MAX][CELL_SIZE];
    int width[RUNS_MAX];
    for (int i = 0; i < c->count; i++) {
        (void)snprintf(names[i], CELL_SIZE, "%s", short_name(c->runs[i].dir));
        width[i] = (int)strlen(names[i]) > 12 ? (int)strlen(names[i]) : 12;
    }
    print_row("", names, c->count, width);
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = co_option_row((co_row)row);
        if (co_option_applies((co_row)row, CO_COMMAND_TRAIN) && !option->invocation) {
            CO_TRY(print_setting(c, (co_row)row, width, err));
        }
    }
    printf("\n");
    print_results(c, width);
    return CO_OK;
}

co_status co_cli_runs_compare(co_cli *cli, co_error *err)
{
    comparison c = {0};
    co_status status = split_list(&c, cli->conf.values.runs, err);
    for (int i = 0; status == CO_OK && i < c.count; i++) {
        status = read_run(&c.runs[i], err);
    }
    if (status == CO_OK) {
        status = compare(&c, err);
    }
    for (int i = 0; i < c.count; i++) {
        co_conf_free(&c.runs[i].conf);
    }
    co_free(c.runs);
    co_free(c.list);
    return status;
}
