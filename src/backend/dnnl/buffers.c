#include "backend/dnnl/buffers.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void co_buffers_free(co_buffers *buffers)
{
    co_free(buffers->items);
    memset(buffers, 0, sizeof(*buffers));
}

static co_status grow(co_buffers *buffers, co_error *err)
{
    if (buffers->count < buffers->capacity) {
        return CO_OK;
    }
    int capacity = buffers->capacity == 0 ? 64 : 2 * buffers->capacity;
    void *items = NULL;
    CO_TRY(co_alloc((size_t)capacity, sizeof(co_buffer), "buffer table", &items, err));
    if (buffers->count > 0) {
        memcpy(items, buffers->items, (size_t)buffers->count * sizeof(co_buffer));
    }
    co_free(buffers->items);
    buffers->items = items;
    buffers->capacity = capacity;
    return CO_OK;
}

co_status co_buffers_add(co_buffers *buffers, size_t bytes, co_buffer_use use, int *index,
                         co_error *err)
{
    CO_TRY(grow(buffers, err));
    buffers->items[buffers->count] = (co_buffer){
        .bytes = co_round_up(bytes, CO_ALIGNMENT), .use = use, .first = CO_FOREVER, .last = -1};
    *index = buffers->count++;
    return CO_OK;
}

co_status co_buffers_external(co_buffers *buffers, void *data, size_t bytes, int *index,
                              co_error *err)
{
    CO_TRY(grow(buffers, err));
    buffers->items[buffers->count] = (co_buffer){
        .bytes = bytes, .use = CO_BUFFER_EXTERNAL, .data = data};
    *index = buffers->count++;
    return CO_OK;
}

void co_buffers_touch(co_buffers *buffers, int index, int time)
{
    if (index == CO_NO_BUFFER) {
        return;
    }
    co_buffer *b = &buffers->items[index];
    b->first = time < b->first ? time : b->first;
    b->last = time > b->last ? time : b->last;
}

static bool in_slab(const co_buffer *b)
{
    return b->use != CO_BUFFER_EXTERNAL && b->first <= b->last && b->bytes > 0;
}

static int larger_first(const void *left, const void *right)
{
    const co_buffer *a = *(const co_buffer *const *)left;
    const co_buffer *b = *(const co_buffer *const *)right;
    if (a->bytes != b->bytes) {
        return a->bytes > b->bytes ? -1 : 1;
    }
    return a < b ? -1 : a > b; /* the order of creation: the same plan every time */
}

static int lower_first(const void *left, const void *right)
{
    const co_buffer *a = *(const co_buffer *const *)left;
    const co_buffer *b = *(const co_buffer *const *)right;
    if (a->offset != b->offset) {
        return a->offset < b->offset ? -1 : 1;
    }
    return a < b ? -1 : a > b;
}

/* The lowest offset at which `b` overlaps no placed buffer that lives at the same time.
 * placed[0..count) is sorted by offset. */
static size_t lowest_gap(co_buffer *const *placed, int count, const co_buffer *b)
{
    size_t offset = 0;
    for (int i = 0; i < count; i++) {
        const co_buffer *p = placed[i];
        if (p->first > b->last || p->last < b->first) {
            continue;
        }
        if (p->offset >= offset + b->bytes) {
            break;
        }
        if (p->offset + p->bytes > offset) {
            offset = p->offset + p->bytes;
        }
    }
    return offset;
}

/* Greedy by size (Pisarchyk and Lee, "Efficient memory management for deep neural net
 * inference", 2020): the largest first, each at the lowest offset that is free all its life. */
co_status co_buffers_place(co_buffers *buffers, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(2 * (size_t)buffers->count + 1, sizeof(co_buffer *), "buffer placement", &block,
                    err));
    co_buffer **order = block;
    co_buffer **placed = order + buffers->count;
    int count = 0;
    for (int i = 0; i < buffers->count; i++) {
        if (in_slab(&buffers->items[i])) {
            order[count++] = &buffers->items[i];
        }
    }
    qsort(order, (size_t)count, sizeof(order[0]), larger_first);
    size_t end = 0;
    for (int i = 0; i < count; i++) {
        co_buffer *b = order[i];
        b->offset = lowest_gap(placed, i, b);
        end = b->offset + b->bytes > end ? b->offset + b->bytes : end;
        int at = i;
        while (at > 0 && placed[at - 1]->offset > b->offset) {
            placed[at] = placed[at - 1];
            at--;
        }
        placed[at] = b;
    }
    buffers->slab_bytes = end;
    co_free(block);
    return CO_OK;
}

void co_buffers_bind(co_buffers *buffers, void *slab)
{
    for (int i = 0; i < buffers->count; i++) {
        co_buffer *b = &buffers->items[i];
        if (in_slab(b)) {
            b->data = (char *)slab + b->offset;
        }
    }
}

/* Bytes covered by the buffers of uses 0..use, sorted by offset. */
static size_t covered(co_buffer *const *sorted, int count, int use)
{
    size_t bytes = 0;
    size_t end = 0;
    for (int i = 0; i < count; i++) {
        const co_buffer *b = sorted[i];
        if ((int)b->use > use || b->offset + b->bytes <= end) {
            continue;
        }
        size_t begin = b->offset > end ? b->offset : end;
        end = b->offset + b->bytes;
        bytes += end - begin;
    }
    return bytes;
}

co_status co_buffers_bill(const co_buffers *buffers, size_t bytes[CO_BUFFER_USES], co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc((size_t)buffers->count + 1, sizeof(co_buffer *), "memory bill", &block, err));
    co_buffer **sorted = block;
    int count = 0;
    for (int i = 0; i < buffers->count; i++) {
        if (in_slab(&buffers->items[i])) {
            sorted[count++] = &buffers->items[i];
        }
    }
    qsort(sorted, (size_t)count, sizeof(sorted[0]), lower_first);
    size_t before = 0;
    for (int use = 0; use < CO_BUFFER_USES; use++) {
        size_t now = covered(sorted, count, use);
        bytes[use] = now - before;
        before = now;
    }
    co_free(block);
    return CO_OK;
}
