/* The parts of a layout that are read from lists: see lines.h for their forms. */
#ifndef CO_DATA_IMAGE_LAYOUT_LISTS_H
#define CO_DATA_IMAGE_LAYOUT_LISTS_H

#include "data/image/layout.h"

/* wnids.txt: the classes, sorted. */
CO_MUST_CHECK co_status co_lists_classes(const char *path, co_dataset_findings *findings,
                                         co_names *out, co_error *err);

/* val_annotations.txt: the test images, in `folder` below the list's root. */
CO_MUST_CHECK co_status co_lists_annotations(const char *path, const char *folder,
                                             co_image_faults *faults, co_image_list *list,
                                             co_error *err);

/* Lists of "path label" in the root; a class is named after the folder of its first image. */
CO_MUST_CHECK co_status co_lists_labelled(const char *const names[CO_SPLITS],
                                          co_image_faults *faults, co_image_list *list,
                                          co_error *err);

#endif
