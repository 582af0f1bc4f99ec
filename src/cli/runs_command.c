/* cohort runs list: what is in a results folder; cohort runs tail: a log that grows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "monitor/runs.h"

enum { PATH_SIZE = 4096, CELL_SIZE = 48 };

/* --- list ---------------------------------------------------------------------------------- */

typedef struct column {
    const char *title;
    bool left; /* aligned; numbers to the right */
} column;

enum { COLUMNS = 9 };

static const column columns[COLUMNS] = {
    {"run", true},        {"status", true},    {"data set", true},
    {"model", true},      {"epochs", false},   {"train loss", false},
    {"test loss", false}, {"test acc", false}, {"time", false},
};

static void number_cell(char out[CELL_SIZE], const char *format, double value)
{
    co_text text = co_text_over(out, CELL_SIZE);
    if (isfinite(value)) {
        co_text_printf(&text, strcmp(format, "%") == 0 ? "%.2f %%" : "%.4f", value);
    }
}

static void progress_cell(char out[CELL_SIZE], const co_run_record *record)
{
    co_text text = co_text_over(out, CELL_SIZE);
    if (record->epochs >= 0) {
        co_text_printf(&text, "%lld", (long long)record->epochs);
    }
    if (record->epochs_total >= 0) {
        co_text_printf(&text, "/%lld", (long long)record->epochs_total);
    }
}

static void fill_row(const co_run_record *record, char cells[COLUMNS][CELL_SIZE])
{
    const char *const texts[] = {record->name, record->status, record->dataset, record->model};
    for (int i = 0; i < 4; i++) {
        co_text cell = co_text_over(cells[i], CELL_SIZE);
        co_text_put(&cell, texts[i]);
    }
    progress_cell(cells[4], record);
    number_cell(cells[5], "", record->train_loss);
    number_cell(cells[6], "", record->test_loss);
    number_cell(cells[7], "%", 100.0 * record->test_accuracy);
    co_text cell = co_text_over(cells[8], CELL_SIZE);
    if (isfinite(record->seconds)) {
        co_text_duration(&cell, record->seconds);
    }
}

static void print_padded(const char *text, size_t width, bool left, bool last)
{
    size_t used = co_utf8_columns(text);
    int pad = used < width ? (int)(width - used) : 0;
    printf("%*s%s%*s", left ? 0 : pad, "", text, left && !last ? pad : 0, "");
    printf("%s", last ? "\n" : "  ");
}

static void print_table(const co_run_list *list, char (*cells)[COLUMNS][CELL_SIZE])
{
    size_t width[COLUMNS] = {0};
    for (int c = 0; c < COLUMNS; c++) {
        width[c] = strlen(columns[c].title);
        for (size_t i = 0; i < list->count; i++) {
            size_t used = co_utf8_columns(cells[i][c]);
            width[c] = used > width[c] ? used : width[c];
        }
    }
    for (int c = 0; c < COLUMNS; c++) {
        print_padded(columns[c].title, width[c], columns[c].left, c + 1 == COLUMNS);
    }
    for (size_t i = 0; i < list->count; i++) {
        for (int c = 0; c < COLUMNS; c++) {
            print_padded(cells[i][c], width[c], columns[c].left, c + 1 == COLUMNS);
        }
    }
}

/* Best or newest first; what is not known comes last. */
static int by_number(double a, double b)
{
    bool known_a = isfinite(a);
    bool known_b = isfinite(b);
    return known_a != known_b ? (known_a ? -1 : 1) : !known_a ? 0 : (a > b) - (a < b);
}

static int by_accuracy(const void *a, const void *b)
{
    return by_number(-((const co_run_record *)a)->test_accuracy,
                     -((const co_run_record *)b)->test_accuracy);
}

static int by_loss(const void *a, const void *b)
{
    return by_number(((const co_run_record *)a)->test_loss, ((const co_run_record *)b)->test_loss);
}

static int by_start(const void *a, const void *b)
{
    int64_t first = ((const co_run_record *)a)->started;
    int64_t second = ((const co_run_record *)b)->started;
    return (first > second) - (first < second);
}

static void sort_runs(co_run_list *list, co_conf_sort order)
{
    int (*compare)(const void *, const void *) = order == CO_CONF_SORT_ACCURACY ? by_accuracy
                                                 : order == CO_CONF_SORT_LOSS   ? by_loss
                                                                                : by_start;
    if (order != CO_CONF_SORT_NAME && list->count > 1) {
        qsort(list->records, list->count, sizeof(co_run_record), compare);
    }
}

co_status co_cli_runs_list(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    co_run_list list = {0};
    void *block = NULL;
    CO_TRY(co_runs_list(settings->results_dir, &list, err));
    sort_runs(&list, (co_conf_sort)settings->sort);
    co_status status = co_alloc(list.count, sizeof(char[COLUMNS][CELL_SIZE]), "table", &block, err);
    if (status == CO_OK) {
        char(*cells)[COLUMNS][CELL_SIZE] = block;
        for (size_t i = 0; i < list.count; i++) {
            fill_row(&list.records[i], cells[i]);
        }
        if (list.count > 0) {
            print_table(&list, cells);
        } else {
            printf("no runs in %s\n", settings->results_dir);
        }
        if (settings->verbose) {
            printf("%zu of %zu run folders were read%s%s\n", list.read, list.count,
                   list.no_index.status != CO_OK ? "; " : "",
                   list.no_index.status != CO_OK ? list.no_index.text : "");
        }
    }
    co_free(block);
    co_runs_free(&list);
    return status;
}

/* --- tail ---------------------------------------------------------------------------------- */

#define POLL_SECONDS 0.2

/* Where the last `lines` lines of the file begin. */
static long begin_of_tail(FILE *file, int lines)
{
    long at = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : 0;
    /* the newline at the very end belongs to the last line */
    for (int newlines = 0; at > 0; at--) {
        if (fseek(file, at - 1, SEEK_SET) != 0 || (fgetc(file) == '\n' && ++newlines > lines)) {
            break;
        }
    }
    return at > 0 ? at : 0;
}

static void print_rest(FILE *file)
{
    char buffer[4096];
    clearerr(file);
    for (size_t count = 1; count > 0;) {
        count = fread(buffer, 1, sizeof(buffer), file);
        (void)fwrite(buffer, 1, count, stdout);
    }
    (void)fflush(stdout);
}

static co_status follow(const co_cli *cli, FILE *file, const char *run_dir, co_error *err)
{
    for (bool running = true; running && atomic_load(cli->stop) == 0;) {
        co_run_record record;
        CO_TRY(co_run_read(run_dir, &record, err));
        running = strcmp(record.status, "running") == 0;
        print_rest(file); /* after the look at the status: nothing is missed */
        if (ferror(stdout)) {
            return CO_OK; /* whoever read has left */
        }
        if (running) {
            co_clock_sleep(cli->clock, POLL_SECONDS);
        } else {
            printf("-- %s --\n", record.status);
        }
    }
    return CO_OK;
}

co_status co_cli_runs_tail(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    const char *run_dir = settings->run_dir;
    char path[PATH_SIZE];
    co_run_record record;
    if (run_dir == NULL) {
        return co_fail(err, CO_USAGE, "runs tail needs a run folder: cohort runs tail RUN_DIR");
    }
    CO_TRY(co_run_read(run_dir, &record, err));
    int length = snprintf(path, sizeof(path), "%s/log.txt", run_dir);
    FILE *file = length > 0 && length < PATH_SIZE ? fopen(path, "re") : NULL;
    if (file == NULL) {
        return co_fail(err, CO_FILE, "%s: the run has no log.txt that can be read", run_dir);
    }
    co_status status = CO_OK;
    if (fseek(file, begin_of_tail(file, settings->lines), SEEK_SET) == 0) {
        print_rest(file);
    }
    if (settings->follow) {
        status = follow(cli, file, run_dir, err);
    }
    (void)fclose(file);
    return status;
}
