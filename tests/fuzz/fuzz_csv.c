/* Any bytes as a CSV table, plain or packed: no crash, no leak, memory within what the bytes yield;
 * every row is either good, with finite values and a class that there is, or has a message that
 * names it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/csv.h"
#include "fuzz/fuzz.h"

enum { CLASSES = 2 };

static void check_table(const co_csv *csv, uint32_t columns, const co_csv_table *table)
{
    const float *values = table->values.pages;
    uint32_t good = 0;
    for (uint32_t row = 0; row < csv->rows; row++) {
        co_error err = {0};
        char words[48];
        if (table->faults[row].kind == CO_CSV_FINE) {
            good++;
            continue;
        }
        (void)snprintf(words, sizeof(words), ": row %u, column %u", row + 1,
                       table->faults[row].column + 1);
        if (co_csv_fail(csv, columns, CLASSES, row, &table->faults[row], &err) != CO_DATA ||
            strstr(err.text, words) == NULL) {
            abort();
        }
    }
    if (good != table->rows || good + table->faulty != csv->rows) {
        abort();
    }
    for (size_t i = 0; i < (size_t)good * (columns - 1); i++) {
        if (!isfinite(values[i])) {
            abort();
        }
    }
    for (uint32_t row = 0; row < good; row++) {
        if (table->labels[row] < 0 || table->labels[row] >= CLASSES) {
            abort();
        }
    }
}

static void read_it(const char *path)
{
    co_error err;
    co_csv csv = {0};
    if (co_csv_open(path, &csv, &err) != CO_OK) {
        return;
    }
    co_csv_table table = {0};
    uint32_t columns = co_csv_columns(&csv);
    if (co_csv_parse(&csv, columns, CLASSES, 1, &table, &err) == CO_OK) {
        check_table(&csv, columns, &table);
        co_csv_table_free(&table);
    }
    co_csv_close(&csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return with_file(data, size, read_it);
}
