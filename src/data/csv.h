/* Tables of numbers as CSV text: a class in the first column, features in the others, no header
 * line, no quotes; rows end with a newline (or CR and newline).
 *
 * co_csv_open brings the text into memory (mapped when plain, unpacked when gzip or xz) and finds
 * the rows; co_csv_parse reads them, by several threads when asked to, with the same result. What
 * is wrong with a row is kept as a small co_csv_fault and turned into a message (file, row, column)
 * only when somebody wants it. Rows and columns are counted from 1 in messages, column 1 is the
 * class. Whoever opened a table closes it; it may be read by any thread.
 */
#ifndef CO_DATA_CSV_H
#define CO_DATA_CSV_H

#include "data/source.h"

enum { CO_CSV_COLUMNS_MAX = 1 << 24 };

typedef struct co_csv {
    char *path; /* owned */
    co_bytes content;
    uint64_t *starts; /* (rows + 1) offsets in the content, owned */
    uint32_t rows;
} co_csv;

typedef enum co_csv_fault_kind {
    CO_CSV_FINE,
    CO_CSV_EMPTY,   /* a field without characters */
    CO_CSV_TEXT,    /* a field that is no number */
    CO_CSV_RANGE,   /* a number that no float can hold */
    CO_CSV_CLASS,   /* a class that there is not */
    CO_CSV_MISSING, /* the row ends before this column */
    CO_CSV_EXTRA,   /* the row goes on with this column */
} co_csv_fault_kind;

typedef struct co_csv_fault {
    co_csv_fault_kind kind;
    uint32_t column; /* from 0 */
} co_csv_fault;

/* What a parsed table is. The values of faulty rows are left out. */
typedef struct co_csv_table {
    uint32_t rows;        /* that have no fault */
    uint32_t faulty;      /* the others */
    co_bytes values;      /* (rows, columns - 1) floats */
    int32_t *labels;      /* (rows) */
    co_csv_fault *faults; /* of each row of the file */
} co_csv_table;

/* CO_DATA names the file: it cannot be read, or has no rows. */
CO_MUST_CHECK co_status co_csv_open(const char *path, co_csv *out, co_error *err);
void co_csv_close(co_csv *csv); /* leaves it empty; an empty one is allowed */

/* How many columns most of the first rows have. */
uint32_t co_csv_columns(const co_csv *csv);

/* Reads all rows as one class in 0..classes-1 and columns - 1 features. Faulty rows are no
 * failure. `threads` >= 1. */
CO_MUST_CHECK co_status co_csv_parse(const co_csv *csv, uint32_t columns, int classes, int threads,
                                     co_csv_table *out, co_error *err);
void co_csv_table_free(co_csv_table *table); /* leaves it empty; an empty one is allowed */

/* The message for a faulty row (from 0): CO_DATA, with file, row and column. */
co_status co_csv_fail(const co_csv *csv, uint32_t columns, int classes, uint32_t row,
                      const co_csv_fault *fault, co_error *err);

#endif
