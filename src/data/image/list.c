#include "data/image/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { ROOM_LEAST = 256 };

/* *block: `old` items of `size`, moved to room for `wanted` or twice as many as before. */
static co_status grow(void **block, size_t old, size_t wanted, size_t size, size_t *places,
                      co_error *err)
{
    size_t room = 2 * old > wanted ? 2 * old : wanted;
    void *bigger = NULL;
    room = room > ROOM_LEAST ? room : ROOM_LEAST;
    CO_TRY(co_alloc(room, size, "list of files", &bigger, err));
    if (*block != NULL) {
        memcpy(bigger, *block, old * size);
    }
    co_free(*block);
    *block = bigger;
    *places = room;
    return CO_OK;
}

co_status co_names_add(co_names *names, const char *name, co_error *err)
{
    size_t length = strlen(name) + 1;
    if (names->room - names->bytes < length) {
        void *block = names->text;
        CO_TRY(grow(&block, names->bytes, names->bytes + length, 1, &names->room, err));
        names->text = block;
    }
    if (names->count == names->places) {
        void *block = names->at;
        size_t places = 0;
        CO_TRY(grow(&block, names->count, (size_t)names->count + 1, sizeof(size_t), &places, err));
        names->at = block;
        names->places = (uint32_t)places;
    }
    memcpy(names->text + names->bytes, name, length);
    names->at[names->count++] = names->bytes;
    names->bytes += length;
    return CO_OK;
}

static int compare_at(const void *a, const void *b, void *text)
{
    return strcmp((const char *)text + *(const size_t *)a, (const char *)text + *(const size_t *)b);
}

void co_names_sort(co_names *names)
{
    if (names->count > 1) {
        qsort_r(names->at, names->count, sizeof(names->at[0]), compare_at, names->text);
    }
}

int64_t co_names_find(const co_names *names, const char *name)
{
    uint32_t low = 0;
    uint32_t high = names->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(name, co_names_get(names, middle));
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return -1;
}

void co_names_clear(co_names *names)
{
    names->bytes = 0;
    names->count = 0;
}

void co_names_free(co_names *names)
{
    co_free(names->text);
    co_free(names->at);
    *names = (co_names){0};
}

co_status co_image_part_add(co_image_part *part, const char *file, int32_t label, co_error *err)
{
    if (part->files.count == UINT32_MAX / 2) {
        return co_fail(err, CO_DATA, "%s: more than %u images", file, UINT32_MAX / 2);
    }
    if (part->files.count == part->places) {
        void *block = part->labels;
        size_t places = 0;
        CO_TRY(grow(&block, part->places, (size_t)part->places + 1, sizeof(int32_t), &places, err));
        part->labels = block;
        part->places = (uint32_t)places;
    }
    CO_TRY(co_names_add(&part->files, file, err));
    part->labels[part->files.count - 1] = label;
    return CO_OK;
}

void co_image_part_keep(co_image_part *part, const uint8_t *keep)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < part->files.count; i++) {
        if (keep[i] != 0) {
            part->files.at[kept] = part->files.at[i];
            part->labels[kept] = part->labels[i];
            kept++;
        }
    }
    part->files.count = kept;
}

void co_image_list_free(co_image_list *list)
{
    co_free(list->root);
    co_names_free(&list->classes);
    for (int split = 0; split < CO_SPLITS; split++) {
        co_names_free(&list->part[split].files);
        co_free(list->part[split].labels);
    }
    *list = (co_image_list){0};
}

static size_t names_bytes(const co_names *names)
{
    return names->room + names->places * sizeof(names->at[0]);
}

size_t co_image_list_bytes(const co_image_list *list)
{
    size_t bytes = names_bytes(&list->classes);
    for (int split = 0; split < CO_SPLITS; split++) {
        const co_image_part *part = &list->part[split];
        bytes += names_bytes(&part->files) + part->places * sizeof(part->labels[0]);
    }
    return bytes;
}
