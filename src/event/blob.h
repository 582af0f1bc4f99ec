/* Blobs: what is too large for an event, in memory that is allocated once.
 *
 * The training thread takes a free blob, fills it, and announces an event with its number; the
 * monitor releases it after all sinks have seen the event. With none free the taker waits for up to
 * a second; then the thing is left out and counted, and so is what follows, without waiting, until
 * one was released. One thread takes; any thread reads what an event names, and releases.
 */
#ifndef CO_EVENT_BLOB_H
#define CO_EVENT_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct co_blobs co_blobs;

CO_MUST_CHECK co_status co_blobs_create(uint32_t count, size_t bytes, co_blobs **out,
                                        co_error *err);
void co_blobs_destroy(co_blobs *blobs); /* NULL is allowed */

/* NULL when none comes free, or when there are none at all (NULL). */
void *co_blobs_take(co_blobs *blobs, uint32_t *number);
void co_blobs_release(co_blobs *blobs, uint32_t number);
void *co_blobs_at(const co_blobs *blobs, uint32_t number);
size_t co_blobs_bytes(const co_blobs *blobs); /* of each */
uint64_t co_blobs_missed(const co_blobs *blobs);

/* --- what is in them --- */

enum { CO_BLOB_NAME_SIZE = 120, CO_BLOB_CLASS_SIZE = 40 };

/* Bucket b counts the floats whose upper 11 bits (sign, exponent, two bits of fraction) are b:
 * four buckets to a power of two. What is not finite is not counted. */
enum { CO_HISTOGRAM_BUCKETS = 2048 };

typedef struct co_histogram {
    char name[CO_BLOB_NAME_SIZE]; /* of the tensor: "conv1.weight" */
    uint64_t count;
    double min; /* min and max of no values at all are 0 */
    double max;
    double sum;
    double sum_squares;
    uint32_t buckets[CO_HISTOGRAM_BUCKETS];
} co_histogram;

void co_histogram_fill(co_histogram *histogram, const char *name, const float *values,
                       size_t count);

/* A sample that was taken for something else. */
typedef struct co_mistake {
    char label[CO_BLOB_CLASS_SIZE]; /* names of the classes, or their numbers */
    char predicted[CO_BLOB_CLASS_SIZE];
    uint32_t sample;   /* in its split */
    uint32_t channels; /* 1 or 3 */
    uint32_t height;
    uint32_t width;
    uint8_t pixels[]; /* (channels, height, width) */
} co_mistake;

#endif
