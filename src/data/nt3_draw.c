#include "data/nt3_draw.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/rng.h"

enum {
    TEST_SHARE = 5,
    DECIMALS = 10000, /* values are whole numbers of this part: the same text on every machine */
    VALUE_BYTES = 9,  /* "12.3456" with its comma, and one to spare */
    INFORMATIVE = 4,  /* one column of so many depends on the class */
    EFFECT = 2,       /* in spreads */
};

/* In units of 1 / DECIMALS. */
typedef struct column {
    int32_t level;
    int32_t spread;
    int32_t effect; /* added to tumor rows */
} column;

void co_nt3_drawn_samples(uint32_t samples, uint32_t out[2])
{
    out[1] = samples / TEST_SHARE;
    out[0] = samples - out[1];
}

static co_rng random_of(const co_nt3_drawing *drawing, uint32_t split, uint32_t row)
{
    return co_rng_at(&(co_rng_key){
        .seed = drawing->seed, .stream = CO_STREAM_NT3, .epoch = split, .sample = row});
}

static void draw_columns(const co_nt3_drawing *drawing, column *columns)
{
    co_rng rng = random_of(drawing, 2, 0);
    for (uint32_t k = 0; k < drawing->features; k++) {
        columns[k].level = (int32_t)co_rng_below(&rng, 4 * DECIMALS);
        columns[k].spread = DECIMALS / 2 + (int32_t)co_rng_below(&rng, DECIMALS);
        uint32_t kind = co_rng_below(&rng, 4 * INFORMATIVE);
        int32_t effect = EFFECT * columns[k].spread;
        columns[k].effect = kind < 3 ? effect : kind == 3 ? -effect : 0;
    }
}

/* Near a normal deviate of standard deviation `spread`: the sum of four random bytes has mean 510
 * and deviation 147.8. Whole numbers only, so that no machine rounds differently. */
static int32_t noise(uint32_t word, int32_t spread)
{
    uint32_t sum = (word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24);
    return ((int32_t)sum - 510) * spread / 148;
}

static char *put_value(char *at, int32_t value)
{
    uint32_t whole = value > 0 ? (uint32_t)value / DECIMALS : 0;
    uint32_t part = value > 0 ? (uint32_t)value % DECIMALS : 0;
    *at++ = ',';
    if (whole >= 10) {
        *at++ = (char)('0' + whole / 10);
    }
    *at++ = (char)('0' + whole % 10);
    *at++ = '.';
    for (uint32_t unit = DECIMALS / 10; unit > 0; unit /= 10) {
        *at++ = (char)('0' + part / unit % 10);
    }
    return at;
}

/* The classes alternate: both are equally frequent. */
static size_t draw_row(const co_nt3_drawing *drawing, const column *columns, uint32_t split,
                       uint32_t row, char *line)
{
    co_rng rng = random_of(drawing, split, row);
    bool tumor = row % 2 != 0;
    char *at = line;
    *at++ = tumor ? '1' : '0';
    for (uint32_t k = 0; k < drawing->features; k++) {
        int32_t value = columns[k].level + noise(co_rng_u32(&rng), columns[k].spread);
        at = put_value(at, value + (tumor ? columns[k].effect : 0));
    }
    *at++ = '\n';
    return (size_t)(at - line);
}

static co_status write_file(const char *path, const co_nt3_drawing *drawing, const column *columns,
                            uint32_t split, char *line, co_error *err)
{
    co_file_writer *writer = NULL;
    uint32_t rows[2];
    co_nt3_drawn_samples(drawing->samples, rows);
    CO_TRY(co_file_writer_open(&co_files_system, path, &writer, err));
    for (uint32_t row = 0; row < rows[split]; row++) {
        size_t bytes = draw_row(drawing, columns, split, row, line);
        co_status status = co_file_writer_add(writer, line, bytes, err);
        if (status != CO_OK) {
            co_file_writer_abandon(writer);
            return status;
        }
    }
    return co_file_writer_commit(writer, err);
}

static co_status write_files(char paths[2][PATH_MAX], const co_nt3_drawing *drawing, co_error *err)
{
    void *columns = NULL;
    void *line = NULL;
    CO_TRY(co_alloc(drawing->features, sizeof(column), "columns", &columns, err));
    co_status status = co_alloc(drawing->features + 1, VALUE_BYTES, "row", &line, err);
    if (status == CO_OK) {
        draw_columns(drawing, columns);
    }
    for (uint32_t split = 0; split < 2 && status == CO_OK; split++) {
        status = write_file(paths[split], drawing, columns, split, line, err);
    }
    co_free(line);
    co_free(columns);
    return status;
}

co_status co_nt3_draw(const char *dir, const co_nt3_drawing *drawing, co_error *err)
{
    static const char *const names[] = {"nt_train2.csv", "nt_test2.csv"};
    char paths[2][PATH_MAX];
    if (drawing->samples < CO_NT3_SAMPLES_MIN || drawing->features < 1) {
        return co_fail(err, CO_USAGE, "a table of %u samples and %u features; at least %d and 1",
                       drawing->samples, drawing->features, CO_NT3_SAMPLES_MIN);
    }
    CO_TRY(co_file_make_folders(&co_files_system, dir, err));
    for (int split = 0; split < 2; split++) {
        int length = snprintf(paths[split], PATH_MAX, "%s/%s", dir, names[split]);
        if (length < 0 || length >= PATH_MAX) {
            return co_fail(err, CO_FILE, "%s: the path is too long", dir);
        }
        if (access(paths[split], F_OK) == 0) {
            return co_fail(err, CO_FILE, "%s: is there already; name another folder, or remove it",
                           paths[split]);
        }
    }
    return write_files(paths, drawing, err);
}
