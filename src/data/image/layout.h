/* The data sets of image files: their names, where their files lie, and which there are. */
#ifndef CO_DATA_IMAGE_LAYOUT_H
#define CO_DATA_IMAGE_LAYOUT_H

#include "data/check.h"
#include "data/image/list.h"

typedef enum co_image_layout {
    CO_LAYOUT_FOLDERS, /* train/<class>/..., and val/ or test/ */
    CO_LAYOUT_TINY,    /* the same, but val/images/ and val/val_annotations.txt; wnids.txt */
    CO_LAYOUT_LISTS,   /* two lists of "path label" */
    CO_LAYOUT_CORE50,  /* s<session>/o<object>/...; sessions 3, 7 and 10 are the test */
    CO_LAYOUT_CLASSES, /* FOLDERS, or <class>/... of which a share is the test */
} co_image_layout;

typedef struct co_image_family {
    const char *name;
    co_image_layout layout;
    const char *folders[6]; /* below --dataset-dir, tried in this order; NULL at the end */
    int size;               /* of a sample, where the settings say nothing */
    bool as_stored;         /* the shorter side becomes `size`, not 8/7 of it */
    const char *lists[CO_SPLITS];
} co_image_family;

/* NULL when the name is none of these. */
const co_image_family *co_image_family_find(const char *name);

/* Where faults go: findings of a check, or the policy for bad samples. */
typedef struct co_image_faults {
    co_bad_samples *bad;
    co_dataset_findings *findings; /* NULL: no check */
} co_image_faults;

/* A fault of one sample, which may be left out. */
CO_MUST_CHECK co_status co_image_bad(co_image_faults *faults, co_status status,
                                     const co_error *fault, co_error *err);

/* Finds the folder and lists its images; reads none of them. `test_share`: for CLASSES. CO_DATA
 * names the folder, or file and line. *out is freed by the caller, also after a failure. */
CO_MUST_CHECK co_status co_image_list_read(const co_image_family *family, const char *dir,
                                           double test_share, co_image_faults *faults,
                                           co_image_list *out, co_error *err);

#endif
