#include "data/csv.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "data/number.h"

enum { FIRST_ROWS = 16, ROWS_AT_ONCE = 8, THREADS_MAX = 64, SHOWN = 40 };

static const size_t file_bytes_max = (size_t)1 << 40;

/* ---- rows ---- */

static const char *row_begin(const co_csv *csv, uint32_t row)
{
    return (const char *)csv->content.data + csv->starts[row];
}

/* Where the row's characters end: before its newline, and before a CR in front of that. */
static const char *row_end(const co_csv *csv, uint32_t row)
{
    const char *begin = row_begin(csv, row);
    const char *end = (const char *)csv->content.data + csv->starts[row + 1];
    end -= end > begin && end[-1] == '\n';
    end -= end > begin && end[-1] == '\r';
    return end;
}

static uint64_t count_newlines(const uint8_t *data, size_t size)
{
    uint64_t count = 0;
    for (const uint8_t *at = data; (at = memchr(at, '\n', size - (size_t)(at - data))) != NULL;) {
        count++;
        at++;
    }
    return count;
}

static co_status find_rows(co_csv *csv, co_error *err)
{
    const uint8_t *data = csv->content.data;
    size_t size = csv->content.size;
    while (size > 0 && (data[size - 1] == '\n' || data[size - 1] == '\r')) {
        size--; /* empty lines at the end are none */
    }
    if (size == 0) {
        return co_fail(err, CO_DATA, "%s: has no rows", csv->path);
    }
    uint64_t rows = count_newlines(data, size) + 1;
    if (rows >= UINT32_MAX) {
        return co_fail(err, CO_DATA, "%s: has %llu rows, more than %u", csv->path,
                       (unsigned long long)rows, UINT32_MAX);
    }
    void *block = NULL;
    CO_TRY(co_alloc((size_t)rows + 1, sizeof(uint64_t), "rows", &block, err));
    csv->starts = block;
    csv->rows = (uint32_t)rows;
    size_t at = 0;
    for (uint32_t row = 1; row < csv->rows; row++) {
        at = (size_t)((const uint8_t *)memchr(data + at, '\n', size - at) - data) + 1;
        csv->starts[row] = at;
    }
    csv->starts[rows] = size;
    return CO_OK;
}

co_status co_csv_open(const char *path, co_csv *out, co_error *err)
{
    co_csv csv = {0};
    co_source source = CO_SOURCE_NONE;
    CO_TRY(co_strdup(path, &csv.path, err));
    co_status status = co_source_open(path, &source, err);
    if (status == CO_OK) {
        status = co_source_read_all(&source, file_bytes_max, &csv.content, err);
        co_source_close(&source);
    }
    if (status == CO_OK) {
        status = find_rows(&csv, err);
    }
    if (status != CO_OK) {
        co_csv_close(&csv);
        return status;
    }
    *out = csv;
    return CO_OK;
}

void co_csv_close(co_csv *csv)
{
    co_bytes_free(&csv->content);
    co_free(csv->starts);
    co_free(csv->path);
    *csv = (co_csv){0};
}

static uint32_t columns_of(const co_csv *csv, uint32_t row)
{
    const char *end = row_end(csv, row);
    uint32_t columns = 1;
    for (const char *at = row_begin(csv, row);
         columns < CO_CSV_COLUMNS_MAX && (at = memchr(at, ',', (size_t)(end - at))) != NULL; at++) {
        columns++;
    }
    return columns;
}

uint32_t co_csv_columns(const co_csv *csv)
{
    uint32_t counts[FIRST_ROWS] = {0};
    int rows = csv->rows < FIRST_ROWS ? (int)csv->rows : FIRST_ROWS;
    int best = 0;
    int most = 0;
    for (int i = 0; i < rows; i++) {
        counts[i] = columns_of(csv, (uint32_t)i);
    }
    for (int i = 0; i < rows; i++) {
        int same = 0;
        for (int k = 0; k < rows; k++) {
            same += counts[k] == counts[i];
        }
        if (same > most) { /* of two that are as frequent, the one that comes first */
            most = same;
            best = i;
        }
    }
    return counts[best];
}

/* ---- fields ---- */

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    return at;
}

/* One field at *at; moves there behind it, to the comma or the end of the row. */
static co_csv_fault_kind take_field(const char **at, const char *end, float *value)
{
    const char *begin = skip_blanks(*at, end);
    if (begin == end || *begin == ',') {
        return CO_CSV_EMPTY;
    }
    const char *after = co_number_read(begin, end, value);
    if (after == NULL) {
        return CO_CSV_TEXT;
    }
    after = skip_blanks(after, end);
    if (after < end && *after != ',') {
        return CO_CSV_TEXT;
    }
    *at = after;
    return isinf(*value) ? CO_CSV_RANGE : CO_CSV_FINE;
}

/* values: (columns - 1), or NULL to look for faults only. */
static co_csv_fault parse_row(const co_csv *csv, uint32_t row, uint32_t columns, int classes,
                              int32_t *label, float *values)
{
    const char *at = row_begin(csv, row);
    const char *end = row_end(csv, row);
    float value = 0.0f;
    for (uint32_t column = 0; column < columns; column++) {
        co_csv_fault_kind kind = take_field(&at, end, &value);
        if (kind != CO_CSV_FINE) {
            return (co_csv_fault){kind, column};
        }
        if (column > 0 && values != NULL) {
            values[column - 1] = value;
        } else if (column == 0) {
            if (!(value >= 0.0f && value < (float)classes) || value != truncf(value)) {
                return (co_csv_fault){CO_CSV_CLASS, 0};
            }
            *label = (int32_t)value;
        }
        if (at == end && column + 1 < columns) {
            return (co_csv_fault){CO_CSV_MISSING, column + 1};
        }
        at += at < end; /* the comma */
    }
    /* A comma at the very end begins one more, empty, field. */
    bool more = at < end || (at > row_begin(csv, row) && at[-1] == ',');
    return more ? (co_csv_fault){CO_CSV_EXTRA, columns} : (co_csv_fault){CO_CSV_FINE, 0};
}

/* ---- a table ---- */

static const uint32_t no_slot = UINT32_MAX;

typedef struct parser {
    const co_csv *csv;
    uint32_t columns;
    int classes;
    float *values;   /* (slots, columns - 1) */
    int32_t *labels; /* (rows of the file) */
    uint32_t *slots; /* (rows) where in `values` a row goes; no_slot: it is too short to be good */
    co_csv_fault *faults; /* (rows) */
    atomic_uint next;     /* row that nobody has taken yet */
} parser;

static void *parse_rows(void *arg)
{
    parser *p = arg;
    size_t features = p->columns - 1;
    uint32_t first = 0;
    while ((first = atomic_fetch_add(&p->next, ROWS_AT_ONCE)) < p->csv->rows) {
        for (uint32_t row = first; row < p->csv->rows && row < first + ROWS_AT_ONCE; row++) {
            uint32_t slot = p->slots[row];
            float *values = slot == no_slot ? NULL : p->values + slot * features;
            p->faults[row] = parse_row(p->csv, row, p->columns, p->classes, &p->labels[row],
                                       values);
        }
    }
    return NULL;
}

/* Who gets no thread parses alone: the caller takes part. */
static void parse_by_many(parser *p, int threads)
{
    pthread_t helper[THREADS_MAX];
    int started = 0;
    while (started < threads - 1 && started < THREADS_MAX &&
           pthread_create(&helper[started], NULL, parse_rows, p) == 0) {
        started++;
    }
    (void)parse_rows(p);
    for (int i = 0; i < started; i++) {
        pthread_join(helper[i], NULL);
    }
}

/* A good row has at least a digit per column and the commas between: memory is reserved for rows of
 * that length only, so that it stays within twice the file's size whatever the file says. */
static co_status make_slots(parser *p, co_csv_table *table, co_error *err)
{
    const co_csv *csv = p->csv;
    uint32_t count = 0;
    for (uint32_t row = 0; row < csv->rows; row++) {
        uint64_t length = csv->starts[row + 1] - csv->starts[row];
        p->slots[row] = length >= 2 * (uint64_t)p->columns - 1 ? count++ : no_slot;
    }
    if (count > 0) {
        size_t bytes = (size_t)count * (p->columns - 1) * sizeof(float);
        CO_TRY(co_bytes_reserve(bytes, csv->path, &table->values, err));
        p->values = table->values.pages;
    }
    return CO_OK;
}

/* Moves the good rows together. */
static void close_gaps(const parser *p, co_csv_table *table)
{
    size_t features = p->columns - 1;
    for (uint32_t row = 0; row < p->csv->rows; row++) {
        if (p->faults[row].kind != CO_CSV_FINE) {
            table->faulty++;
            continue;
        }
        if (p->slots[row] != table->rows) {
            memmove(p->values + table->rows * features, p->values + p->slots[row] * features,
                    features * sizeof(float));
        }
        table->labels[table->rows] = p->labels[row];
        table->rows++;
    }
    table->values.size = table->rows * features * sizeof(float);
}

co_status co_csv_parse(const co_csv *csv, uint32_t columns, int classes, int threads,
                       co_csv_table *out, co_error *err)
{
    parser p = {.csv = csv, .columns = columns, .classes = classes};
    co_csv_table table = {0};
    void *slots = NULL;
    void *labels = NULL;
    void *faults = NULL;
    if (columns < 2 || columns >= CO_CSV_COLUMNS_MAX) {
        return co_fail(err, CO_DATA,
                       "%s: row 1: %u column%s; a row is a class and at least one feature, "
                       "separated by commas, and at most %d of them",
                       csv->path, columns, columns == 1 ? "" : "s", CO_CSV_COLUMNS_MAX - 1);
    }
    atomic_init(&p.next, 0);
    co_status status = CO_OK;
    CO_TRY_GOTO(status, co_alloc(csv->rows, sizeof(uint32_t), "rows", &slots, err), end);
    p.slots = slots;
    CO_TRY_GOTO(status, co_alloc(csv->rows, sizeof(int32_t), "labels", &labels, err), end);
    table.labels = p.labels = labels;
    CO_TRY_GOTO(status, co_alloc(csv->rows, sizeof(co_csv_fault), "rows", &faults, err), end);
    table.faults = p.faults = faults;
    CO_TRY_GOTO(status, make_slots(&p, &table, err), end);
    parse_by_many(&p, threads);
    close_gaps(&p, &table);
end:
    co_free(slots);
    if (status != CO_OK) {
        co_csv_table_free(&table);
        return status;
    }
    *out = table;
    return CO_OK;
}

void co_csv_table_free(co_csv_table *table)
{
    co_bytes_free(&table->values);
    co_free(table->labels);
    co_free(table->faults);
    *table = (co_csv_table){0};
}

/* ---- messages ---- */

/* The field's text, cut and made printable. */
static void show_field(const co_csv *csv, uint32_t row, uint32_t column, char out[SHOWN + 4])
{
    const char *at = row_begin(csv, row);
    const char *end = row_end(csv, row);
    for (uint32_t i = 0; i < column && at < end; i++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        at = comma != NULL ? comma + 1 : end;
    }
    int length = 0;
    for (; at < end && *at != ',' && length < SHOWN; at++) {
        out[length++] = *at >= ' ' && *at <= '~' ? *at : '?';
    }
    memcpy(out + length, at < end && *at != ',' ? "..." : "", at < end && *at != ',' ? 4 : 1);
}

co_status co_csv_fail(const co_csv *csv, uint32_t columns, int classes, uint32_t row,
                      const co_csv_fault *fault, co_error *err)
{
    char field[SHOWN + 4];
    const char *path = csv->path;
    uint32_t column = fault->column + 1;
    show_field(csv, row, fault->column, field);
    row++;
    switch (fault->kind) {
    case CO_CSV_EMPTY:
        return co_fail(err, CO_DATA, "%s: row %u, column %u: the field is empty", path, row,
                       column);
    case CO_CSV_TEXT:
        return co_fail(err, CO_DATA, "%s: row %u, column %u: '%s' is no number%s", path, row,
                       column, field,
                       row == 1 ? "; the table has no header line and no column of names" : "");
    case CO_CSV_RANGE:
        return co_fail(err, CO_DATA, "%s: row %u, column %u: '%s' is too large for a float", path,
                       row, column, field);
    case CO_CSV_CLASS:
        return co_fail(err, CO_DATA, "%s: row %u, column %u: '%s' is no class in 0..%d", path, row,
                       column, field, classes - 1);
    case CO_CSV_MISSING:
        return co_fail(err, CO_DATA,
                       "%s: row %u, column %u: is missing; the row has %u of %u columns", path, row,
                       column, fault->column, columns);
    case CO_CSV_EXTRA:
        return co_fail(err, CO_DATA,
                       "%s: row %u, column %u: is one too many; the row has %u columns, not %u",
                       path, row, column, columns_of(csv, row - 1), columns);
    case CO_CSV_FINE:
        break;
    }
    return co_fail(err, CO_INTERNAL, "%s: row %u has no fault", path, row);
}
