/* The data sets of IDX files: labels and headers are read when the set is opened, the images of a
 * split when it is first required, or by one helper thread that starts at once. */
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "data/format.h"
#include "data/idx_find.h"

typedef enum part_state { PART_NEW, PART_LOADING, PART_READY, PART_FAILED } part_state;

typedef struct idx_part {
    co_idx_file images;
    co_bytes content; /* header and pixels */
    int32_t *labels;  /* owned */
    part_state state; /* under the set's lock */
    co_error fault;   /* of PART_FAILED */
} idx_part;

typedef struct idx_set {
    co_dataset base;
    idx_part part[CO_SPLITS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t helper;
    bool helped;
    atomic_bool stop; /* tells the helper that the set is being closed */
} idx_set;

/* Only the thread that moved the part to PART_LOADING comes here. */
static void load_part(idx_set *set, co_split split)
{
    idx_part *part = &set->part[split];
    co_error fault;
    co_status status = co_idx_file_read(&part->images, &set->stop, &part->content, &fault);
    size_t head_bytes = part->images.head_bytes;
    co_idx_file_close(&part->images);
    pthread_mutex_lock(&set->lock);
    if (status == CO_OK) {
        set->base.part[split].pixels = part->content.data + head_bytes;
        part->state = PART_READY;
    } else {
        part->fault = fault;
        part->state = PART_FAILED;
    }
    pthread_cond_broadcast(&set->changed);
    pthread_mutex_unlock(&set->lock);
}

/* true when the caller is the one to load it. */
static bool claim_part(idx_set *set, co_split split)
{
    pthread_mutex_lock(&set->lock);
    bool mine = set->part[split].state == PART_NEW;
    if (mine) {
        set->part[split].state = PART_LOADING;
    }
    pthread_mutex_unlock(&set->lock);
    return mine;
}

static co_status idx_require(co_dataset *base, co_split split, co_error *err)
{
    idx_set *set = (idx_set *)base;
    if (claim_part(set, split)) {
        load_part(set, split);
    }
    pthread_mutex_lock(&set->lock);
    while (set->part[split].state == PART_LOADING) {
        pthread_cond_wait(&set->changed, &set->lock);
    }
    bool failed = set->part[split].state == PART_FAILED;
    pthread_mutex_unlock(&set->lock);
    if (failed) {
        const co_error *fault = &set->part[split].fault; /* never changes again */
        return co_fail(err, fault->status, "%s", fault->text);
    }
    return CO_OK;
}

static void *helper_main(void *arg)
{
    idx_set *set = arg;
    for (int split = 0; split < CO_SPLITS; split++) {
        if (!atomic_load(&set->stop) && claim_part(set, (co_split)split)) {
            load_part(set, (co_split)split);
        }
    }
    return NULL;
}

static void idx_destroy(co_dataset *base)
{
    idx_set *set = (idx_set *)base;
    atomic_store(&set->stop, true);
    if (set->helped) {
        pthread_join(set->helper, NULL);
    }
    for (int split = 0; split < CO_SPLITS; split++) {
        co_idx_file_close(&set->part[split].images);
        co_bytes_free(&set->part[split].content);
        co_free(set->part[split].labels);
    }
    pthread_cond_destroy(&set->changed);
    pthread_mutex_destroy(&set->lock);
    co_free(set);
}

static const co_dataset_ops idx_ops = {.destroy = idx_destroy, .require = idx_require};

/* Labels are few and checked at once: a bad one must not stop a run at its first evaluation. */
static co_status open_part(idx_set *set, const co_idx_family *family, const co_idx_paths *paths,
                           co_split split, co_error *err)
{
    idx_part *part = &set->part[split];
    co_idx_role images = split == CO_SPLIT_TRAIN ? CO_IDX_TRAIN_IMAGES : CO_IDX_TEST_IMAGES;
    co_idx_role labels = split == CO_SPLIT_TRAIN ? CO_IDX_TRAIN_LABELS : CO_IDX_TEST_LABELS;
    if (paths->file[images][0] == '\0') {
        return co_idx_missing(family, paths, images, err);
    }
    if (paths->file[labels][0] == '\0') {
        return co_idx_missing(family, paths, labels, err);
    }
    CO_TRY(co_idx_file_open(paths->file[images], CO_IDX_IMAGES, &part->images, err));
    co_idx_file file = CO_IDX_FILE_NONE;
    CO_TRY(co_idx_file_open(paths->file[labels], CO_IDX_LABELS, &file, err));
    co_status status = co_idx_counts_agree(&part->images, &file, err);
    if (status == CO_OK) {
        status = co_idx_labels_read(&file, family->classes, NULL, &part->labels, err);
    }
    co_idx_file_close(&file);
    set->base.part[split].labels = part->labels;
    return status;
}

static void describe(idx_set *set, const co_idx_family *family)
{
    const co_idx_file *train = &set->part[CO_SPLIT_TRAIN].images;
    const co_idx_file *test = &set->part[CO_SPLIT_TEST].images;
    set->base.info = (co_dataset_info){
        .name = family->name,
        .format = "idx",
        .samples = {train->count, test->count},
        .channels = 1,
        .height = (int)train->height,
        .width = (int)train->width,
        .pixel = CO_PIXEL_U8,
        .sample_bytes = (size_t)train->height * train->width,
        .classes = family->classes,
        .class_names = family->class_names,
    };
    set->base.memory_bytes = train->total_bytes + test->total_bytes +
                             ((size_t)train->count + test->count) * sizeof(int32_t);
}

static co_status idx_open(const char *name, const char *dir, const co_dataset_options *options,
                          co_dataset **out, co_error *err)
{
    const co_idx_family *family = co_idx_family_find(name);
    co_idx_paths paths = {.folder = ""};
    CO_TRY(co_idx_find(family, dir, &paths, err));
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(idx_set), "data set", &block, err));
    idx_set *set = block;
    set->base.ops = &idx_ops;
    pthread_mutex_init(&set->lock, NULL);
    pthread_cond_init(&set->changed, NULL);
    co_status status = CO_OK;
    for (int split = 0; split < CO_SPLITS; split++) {
        set->part[split].images = CO_IDX_FILE_NONE;
    }
    for (int split = 0; split < CO_SPLITS && status == CO_OK; split++) {
        status = open_part(set, family, &paths, (co_split)split, err);
    }
    if (status == CO_OK) {
        status = co_idx_shapes_agree(&set->part[CO_SPLIT_TRAIN].images,
                                     &set->part[CO_SPLIT_TEST].images, err);
    }
    if (status != CO_OK) {
        idx_destroy(&set->base);
        return status;
    }
    describe(set, family);
    /* Without the helper (no thread to be had) require reads in the caller. */
    if (options->background) {
        set->helped = pthread_create(&set->helper, NULL, helper_main, set) == 0;
    }
    *out = &set->base;
    return CO_OK;
}

const co_dataset_format co_format_idx = {.open = idx_open, .check = co_idx_check};
