#include "monitor/spool.h"

#include <string.h>

#include "base/alloc.h"

enum { RECORD_BYTES = 32, RECORDS_MIN = 16 }; /* about the shortest record */

/* data[begin..end) are records one after the other, oldest first; their lengths lie in a ring. */
struct co_spool {
    co_line_file *file;
    const char *name;
    char *name_storage;
    char *data;
    size_t room;
    size_t begin;
    size_t end;
    uint32_t *lengths; /* (records_max) bytes of each record that are still to be written */
    size_t records_max;
    size_t first; /* index of the oldest */
    size_t count;
    bool started; /* a pipe has a part of the oldest: the rest must follow */
    uint64_t lost;
};

static co_status allocate(co_spool *spool, const char *path, size_t room, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_strdup(path, &spool->name_storage, err));
    const char *slash = strrchr(spool->name_storage, '/');
    spool->name = slash != NULL ? slash + 1 : spool->name_storage;
    CO_TRY(co_alloc(room, 1, "spool", &block, err));
    spool->data = block;
    spool->room = room;
    spool->records_max = room / RECORD_BYTES + RECORDS_MIN;
    CO_TRY(co_alloc(spool->records_max, sizeof(uint32_t), "spool", &block, err));
    spool->lengths = block;
    return CO_OK;
}

co_status co_spool_open(const co_files *files, const char *path, uint64_t keep, size_t room,
                        co_spool **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_spool), "spool", &block, err));
    co_spool *spool = block;
    co_status status = allocate(spool, path, room, err);
    if (status == CO_OK) {
        status = co_line_file_open(files, path, keep, &spool->file, err);
    }
    if (status != CO_OK) {
        co_spool_close(spool);
        return status;
    }
    *out = spool;
    return CO_OK;
}

void co_spool_close(co_spool *spool)
{
    if (spool == NULL) {
        return;
    }
    co_error err;
    if (spool->file != NULL) {
        (void)!co_spool_write(spool, &err); /* who wants to know has synced before */
    }
    co_line_file_close(spool->file);
    co_free(spool->lengths);
    co_free(spool->data);
    co_free(spool->name_storage);
    co_free(spool);
}

static uint32_t *length_of(const co_spool *spool, size_t index)
{
    return &spool->lengths[(spool->first + index) % spool->records_max];
}

static void forget_first(co_spool *spool)
{
    spool->begin += *length_of(spool, 0);
    spool->first = (spool->first + 1) % spool->records_max;
    spool->count--;
    spool->started = false;
}

/* The second record goes; the first, of which a pipe has a part, takes its place. */
static void drop_second(co_spool *spool)
{
    uint32_t head = *length_of(spool, 0);
    uint32_t gone = *length_of(spool, 1);
    memmove(spool->data + spool->begin + gone, spool->data + spool->begin, head);
    *length_of(spool, 1) = head;
    *length_of(spool, 0) = gone;
    forget_first(spool);
    spool->started = true;
}

/* false: there is nothing that may go. */
static bool drop_one(co_spool *spool)
{
    if (spool->count == 0 || (spool->started && spool->count == 1)) {
        return false;
    }
    if (spool->started) {
        drop_second(spool);
    } else {
        forget_first(spool);
    }
    spool->lost++;
    return true;
}

void co_spool_add(co_spool *spool, const void *record, size_t bytes)
{
    while (spool->end - spool->begin + bytes > spool->room || spool->count == spool->records_max) {
        if (bytes > spool->room || !drop_one(spool)) {
            spool->lost++;
            return;
        }
    }
    if (spool->end + bytes > spool->room) {
        memmove(spool->data, spool->data + spool->begin, spool->end - spool->begin);
        spool->end -= spool->begin;
        spool->begin = 0;
    }
    memcpy(spool->data + spool->end, record, bytes);
    spool->end += bytes;
    *length_of(spool, spool->count) = (uint32_t)bytes;
    spool->count++;
}

bool co_spool_is_filling(const co_spool *spool)
{
    return co_spool_waiting(spool) > spool->room / 4 || spool->count > spool->records_max / 4;
}

static void consume(co_spool *spool, size_t taken)
{
    while (spool->count > 0 && taken >= *length_of(spool, 0)) {
        taken -= *length_of(spool, 0);
        forget_first(spool);
    }
    if (taken > 0) {
        *length_of(spool, 0) -= (uint32_t)taken;
        spool->begin += taken;
        spool->started = true;
    }
    if (spool->count == 0) {
        spool->begin = 0;
        spool->end = 0;
    }
}

co_status co_spool_write(co_spool *spool, co_error *err)
{
    if (spool->count == 0) {
        return CO_OK;
    }
    CO_TRY(co_line_file_check(spool->file, err));
    size_t taken = 0;
    co_status status = co_line_file_write(spool->file, spool->data + spool->begin,
                                          spool->end - spool->begin, &taken, err);
    consume(spool, taken);
    return status;
}

co_status co_spool_sync(co_spool *spool, co_error *err)
{
    CO_TRY(co_spool_write(spool, err));
    CO_TRY(co_line_file_check(spool->file, err));
    return co_line_file_sync(spool->file, err);
}

const char *co_spool_name(const co_spool *spool)
{
    return spool->name;
}

uint64_t co_spool_offset(const co_spool *spool)
{
    return co_line_file_offset(spool->file);
}

uint64_t co_spool_lost(const co_spool *spool)
{
    return spool->lost;
}

size_t co_spool_waiting(const co_spool *spool)
{
    return spool->end - spool->begin;
}
