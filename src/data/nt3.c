/* NT3 of the CANDLE benchmarks (docs/METHODS.md 3): two CSV tables of gene expression, scaled per
 * column by the largest magnitude of both, and kept as one binary file that is mapped from then
 * on. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "base/threads.h"
#include "data/format.h"
#include "data/nt3_cache.h"

enum { ENDINGS = 3 };

typedef struct nt3_set {
    co_dataset base;
    co_nt3_content content;
} nt3_set;

typedef struct nt3_place {
    char file[CO_SPLITS][PATH_MAX];
    char folder[PATH_MAX]; /* where they are */
} nt3_place;

static const char *const class_names[CO_NT3_CLASSES] = {"normal", "tumor"};
static const char *const stems[CO_SPLITS] = {"nt_train2.csv", "nt_test2.csv"};
/* S1's name first; "." is dir itself. */
static const char *const folders[] = {"CANDLE", "candle-nt3", "candle", "nt3", "NT3", ".", NULL};

/* ---- files ---- */

static bool find_file(const char *dir, const char *folder, const char *stem, char out[PATH_MAX])
{
    static const char *const endings[ENDINGS] = {"", ".gz", ".xz"};
    struct stat info;
    for (int i = 0; i < ENDINGS; i++) {
        int length = snprintf(out, PATH_MAX, "%s/%s/%s%s", dir, folder, stem, endings[i]);
        if (strcmp(folder, ".") == 0) {
            length = snprintf(out, PATH_MAX, "%s/%s%s", dir, stem, endings[i]);
        }
        if (length > 0 && length < PATH_MAX && stat(out, &info) == 0) {
            return true;
        }
    }
    out[0] = '\0';
    return false;
}

static co_status find_files(const char *dir, nt3_place *out, co_error *err)
{
    for (int i = 0; folders[i] != NULL; i++) {
        bool train = find_file(dir, folders[i], stems[CO_SPLIT_TRAIN], out->file[CO_SPLIT_TRAIN]);
        bool test = find_file(dir, folders[i], stems[CO_SPLIT_TEST], out->file[CO_SPLIT_TEST]);
        bool inside = strcmp(folders[i], ".") != 0;
        if (train != test) {
            return co_fail(
                err, CO_DATA,
                "%s%s%s: %s is missing beside %s (looked for it plain, with .gz and .xz)", dir,
                inside ? "/" : "", inside ? folders[i] : "",
                stems[train ? CO_SPLIT_TEST : CO_SPLIT_TRAIN],
                stems[train ? CO_SPLIT_TRAIN : CO_SPLIT_TEST]);
        }
        if (train) {
            (void)snprintf(out->folder, sizeof(out->folder), "%s", out->file[CO_SPLIT_TRAIN]);
            *strrchr(out->folder, '/') = '\0';
            return CO_OK;
        }
    }
    return co_fail(
        err, CO_DATA,
        "%s: no files of nt3: looked here and in the folders CANDLE, candle-nt3, candle, "
        "nt3 and NT3 for %s and %s, plain or with .gz or .xz; 'cohort data fetch nt3' "
        "gets them, 'cohort data generate nt3' makes similar ones",
        dir, stems[0], stems[1]);
}

/* ---- rows ---- */

/* Every faulty row of a table: ends with the first one, or leaves it out (bad != NULL), or lists it
 * (findings != NULL). */
static co_status note_rows(const co_csv *csv, uint32_t columns, const co_csv_table *table,
                           co_bad_samples *bad, co_dataset_findings *findings, co_error *err)
{
    co_error fault;
    for (uint32_t row = 0; row < csv->rows && table->faulty > 0; row++) {
        if (table->faults[row].kind == CO_CSV_FINE) {
            continue;
        }
        co_status status = co_csv_fail(csv, columns, CO_NT3_CLASSES, row, &table->faults[row],
                                       &fault);
        if (bad != NULL) {
            CO_TRY(co_bad_samples_note(bad, status, &fault, err));
        } else {
            CO_TRY(co_findings_note(findings, status, &fault, err));
        }
    }
    return CO_OK;
}

/* When no row fits, the tables do not belong together: better said than the fault of each row. */
static co_status check_columns(const co_csv *csv, const co_csv_table *table, uint32_t columns,
                               const char *of, co_error *err)
{
    uint32_t own = co_csv_columns(csv);
    if (table->rows == 0 && own != columns) {
        return co_fail(err, CO_DATA,
                       "%s: has %u columns, %s has %u; both need a class and the same features",
                       csv->path, own, of, columns);
    }
    return CO_OK;
}

/* Reads one table; *columns is 0 before the first. Its text is given back before the next. */
static co_status read_table(const nt3_place *place, int split, int threads, uint32_t *columns,
                            co_bad_samples *bad, co_dataset_findings *findings, co_csv_table *out,
                            co_error *err)
{
    co_csv csv = {0};
    CO_TRY(co_csv_open(place->file[split], &csv, err));
    if (*columns == 0) {
        *columns = co_csv_columns(&csv);
    }
    co_status status = co_csv_parse(&csv, *columns, CO_NT3_CLASSES, threads, out, err);
    if (status == CO_OK) {
        status = check_columns(&csv, out, *columns, place->file[0], err);
    }
    if (status == CO_OK) {
        status = note_rows(&csv, *columns, out, bad, findings, err);
    }
    co_csv_close(&csv);
    return status;
}

/* ---- scaling ---- */

static void add_magnitudes(float *most, const float *values, uint32_t samples, uint32_t features)
{
    for (uint32_t i = 0; i < samples; i++, values += features) {
        for (uint32_t k = 0; k < features; k++) {
            float magnitude = fabsf(values[k]);
            most[k] = magnitude > most[k] ? magnitude : most[k];
        }
    }
}

/* scikit-learn's MaxAbsScaler over both tables, as the benchmark does it: x / max |x| per column, a
 * column of zeros stays as it is. */
static co_status scale(co_nt3_content *content, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(content->features, sizeof(float), "scale", &block, err));
    float *most = block;
    for (int split = 0; split < CO_SPLITS; split++) {
        add_magnitudes(most, content->values[split], content->samples[split], content->features);
    }
    for (uint32_t k = 0; k < content->features; k++) {
        most[k] = most[k] > 0.0f ? most[k] : 1.0f;
    }
    for (int split = 0; split < CO_SPLITS; split++) {
        float *values = content->parsed[split].values.pages;
        for (uint32_t i = 0; i < content->samples[split]; i++, values += content->features) {
            for (uint32_t k = 0; k < content->features; k++) {
                values[k] /= most[k];
            }
        }
    }
    co_free(block);
    return CO_OK;
}

static co_status read_tables(const nt3_place *place, int threads, co_nt3_content *content,
                             co_error *err)
{
    uint32_t columns = 0;
    for (int split = 0; split < CO_SPLITS; split++) {
        co_csv_table *table = &content->parsed[split];
        CO_TRY(read_table(place, split, threads, &columns, &content->bad, NULL, table, err));
        content->samples[split] = table->rows;
        content->labels[split] = table->labels;
        content->values[split] = (const float *)(const void *)table->values.data;
    }
    CO_TRY(co_bad_samples_settle(&content->bad, "nt3", err));
    content->features = columns - 1;
    for (int split = 0; split < CO_SPLITS; split++) {
        if (content->samples[split] == 0) {
            return co_fail(err, CO_DATA, "%s: no row of it can be used", place->file[split]);
        }
    }
    return scale(content, err);
}

/* ---- the cache ---- */

static co_status cache_path(const nt3_place *place, const char *cache_dir, char out[PATH_MAX],
                            co_error *err)
{
    int length = 0;
    if (cache_dir == NULL || cache_dir[0] == '\0') {
        length = snprintf(out, PATH_MAX, "%s/nt3.cohort-cache", place->folder);
    } else {
        char absolute[PATH_MAX];
        char text[CO_HASH_TEXT_SIZE];
        const char *folder = realpath(place->folder, absolute) != NULL ? absolute : place->folder;
        co_hash_text(co_hash_bytes(folder, strlen(folder)), text);
        CO_TRY(co_file_make_folders(&co_files_system, cache_dir, err));
        length = snprintf(out, PATH_MAX, "%s/nt3-%.16s.cohort-cache", cache_dir, text);
    }
    if (length < 0 || length >= PATH_MAX) {
        return co_fail(err, CO_DATA, "%s: the path is too long", place->folder);
    }
    return CO_OK;
}

/* A cache with fewer rows than the files is of use only to who skips bad ones, within the budget.
 */
static co_nt3_found load(const char *path, const co_nt3_key keys[CO_SPLITS],
                         const co_bad_samples *wanted, co_nt3_content *out)
{
    co_nt3_content content = {0};
    co_nt3_found found = co_nt3_cache_load(path, keys, &content);
    if (found != CO_NT3_GOOD) {
        return found;
    }
    content.bad.policy = wanted->policy;
    content.bad.budget = wanted->budget;
    bool allowed = wanted->policy == CO_BAD_SKIP && content.bad.count <= wanted->budget;
    if (content.bad.count > 0 && !allowed) {
        co_nt3_content_free(&content);
        return CO_NT3_STALE;
    }
    *out = content;
    return CO_NT3_GOOD;
}

/* Lets one process at a time make the cache; the others wait and then find it. Where that is not
 * possible (no right to write, no locks) each works for itself. */
static int lock_cache(const char *path, char lock_path[PATH_MAX])
{
    int length = snprintf(lock_path, PATH_MAX, "%s.lock", path);
    int fd = length > 0 && length < PATH_MAX
                 ? open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666)
                 : -1;
    if (fd >= 0) {
        (void)flock(fd, LOCK_EX);
    }
    return fd;
}

static void unlock_cache(int fd, const char *lock_path)
{
    if (fd >= 0) {
        (void)unlink(lock_path);
        close(fd);
    }
}

static const char *why_anew(co_nt3_found found)
{
    return found == CO_NT3_STALE     ? "it was made of other rows or by another version"
           : found == CO_NT3_DAMAGED ? "it was damaged"
                                     : "there was none";
}

/* Writes the cache and goes on with its mapping; without one with what is in memory. */
static void keep(nt3_set *set, const char *path, const co_nt3_key keys[CO_SPLITS],
                 co_nt3_found before)
{
    co_error fault;
    co_text note = co_text_over(set->base.note, sizeof(set->base.note));
    co_nt3_content mapped = {0};
    co_status status = co_nt3_cache_save(path, keys, &set->content, &fault);
    if (status == CO_OK && load(path, keys, &set->content.bad, &mapped) == CO_NT3_GOOD) {
        co_text_printf(&note, "read the CSV files and made the cache %s: %s", path,
                       why_anew(before));
        co_nt3_content_free(&set->content);
        set->content = mapped;
        return;
    }
    co_text_printf(&note,
                   "read the CSV files, as every run will: no cache could be made (%s); name a "
                   "folder for it with --cache-dir",
                   status != CO_OK ? fault.text : path);
}

static co_status read_and_keep(nt3_set *set, const nt3_place *place, const char *path,
                               const co_nt3_key keys[CO_SPLITS], int threads, co_error *err)
{
    char lock_path[PATH_MAX];
    co_nt3_found found = load(path, keys, &set->base.bad, &set->content);
    if (found == CO_NT3_GOOD) {
        return CO_OK;
    }
    int lock = lock_cache(path, lock_path);
    co_nt3_found again = load(path, keys, &set->base.bad, &set->content);
    co_status status = CO_OK;
    if (again != CO_NT3_GOOD) {
        set->content.bad = set->base.bad;
        status = read_tables(place, threads, &set->content, err);
        if (status == CO_OK) {
            keep(set, path, keys, found);
        }
    }
    unlock_cache(lock, lock_path);
    return status;
}

static co_status open_content(nt3_set *set, const char *dir, const co_dataset_options *options,
                              co_error *err)
{
    nt3_place place;
    co_nt3_key keys[CO_SPLITS];
    char path[PATH_MAX];
    int threads = options->background ? co_cpu_count() : 1;
    CO_TRY(find_files(dir, &place, err));
    for (int split = 0; split < CO_SPLITS; split++) {
        CO_TRY(co_nt3_key_of(place.file[split], &keys[split], err));
    }
    CO_TRY(cache_path(&place, options->cache_dir, path, err));
    return read_and_keep(set, &place, path, keys, threads, err);
}

/* ---- the set ---- */

static void nt3_destroy(co_dataset *base)
{
    co_nt3_content_free(&((nt3_set *)base)->content);
    co_free(base);
}

static co_status nt3_require(co_dataset *base, co_split split, co_error *err)
{
    (void)base;
    (void)split;
    (void)err;
    return CO_OK;
}

static const co_dataset_ops nt3_ops = {.destroy = nt3_destroy, .require = nt3_require};

static void describe(nt3_set *set)
{
    const co_nt3_content *content = &set->content;
    set->base.info = (co_dataset_info){
        .name = "nt3",
        .format = "csv, scaled by column",
        .channels = 1,
        .height = 1,
        .width = (int)content->features,
        .pixel = CO_PIXEL_F32,
        .sample_bytes = content->features * sizeof(float),
        .classes = CO_NT3_CLASSES,
        .class_names = class_names,
    };
    for (int split = 0; split < CO_SPLITS; split++) {
        set->base.info.samples[split] = content->samples[split];
        set->base.part[split].pixels = content->values[split];
        set->base.part[split].labels = content->labels[split];
        set->base.memory_bytes += content->samples[split] *
                                  (set->base.info.sample_bytes + sizeof(int32_t));
    }
    set->base.bad = content->bad;
}

static co_status nt3_open(const char *name, const char *dir, const co_dataset_options *options,
                          co_dataset **out, co_error *err)
{
    (void)name;
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(nt3_set), "data set", &block, err));
    nt3_set *set = block;
    set->base.ops = &nt3_ops;
    set->base.bad.policy = options->bad_policy;
    set->base.bad.budget = options->bad_budget;
    co_status status = open_content(set, dir, options, err);
    if (status != CO_OK) {
        nt3_destroy(&set->base);
        return status;
    }
    describe(set);
    *out = &set->base;
    return CO_OK;
}

static co_status nt3_check(const char *name, const char *dir, co_dataset_findings *findings,
                           co_error *err)
{
    (void)name;
    nt3_place place;
    co_error fault;
    uint32_t columns = 0;
    co_status status = find_files(dir, &place, &fault);
    if (status != CO_OK) {
        return co_findings_note(findings, status, &fault, err);
    }
    for (int split = 0; split < CO_SPLITS; split++) {
        co_csv_table table = {0};
        status = read_table(&place, split, co_cpu_count(), &columns, NULL, findings, &table,
                            &fault);
        co_csv_table_free(&table);
        CO_TRY(co_findings_note(findings, status, &fault, err));
    }
    return CO_OK;
}

const co_dataset_format co_format_nt3 = {.open = nt3_open, .check = nt3_check, .can_skip = true};
