#include "event/blob.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

enum { NAP_NS = 1000000, NAPS = 1000 };

struct co_blobs {
    uint32_t count;
    uint32_t next; /* where the search for a free one begins; the taker's */
    bool stuck;    /* the last one was waited for in vain; the taker's */
    size_t bytes;  /* of a blob, rounded up */
    atomic_bool *busy;
    char *data;
    _Atomic uint64_t missed;
};

co_status co_blobs_create(uint32_t count, size_t bytes, co_blobs **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_blobs), "blobs", &block, err));
    co_blobs *blobs = block;
    blobs->count = count;
    blobs->bytes = co_round_up(bytes, CO_ALIGNMENT);
    co_status status = co_alloc(count, sizeof(atomic_bool), "blobs", &block, err);
    if (status == CO_OK) {
        blobs->busy = block;
        status = co_alloc(count, blobs->bytes, "blobs", &block, err);
    }
    if (status != CO_OK) {
        co_blobs_destroy(blobs);
        return status;
    }
    blobs->data = block;
    *out = blobs;
    return CO_OK;
}

void co_blobs_destroy(co_blobs *blobs)
{
    if (blobs != NULL) {
        co_free(blobs->busy);
        co_free(blobs->data);
        co_free(blobs);
    }
}

static void *find_free(co_blobs *blobs, uint32_t *number)
{
    for (uint32_t i = 0; i < blobs->count; i++) {
        uint32_t at = (blobs->next + i) % blobs->count;
        /* acquire: whoever released it has read it */
        if (!atomic_load_explicit(&blobs->busy[at], memory_order_acquire)) {
            atomic_store_explicit(&blobs->busy[at], true, memory_order_relaxed);
            blobs->next = at + 1;
            *number = at;
            return co_blobs_at(blobs, at);
        }
    }
    return NULL;
}

/* A monitor that has had no processor for a while comes to it soon; one that is stuck must not hold
 * up the training again and again. */
void *co_blobs_take(co_blobs *blobs, uint32_t *number)
{
    if (blobs == NULL) {
        return NULL;
    }
    void *blob = find_free(blobs, number);
    for (int nap = 0; blob == NULL && !blobs->stuck && nap < NAPS; nap++) {
        nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        blob = find_free(blobs, number);
    }
    blobs->stuck = blob == NULL;
    if (blob == NULL) {
        atomic_fetch_add_explicit(&blobs->missed, 1, memory_order_relaxed);
    }
    return blob;
}

void co_blobs_release(co_blobs *blobs, uint32_t number)
{
    atomic_store_explicit(&blobs->busy[number], false, memory_order_release);
}

void *co_blobs_at(const co_blobs *blobs, uint32_t number)
{
    return blobs->data + (size_t)number * blobs->bytes;
}

size_t co_blobs_bytes(const co_blobs *blobs)
{
    return blobs->bytes;
}

uint64_t co_blobs_missed(const co_blobs *blobs)
{
    return atomic_load_explicit(&blobs->missed, memory_order_relaxed);
}

void co_histogram_fill(co_histogram *histogram, const char *name, const float *values, size_t count)
{
    memset(histogram, 0, sizeof(*histogram));
    (void)snprintf(histogram->name, sizeof(histogram->name), "%s", name);
    double low = (double)INFINITY;
    double high = -(double)INFINITY;
    for (size_t i = 0; i < count; i++) {
        double value = (double)values[i];
        uint32_t bits = 0;
        if (!isfinite(value)) {
            continue;
        }
        memcpy(&bits, &values[i], sizeof(bits));
        histogram->buckets[bits >> 21]++;
        histogram->count++;
        low = value < low ? value : low;
        high = value > high ? value : high;
        histogram->sum += value;
        histogram->sum_squares += value * value;
    }
    histogram->min = histogram->count > 0 ? low : 0.0;
    histogram->max = histogram->count > 0 ? high : 0.0;
}
