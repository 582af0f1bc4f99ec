/* The data set of four NumPy arrays: train_x.npy, train_y.npy, test_x.npy, test_y.npy. All headers
 * and labels are read and checked when the set is opened; plain files stay mapped. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "data/format.h"
#include "data/npy_file.h"

enum { PATH_BYTES = 4096, CLASSES_MAX = 65536, ENDINGS = 3, SAMPLE_RANK_MIN = 2 };

typedef struct npy_part {
    co_npy_file x;
    co_npy_file y;
    int32_t *labels; /* owned */
    int classes;     /* largest label + 1 */
} npy_part;

typedef struct npy_set {
    co_dataset base;
    npy_part part[CO_SPLITS];
} npy_set;

static const char *const stems[CO_SPLITS][2] = {{"train_x.npy", "train_y.npy"},
                                                {"test_x.npy", "test_y.npy"}};

static void npy_destroy(co_dataset *base)
{
    npy_set *set = (npy_set *)base;
    for (int split = 0; split < CO_SPLITS; split++) {
        co_npy_file_free(&set->part[split].x);
        co_npy_file_free(&set->part[split].y);
        co_free(set->part[split].labels);
    }
    co_free(set);
}

static co_status npy_require(co_dataset *base, co_split split, co_error *err)
{
    (void)base;
    (void)split;
    (void)err;
    return CO_OK;
}

static const co_dataset_ops npy_ops = {.destroy = npy_destroy, .require = npy_require};

static co_status read_named(const char *dir, const char *stem, co_npy_file *out, co_error *err)
{
    static const char *const endings[ENDINGS] = {"", ".gz", ".xz"};
    char path[PATH_BYTES];
    struct stat info;
    for (int i = 0; i < ENDINGS; i++) {
        int length = snprintf(path, sizeof(path), "%s/%s%s", dir, stem, endings[i]);
        if (length > 0 && (size_t)length < sizeof(path) && stat(path, &info) == 0) {
            return co_npy_file_read(path, out, err);
        }
    }
    return co_fail(err, CO_DATA,
                   "%s: %s is missing; a set of NumPy arrays is train_x.npy, train_y.npy, "
                   "test_x.npy and test_y.npy, plain or with .gz or .xz",
                   dir, stem);
}

static co_status check_samples(const co_npy_file *x, co_error *err)
{
    bool bytes = x->type == CO_NPY_UINT && x->item_bytes == 1;
    char text[128];
    co_npy_file_text(x, text, sizeof(text));
    if (!bytes && x->type != CO_NPY_FLOAT) {
        return co_fail(err, CO_DATA,
                       "%s: %s; samples are uint8 or float32: save them with "
                       ".astype('uint8') or .astype('<f4')",
                       x->path, text);
    }
    if (x->rank < SAMPLE_RANK_MIN) {
        return co_fail(err, CO_DATA,
                       "%s: %s; samples have the shape (N, C, H, W), (N, H, W) or (N, F)", x->path,
                       text);
    }
    if (x->shape[0] > UINT32_MAX || x->items / x->shape[0] > INT32_MAX) {
        return co_fail(err, CO_DATA, "%s: %s; that is too many or too large samples", x->path,
                       text);
    }
    return CO_OK;
}

static co_status check_pair(const co_npy_file *x, const co_npy_file *y, co_error *err)
{
    char text[128];
    co_npy_file_text(y, text, sizeof(text));
    if (y->type == CO_NPY_FLOAT || y->rank != 1) {
        return co_fail(err, CO_DATA,
                       "%s: %s; labels are integers of the shape (N,): save them with "
                       ".reshape(-1).astype('<i8')",
                       y->path, text);
    }
    if (y->shape[0] != x->shape[0]) {
        return co_fail(err, CO_DATA, "%s: %llu labels for the %llu samples of %s", y->path,
                       (unsigned long long)y->shape[0], (unsigned long long)x->shape[0], x->path);
    }
    return CO_OK;
}

static co_status read_labels(npy_part *part, co_dataset_findings *findings, co_error *err)
{
    const co_npy_file *y = &part->y;
    void *block = NULL;
    CO_TRY(co_alloc((size_t)y->items, sizeof(int32_t), "labels", &block, err));
    part->labels = block;
    for (uint64_t i = 0; i < y->items; i++) {
        int64_t label = co_npy_integer(y, i);
        if (label < 0 || label >= CLASSES_MAX) {
            co_error fault;
            co_status status = co_fail(&fault, CO_DATA,
                                       "%s: byte %zu: label %lld of sample %llu is not in 0..%d",
                                       y->path, y->data_at + (size_t)i * (size_t)y->item_bytes,
                                       (long long)label, (unsigned long long)i, CLASSES_MAX - 1);
            CO_TRY(co_findings_note(findings, status, &fault, err));
            continue;
        }
        part->labels[i] = (int32_t)label;
        part->classes = label >= part->classes ? (int)label + 1 : part->classes;
    }
    return CO_OK;
}

static co_status read_part(npy_set *set, int split, const char *dir, co_dataset_findings *findings,
                           co_error *err)
{
    co_error fault;
    npy_part *part = &set->part[split];
    co_status x = read_named(dir, stems[split][0], &part->x, &fault);
    x = x == CO_OK ? check_samples(&part->x, &fault) : x;
    CO_TRY(co_findings_note(findings, x, &fault, err));
    co_status y = read_named(dir, stems[split][1], &part->y, &fault);
    if (x == CO_OK && y == CO_OK) {
        y = check_pair(&part->x, &part->y, &fault);
    }
    CO_TRY(co_findings_note(findings, y, &fault, err));
    return x == CO_OK && y == CO_OK ? read_labels(part, findings, err) : CO_OK;
}

static co_status compare_splits(const npy_set *set, co_error *err)
{
    const co_npy_file *train = &set->part[CO_SPLIT_TRAIN].x;
    const co_npy_file *test = &set->part[CO_SPLIT_TEST].x;
    if (train->path == NULL || test->path == NULL) {
        return CO_OK; /* known already */
    }
    size_t rest = (CO_NPY_RANK_MAX - 1) * sizeof(train->shape[0]);
    if (train->type == test->type && train->rank == test->rank &&
        memcmp(train->shape + 1, test->shape + 1, rest) == 0) {
        return CO_OK;
    }
    char texts[2][128];
    co_npy_file_text(train, texts[0], sizeof(texts[0]));
    co_npy_file_text(test, texts[1], sizeof(texts[1]));
    return co_fail(err, CO_DATA, "%s: %s does not go with %s of %s", test->path, texts[1], texts[0],
                   train->path);
}

static co_status read_all(npy_set *set, const char *dir, co_dataset_findings *findings,
                          co_error *err)
{
    co_error fault;
    for (int split = 0; split < CO_SPLITS; split++) {
        CO_TRY(read_part(set, split, dir, findings, err));
    }
    co_status status = compare_splits(set, &fault);
    return co_findings_note(findings, status, &fault, err);
}

static void describe(npy_set *set)
{
    const co_npy_file *x = &set->part[CO_SPLIT_TRAIN].x;
    int last = x->rank - 1;
    co_dataset_info info = {
        .name = "npy",
        .format = x->type == CO_NPY_FLOAT ? "npy, float32" : "npy, uint8",
        .channels = x->rank == 4 ? (int)x->shape[1] : 1,
        .height = x->rank >= 3 ? (int)x->shape[last - 1] : 1,
        .width = (int)x->shape[last],
        .pixel = x->type == CO_NPY_FLOAT ? CO_PIXEL_F32 : CO_PIXEL_U8,
        .sample_bytes = (size_t)(x->items / x->shape[0]) * (size_t)x->item_bytes,
    };
    for (int split = 0; split < CO_SPLITS; split++) {
        npy_part *part = &set->part[split];
        info.samples[split] = (uint32_t)part->x.shape[0];
        info.classes = part->classes > info.classes ? part->classes : info.classes;
        set->base.part[split].pixels = part->x.content.data + part->x.data_at;
        set->base.part[split].labels = part->labels;
        set->base.memory_bytes += part->x.content.size + part->y.content.size +
                                  (size_t)part->y.items * sizeof(int32_t);
    }
    set->base.info = info;
}

static co_status npy_open(const char *name, const char *dir, const co_dataset_options *options,
                          co_dataset **out, co_error *err)
{
    (void)name;
    (void)options;
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(npy_set), "data set", &block, err));
    npy_set *set = block;
    set->base.ops = &npy_ops;
    co_status status = read_all(set, dir, NULL, err);
    if (status != CO_OK) {
        npy_destroy(&set->base);
        return status;
    }
    describe(set);
    *out = &set->base;
    return CO_OK;
}

/* The first value of each sample that is not finite. */
static co_status check_values(const co_npy_file *x, co_dataset_findings *findings, co_error *err)
{
    uint64_t size = x->items / x->shape[0];
    for (uint64_t i = 0; i < x->items; i++) {
        size_t at = x->data_at + (size_t)i * sizeof(float);
        float value = 0.0f;
        memcpy(&value, x->content.data + at, sizeof(value)); /* it need not be aligned */
        if (!isfinite(value)) {
            co_error fault;
            co_status status = co_fail(
                &fault, CO_DATA, "%s: byte %zu: value %llu of sample %llu is not finite", x->path,
                at, (unsigned long long)(i % size), (unsigned long long)(i / size));
            CO_TRY(co_findings_note(findings, status, &fault, err));
            i = (i / size + 1) * size - 1;
        }
    }
    return CO_OK;
}

static co_status npy_check(const char *name, const char *dir, co_dataset_findings *findings,
                           co_error *err)
{
    (void)name;
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(npy_set), "data set", &block, err));
    npy_set *set = block;
    co_status status = read_all(set, dir, findings, err);
    for (int split = 0; split < CO_SPLITS && status == CO_OK; split++) {
        const co_npy_file *x = &set->part[split].x;
        if (x->path != NULL && x->type == CO_NPY_FLOAT) {
            status = check_values(x, findings, err);
        }
    }
    npy_destroy(&set->base);
    return status;
}

const co_dataset_format co_format_npy = {.open = npy_open, .check = npy_check};
