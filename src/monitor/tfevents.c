#include "monitor/tfevents.h"

#include <string.h>

enum { LENGTH_BYTES = 8, CRC_BYTES = 4, HEAD_BYTES = LENGTH_BYTES + CRC_BYTES };
/* fields of Event, Summary and Summary.Value */
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5 };
enum { EVENT_SOURCE = 10, SOURCE_WRITER = 1 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2 };

void co_tfevents_init(co_tfevents *events, co_spool *spool, uint8_t *record, size_t size)
{
    memset(events, 0, sizeof(*events));
    events->spool = spool;
    events->record = record;
    events->size = size;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
        }
        events->crc[i] = crc;
    }
}

uint32_t co_tfevents_masked_crc(const co_tfevents *events, const void *bytes, size_t count)
{
    const uint8_t *next = bytes;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < count; i++) {
        crc = crc >> 8 ^ events->crc[(crc ^ next[i]) & 0xff];
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void put_little_endian(uint8_t *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static void begin(co_tfevents *events, double wall_time)
{
    events->proto = (co_proto){.data = events->record + HEAD_BYTES,
                               .size = events->size - HEAD_BYTES - CRC_BYTES};
    co_proto_double(&events->proto, EVENT_WALL_TIME, wall_time);
}

/* Puts the frame around the payload and hands all to the spool. */
static void end(co_tfevents *events)
{
    const co_proto *proto = &events->proto;
    if (proto->overflow) {
        return;
    }
    uint8_t *record = events->record;
    put_little_endian(record, proto->length, LENGTH_BYTES);
    put_little_endian(record + LENGTH_BYTES, co_tfevents_masked_crc(events, record, LENGTH_BYTES),
                      CRC_BYTES);
    put_little_endian(proto->data + proto->length,
                      co_tfevents_masked_crc(events, proto->data, proto->length), CRC_BYTES);
    co_spool_add(events->spool, record, HEAD_BYTES + proto->length + CRC_BYTES);
}

void co_tfevents_add_version(co_tfevents *events, double wall_time)
{
    begin(events, wall_time);
    co_proto_string(&events->proto, EVENT_FILE_VERSION, "brain.Event:2");
    size_t source = co_proto_open(&events->proto, EVENT_SOURCE);
    co_proto_string(&events->proto, SOURCE_WRITER, "cohort");
    co_proto_close(&events->proto, source);
    end(events);
}

void co_tfevents_begin(co_tfevents *events, double wall_time, int64_t step)
{
    begin(events, wall_time);
    co_proto_integer(&events->proto, EVENT_STEP, step);
    events->summary = co_proto_open(&events->proto, EVENT_SUMMARY);
}

size_t co_tfevents_open(co_tfevents *events, const char *tag)
{
    size_t mark = co_proto_open(&events->proto, SUMMARY_VALUE);
    co_proto_string(&events->proto, VALUE_TAG, tag);
    return mark;
}

void co_tfevents_close(co_tfevents *events, size_t mark)
{
    co_proto_close(&events->proto, mark);
}

void co_tfevents_scalar(co_tfevents *events, const char *tag, double value)
{
    size_t mark = co_tfevents_open(events, tag);
    co_proto_float(&events->proto, VALUE_SIMPLE, (float)value);
    co_tfevents_close(events, mark);
}

void co_tfevents_end(co_tfevents *events)
{
    if (events->proto.length == events->summary) {
        return;
    }
    co_proto_close(&events->proto, events->summary);
    end(events);
}
