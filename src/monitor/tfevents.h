/* The records of a TensorBoard event file (private to monitor/): length, checksum of the length,
 * payload, checksum of the payload; checksums are CRC-32C (Castagnoli), masked.
 * https://github.com/tensorflow/tensorboard, tensorboard/compat/proto/event.proto, summary.proto
 */
#ifndef CO_MONITOR_TFEVENTS_H
#define CO_MONITOR_TFEVENTS_H

#include "monitor/proto.h"
#include "monitor/spool.h"

typedef struct co_tfevents {
    co_spool *spool; /* borrowed */
    uint8_t *record; /* (size) a record is built here, borrowed */
    size_t size;
    co_proto proto; /* the payload within `record` */
    size_t summary; /* mark of the open Summary */
    uint32_t crc[256];
} co_tfevents;

void co_tfevents_init(co_tfevents *events, co_spool *spool, uint8_t *record, size_t size);

/* The record that every file begins with. */
void co_tfevents_add_version(co_tfevents *events, double wall_time);

/* A record of several values: begin, any number of values, end (nothing is written when it has
 * no value, or does not fit). */
void co_tfevents_begin(co_tfevents *events, double wall_time, int64_t step);
void co_tfevents_scalar(co_tfevents *events, const char *tag, double value);
/* A value of a kind of its own: fill the message and close it with co_tfevents_close. */
size_t co_tfevents_open(co_tfevents *events, const char *tag);
void co_tfevents_close(co_tfevents *events, size_t mark);
void co_tfevents_end(co_tfevents *events);

uint32_t co_tfevents_masked_crc(const co_tfevents *events, const void *bytes, size_t count);

#endif
