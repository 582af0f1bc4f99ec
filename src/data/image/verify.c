#include "data/image/verify.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/threads.h"
#include "data/image/reader.h"
#include "data/image/walk.h"

enum { THREADS_MAX = 64, IMAGES_AT_ONCE = 16 };

/* What all threads share. A fault is only marked here; its text is made again when it is told,
 * so that a set of nothing but faults needs no memory for them. */
typedef struct verification {
    const co_image_list *list;
    const co_image_part *part;
    uint8_t *good; /* (files), one byte each */
    atomic_uint_fast32_t next;
    atomic_int failed; /* a status other than CO_DATA ends it */
} verification;

static co_status verify_one(const verification *v, co_image_reader *reader, uint32_t index,
                            co_error *err)
{
    char path[CO_WALK_PATH];
    CO_TRY(co_walk_join(v->list->root, co_names_get(&v->part->files, index), path, err));
    return co_image_verify(reader, path, err);
}

static void verify_from(verification *v, co_image_reader *reader, uint32_t first)
{
    uint32_t count = v->part->files.count;
    uint32_t end = count - first > IMAGES_AT_ONCE ? first + IMAGES_AT_ONCE : count;
    for (uint32_t i = first; i < end; i++) {
        co_error fault;
        co_status status = verify_one(v, reader, i, &fault);
        v->good[i] = status == CO_OK;
        if (status != CO_OK && status != CO_DATA) {
            atomic_store(&v->failed, status);
        }
    }
}

static void *verify_some(void *arg)
{
    verification *v = arg;
    co_image_reader *reader = NULL;
    co_error fault;
    co_status status = co_image_reader_create(&reader, &fault);
    if (status != CO_OK) {
        atomic_store(&v->failed, status);
        return NULL;
    }
    while (atomic_load(&v->failed) == 0) {
        uint_fast32_t first = atomic_fetch_add(&v->next, IMAGES_AT_ONCE);
        if (first >= v->part->files.count) {
            break;
        }
        verify_from(v, reader, (uint32_t)first);
    }
    co_image_reader_destroy(reader);
    return NULL;
}

/* Who gets no thread works alone: the caller takes part. */
static void verify_all(verification *v)
{
    pthread_t helper[THREADS_MAX];
    int wanted = co_cpu_count() - 1;
    int started = 0;
    while (started < wanted && started < THREADS_MAX &&
           pthread_create(&helper[started], NULL, verify_some, v) == 0) {
        started++;
    }
    (void)verify_some(v);
    for (int i = 0; i < started; i++) {
        pthread_join(helper[i], NULL);
    }
}

static co_status tell_faults(verification *v, co_image_faults *faults, co_error *err)
{
    co_image_reader *reader = NULL;
    CO_TRY(co_image_reader_create(&reader, err));
    co_status status = CO_OK;
    for (uint32_t i = 0; i < v->part->files.count && status == CO_OK; i++) {
        if (v->good[i] == 0) {
            co_error fault;
            status = verify_one(v, reader, i, &fault);
            v->good[i] = status == CO_OK; /* a disk that changed its mind */
            status = co_image_bad(faults, status, &fault, err);
        }
    }
    co_image_reader_destroy(reader);
    return status;
}

co_status co_image_list_verify(co_image_list *list, co_split split, co_image_faults *faults,
                               co_error *err)
{
    co_image_part *part = &list->part[split];
    if (part->files.count == 0) {
        return CO_OK;
    }
    void *block = NULL;
    CO_TRY(co_alloc(part->files.count, 1, "marks of images", &block, err));
    verification v = {.list = list, .part = part, .good = block};
    atomic_init(&v.next, 0);
    atomic_init(&v.failed, 0);
    verify_all(&v);
    int failed = atomic_load(&v.failed);
    co_status status = failed != 0 ? co_fail(err, (co_status)failed,
                                             "%s: no memory or threads to read it", list->root)
                                   : tell_faults(&v, faults, err);
    if (status == CO_OK) {
        co_image_part_keep(part, v.good);
    }
    co_free(block);
    return status;
}
