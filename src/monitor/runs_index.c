#include "monitor/runs_index.h"

#ifdef CO_SQLITE

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

enum { PATH_SIZE = 4096, VERSION = 1, BUSY_MS = 2000 };

struct co_runs_index {
    sqlite3 *database;
    sqlite3_stmt *find;
};

static const char create_table[] =
    "CREATE TABLE IF NOT EXISTS runs(name TEXT PRIMARY KEY, stamp TEXT, status TEXT, dataset TEXT, "
    "model TEXT, started INTEGER, steps INTEGER, steps_total INTEGER, epochs INTEGER, "
    "epochs_total INTEGER, train_loss REAL, train_accuracy REAL, test_loss REAL, "
    "test_accuracy REAL, seconds REAL, img_per_s REAL) WITHOUT ROWID";

static const char find_row[] =
    "SELECT status, dataset, model, started, steps, steps_total, epochs, epochs_total, train_loss, "
    "train_accuracy, test_loss, test_accuracy, seconds, img_per_s FROM runs "
    "WHERE name = ?1 AND stamp = ?2";

static const char insert_row[] = "INSERT INTO runs VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
                                 "?11, ?12, ?13, ?14, ?15, ?16)";

const char *co_runs_index_kind(void)
{
    return "SQLite " SQLITE_VERSION;
}

static co_status fail(sqlite3 *database, const char *what, co_error *err)
{
    return co_fail(err, CO_FILE, "the index of the runs %s: %s", what,
                   database != NULL ? sqlite3_errmsg(database) : "no memory");
}

static void close_index(co_runs_index *index)
{
    (void)sqlite3_finalize(index->find);
    (void)sqlite3_close(index->database);
    index->find = NULL;
    index->database = NULL;
}

static int version_of(sqlite3 *database)
{
    sqlite3_stmt *statement = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(database, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        version = sqlite3_column_int(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return version;
}

/* *whole: false for what is no index of this version, to be made anew. */
static co_status open_at(const char *path, co_runs_index *index, bool *whole, co_error *err)
{
    *whole = true;
    if (sqlite3_open(path, &index->database) != SQLITE_OK) {
        return fail(index->database, "cannot be opened", err);
    }
    (void)sqlite3_busy_timeout(index->database, BUSY_MS);
    int version = version_of(index->database);
    char set_version[64];
    (void)snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %d", VERSION);
    if (version == 0 &&
        (sqlite3_exec(index->database, create_table, NULL, NULL, NULL) != SQLITE_OK ||
         sqlite3_exec(index->database, set_version, NULL, NULL, NULL) != SQLITE_OK)) {
        int error = sqlite3_errcode(index->database);
        *whole = error != SQLITE_NOTADB && error != SQLITE_CORRUPT;
        return fail(index->database, "cannot be made", err);
    }
    if (sqlite3_prepare_v2(index->database, find_row, -1, &index->find, NULL) != SQLITE_OK ||
        (version != 0 && version != VERSION)) {
        *whole = sqlite3_errcode(index->database) == SQLITE_BUSY;
        return fail(index->database, "cannot be read", err);
    }
    return CO_OK;
}

co_status co_runs_index_open(const char *results_dir, co_runs_index **out, co_error *err)
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof(path), "%s/index.sqlite", results_dir);
    if (length < 0 || (size_t)length >= sizeof(path) || access(results_dir, W_OK) != 0) {
        return co_fail(err, CO_FILE, "the index of the runs cannot be written into %s",
                       results_dir);
    }
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_runs_index), "index", &block, err));
    co_runs_index *index = block;
    bool whole = true;
    co_status status = open_at(path, index, &whole, err);
    if (!whole) {
        close_index(index);
        (void)unlink(path);
        status = open_at(path, index, &whole, err);
    }
    if (status != CO_OK) {
        close_index(index);
        co_free(index);
        return status;
    }
    *out = index;
    return CO_OK;
}

/* --- rows ---------------------------------------------------------------------------------- */

static void column_text(sqlite3_stmt *row, int column, char out[CO_RUN_TEXT_SIZE])
{
    const unsigned char *text = sqlite3_column_text(row, column);
    (void)snprintf(out, CO_RUN_TEXT_SIZE, "%s", text != NULL ? (const char *)text : "");
}

static int64_t column_integer(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_INTEGER ? sqlite3_column_int64(row, column)
                                                              : -1;
}

static double column_number(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_FLOAT ? sqlite3_column_double(row, column)
                                                            : (double)NAN;
}

bool co_runs_index_find(co_runs_index *index, co_run_record *record)
{
    sqlite3_stmt *row = index->find;
    (void)sqlite3_reset(row);
    (void)sqlite3_bind_text(row, 1, record->name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(row, 2, record->stamp, -1, SQLITE_STATIC);
    if (sqlite3_step(row) != SQLITE_ROW) {
        return false;
    }
    column_text(row, 0, record->status);
    column_text(row, 1, record->dataset);
    column_text(row, 2, record->model);
    record->started = column_integer(row, 3);
    record->steps = column_integer(row, 4);
    record->steps_total = column_integer(row, 5);
    record->epochs = column_integer(row, 6);
    record->epochs_total = column_integer(row, 7);
    record->train_loss = column_number(row, 8);
    record->train_accuracy = column_number(row, 9);
    record->test_loss = column_number(row, 10);
    record->test_accuracy = column_number(row, 11);
    record->seconds = column_number(row, 12);
    record->images_per_second = column_number(row, 13);
    return true;
}

/* What is not known becomes NULL. */
static void bind_integer(sqlite3_stmt *row, int column, int64_t value)
{
    if (value >= 0) {
        (void)sqlite3_bind_int64(row, column, value);
    }
}

static bool insert(sqlite3_stmt *row, const co_run_record *record)
{
    const char *texts[] = {record->name, record->stamp, record->status, record->dataset,
                           record->model};
    const int64_t integers[] = {record->started, record->steps, record->steps_total, record->epochs,
                                record->epochs_total};
    const double numbers[] = {record->train_loss, record->train_accuracy,
                              record->test_loss,  record->test_accuracy,
                              record->seconds,    record->images_per_second};
    (void)sqlite3_reset(row);
    (void)sqlite3_clear_bindings(row);
    for (int i = 0; i < 5; i++) {
        (void)sqlite3_bind_text(row, 1 + i, texts[i], -1, SQLITE_STATIC);
        bind_integer(row, 6 + i, integers[i]);
    }
    for (int i = 0; i < 6; i++) {
        (void)sqlite3_bind_double(row, 11 + i, numbers[i]); /* SQLite turns NaN into NULL */
    }
    return sqlite3_step(row) == SQLITE_DONE;
}

static bool replace_all(sqlite3 *database, const co_run_list *list)
{
    sqlite3_stmt *row = NULL;
    bool good = sqlite3_exec(database, "BEGIN IMMEDIATE; DELETE FROM runs", NULL, NULL, NULL) ==
                    SQLITE_OK &&
                sqlite3_prepare_v2(database, insert_row, -1, &row, NULL) == SQLITE_OK;
    for (size_t i = 0; good && i < list->count; i++) {
        good = insert(row, &list->records[i]);
    }
    (void)sqlite3_finalize(row);
    return good && sqlite3_exec(database, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

/* Runs that were removed leave rows behind. */
static bool has_as_many(sqlite3 *database, size_t count)
{
    sqlite3_stmt *row = NULL;
    bool same = sqlite3_prepare_v2(database, "SELECT count(*) FROM runs", -1, &row, NULL) ==
                    SQLITE_OK &&
                sqlite3_step(row) == SQLITE_ROW &&
                sqlite3_column_int64(row, 0) == (sqlite3_int64)count;
    (void)sqlite3_finalize(row);
    return same;
}

co_status co_runs_index_save(co_runs_index *index, const co_run_list *list, co_error *err)
{
    co_status status = CO_OK;
    (void)sqlite3_reset(index->find);
    if ((list->read > 0 || !has_as_many(index->database, list->count)) &&
        !replace_all(index->database, list)) {
        status = fail(index->database, "cannot be written", err);
        (void)sqlite3_exec(index->database, "ROLLBACK", NULL, NULL, NULL);
    }
    close_index(index);
    co_free(index);
    return status;
}

#else

const char *co_runs_index_kind(void)
{
    return "";
}

co_status co_runs_index_open(const char *results_dir, co_runs_index **out, co_error *err)
{
    (void)results_dir;
    (void)out;
    return co_fail(err, CO_UNSUPPORTED, "this build has no SQLite: all run folders are read");
}

bool co_runs_index_find(co_runs_index *index, co_run_record *record)
{
    (void)index;
    (void)record;
    return false;
}

co_status co_runs_index_save(co_runs_index *index, const co_run_list *list, co_error *err)
{
    (void)index;
    (void)list;
    (void)err;
    return CO_OK;
}

#endif
