/* Which image files a data set has: names and labels of both splits, and the names of the classes.
 *
 * Built by one thread, then read by any.
 */
#ifndef CO_DATA_IMAGE_LIST_H
#define CO_DATA_IMAGE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/dataset.h"

/* Texts, one behind the other. */
typedef struct co_names {
    char *text; /* owned */
    size_t bytes;
    size_t room;
    size_t *at; /* (count) where each begins; owned */
    uint32_t count;
    uint32_t places;
} co_names;

CO_MUST_CHECK co_status co_names_add(co_names *names, const char *name, co_error *err);
static inline const char *co_names_get(const co_names *names, uint32_t index)
{
    return names->text + names->at[index];
}
/* By bytes, as Python sorts texts of UTF-8. */
void co_names_sort(co_names *names);
/* Of sorted names: the index, or -1. */
int64_t co_names_find(const co_names *names, const char *name);
void co_names_clear(co_names *names); /* keeps the room */
void co_names_free(co_names *names);

typedef struct co_image_part {
    co_names files;  /* relative to the root */
    int32_t *labels; /* (files.count); owned */
    uint32_t places;
} co_image_part;

typedef struct co_image_list {
    char *root;       /* owned */
    co_names classes; /* in the order of their labels */
    co_image_part part[CO_SPLITS];
} co_image_list;

CO_MUST_CHECK co_status co_image_part_add(co_image_part *part, const char *file, int32_t label,
                                          co_error *err);
/* Keeps the samples whose byte in `keep` is not 0, in their order. */
void co_image_part_keep(co_image_part *part, const uint8_t *keep);
void co_image_list_free(co_image_list *list);
size_t co_image_list_bytes(const co_image_list *list);

#endif
