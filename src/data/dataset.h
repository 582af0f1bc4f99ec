/* Data sets: where samples come from. One file per format behind one ops struct.
 *
 * A data set has a train and a test split of equally shaped samples (C, H, W) with one label each.
 * co_dataset_open finds the files, checks their headers and, when asked to, starts to read them in
 * a thread of its own; co_dataset_require waits for a split (or reads it) and must have succeeded
 * before samples or labels of that split are used. After that every function here may be called
 * from any number of threads at once. Whoever opened a set closes it, after its loaders are gone;
 * every pointer that a set hands out is borrowed from it.
 */
#ifndef CO_DATA_DATASET_H
#define CO_DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/batch.h"
#include "base/rng.h"
#include "base/status.h"
#include "data/bad_samples.h"

typedef enum co_split { CO_SPLIT_TRAIN, CO_SPLIT_TEST } co_split;
enum { CO_SPLITS = 2 };

typedef struct co_dataset_info {
    const char *name;            /* "mnist", "cifar10", ...: co_dataset_name */
    const char *format;          /* "idx", "cifar binary", "npy, float32", "csv", "drawn" */
    uint32_t samples[CO_SPLITS]; /* known as soon as the set is open */
    int channels;
    int height;
    int width;
    co_pixel pixel;      /* CO_PIXEL_U8, or CO_PIXEL_F32 (npy, nt3) */
    size_t sample_bytes; /* of one sample's pixels */
    int classes;
    const char *const *class_names; /* (classes), or NULL */
    bool image_files;               /* samples are cut out of image files when they are read */
} co_dataset_info;

typedef struct co_dataset co_dataset;

/* What one thread needs to read samples of image files; kept from sample to sample. */
typedef struct co_sample_reader co_sample_reader;

/* A random part of an image instead of its middle (random-resized crop, docs/METHODS.md 3). */
typedef struct co_sample_cut {
    double area;    /* at least this share of the image */
    double ratio;   /* width / height from 1 / ratio to ratio; >= 1 */
    co_rng_key key; /* stream is ignored */
} co_sample_cut;

/* The format's side. All but `destroy` may be called by many threads at once. */
typedef struct co_dataset_ops {
    void (*destroy)(co_dataset *set);
    /* Makes part[split] usable; returns the same error each time when it cannot. */
    co_status (*require)(co_dataset *set, co_split split, co_error *err);
    /* (optional: NULL when every split is resident) Copies one sample to `pixels`. */
    co_status (*fetch)(co_dataset *set, co_split split, uint32_t sample, void *pixels,
                       co_error *err);
    /* (optional: sets of image files) */
    co_status (*reader_open)(co_dataset *set, co_sample_reader **out, co_error *err);
    void (*reader_close)(co_sample_reader *reader);
    /* cut: NULL for the middle. */
    co_status (*read)(co_sample_reader *reader, co_split split, uint32_t sample,
                      const co_sample_cut *cut, void *pixels, co_error *err);
    co_status (*reader_bytes)(co_dataset *set, size_t *bytes, co_error *err);
    /* (optional) Exact sums of all pixels of a split, where they are known without reading it. */
    const uint64_t *(*known_sums)(const co_dataset *set, co_split split); /* {sum, squares} */
} co_dataset_ops;

/* First member of every format's own struct. Read it through the functions below. */
struct co_dataset {
    const co_dataset_ops *ops;
    co_dataset_info info;
    struct {
        const void *pixels;    /* (samples, C, H, W) when all are in memory, else NULL */
        const int32_t *labels; /* (samples), each in 0..classes-1 */
    } part[CO_SPLITS];
    size_t memory_bytes;      /* pixels and labels when all are in memory or mapped */
    co_bad_samples bad;       /* what was left out; all zero where nothing can be */
    char note[CO_ERROR_SIZE]; /* see co_dataset_note */
};

typedef struct co_dataset_options {
    bool background; /* read the splits in a helper thread, train first; never in a simulation */
    co_bad_policy bad_policy; /* of the formats that can do without single samples */
    uint32_t bad_budget;
    const char *cache_dir; /* where prepared data go (nt3); NULL: next to the files. Borrowed */
    /* Of image files: */
    int image_size;    /* side of a sample; 0: the usual one of the set */
    int image_resize;  /* shorter side before the middle is cut out; 0: 8/7 of the size */
    double test_share; /* of a folder of classes without train/ and val/; 0: a fifth */
} co_dataset_options;

/* name: one of co_dataset_name; glyphs is drawn and needs no files. dir: the folder of the files,
 * or one that has them in a sub-folder of the usual name, or (CIFAR) the archive; borrowed for this
 * call. options: NULL for the defaults. Fails with CO_USAGE for an unknown name or a
 * missing dir, CO_DATA for files that are missing, unreadable or whose headers are wrong. */
CO_MUST_CHECK co_status co_dataset_open(const char *name, const char *dir,
                                        const co_dataset_options *options, co_dataset **out,
                                        co_error *err);
void co_dataset_close(co_dataset *set); /* NULL is allowed */

/* The i-th name that co_dataset_open knows, NULL after the last. */
const char *co_dataset_name(int index);
/* The one of these that is meant: case, '-' and '_' do not count, "candle" is nt3; NULL: none. */
const char *co_dataset_known_name(const char *name);

static inline const co_dataset_info *co_dataset_describe(const co_dataset *set)
{
    return &set->info;
}

/* Waits until the split is read and checked, or reads it. CO_DATA names file and byte offset. */
CO_MUST_CHECK co_status co_dataset_require(co_dataset *set, co_split split, co_error *err);

/* (samples) labels of a required split. */
static inline const int32_t *co_dataset_labels(const co_dataset *set, co_split split)
{
    return set->part[split].labels;
}

/* Copies the pixels of one sample of a required split; `pixels` holds info.sample_bytes. */
CO_MUST_CHECK co_status co_dataset_fetch(co_dataset *set, co_split split, uint32_t sample,
                                         void *pixels, co_error *err);

/* A reader for the calling thread; *out = NULL for sets that need none. Closed before the set is.
 */
CO_MUST_CHECK co_status co_dataset_reader_open(co_dataset *set, co_sample_reader **out,
                                               co_error *err);
void co_dataset_reader_close(co_dataset *set, co_sample_reader *reader); /* NULL is allowed */

/* The memory that a reader comes to hold; 0 for sets that need none. Reads some of the samples. */
CO_MUST_CHECK co_status co_dataset_reader_bytes(co_dataset *set, size_t *bytes, co_error *err);

/* As co_dataset_fetch, with the thread's reader (NULL where there is none). cut: NULL, or a part of
 * the image: only with a reader. */
CO_MUST_CHECK co_status co_dataset_read(co_dataset *set, co_sample_reader *reader, co_split split,
                                        uint32_t sample, const co_sample_cut *cut, void *pixels,
                                        co_error *err);

/* (samples, C, H, W) of a required split when it lies in memory in one piece, else NULL. */
static inline const void *co_dataset_resident(const co_dataset *set, co_split split)
{
    return set->part[split].pixels;
}

/* What was left out of the set: `skip` was asked for, and its format can do that. */
static inline const co_bad_samples *co_dataset_left_out(const co_dataset *set)
{
    return &set->bad;
}

/* What opening did that its user may want to know (a cache made, or made anew); "" when nothing. */
static inline const char *co_dataset_note(const co_dataset *set)
{
    return set->note;
}

/* Upper bound of the memory that the set itself will hold. */
static inline size_t co_dataset_memory_bytes(const co_dataset *set)
{
    return set->memory_bytes;
}

/* 60,000 samples of zeros with label 0 in the form of *like (its counts are ignored; what it
 * points to is borrowed): for the memory bill of a network whose data are not there. */
CO_MUST_CHECK co_status co_blank_open(const co_dataset_info *like, co_dataset **out, co_error *err);

#endif
