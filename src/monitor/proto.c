#include "monitor/proto.h"

#include <string.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { VARINT_MAX = 10 };

static void add(co_proto *proto, const void *bytes, size_t count)
{
    if (count > proto->size - proto->length) {
        proto->overflow = true;
        return;
    }
    memcpy(proto->data + proto->length, bytes, count);
    proto->length += count;
}

static size_t encode_varint(uint64_t value, uint8_t out[VARINT_MAX])
{
    size_t count = 0;
    for (; value >= 0x80; value >>= 7) {
        out[count++] = (uint8_t)(value | 0x80);
    }
    out[count++] = (uint8_t)value;
    return count;
}

static void add_varint(co_proto *proto, uint64_t value)
{
    uint8_t bytes[VARINT_MAX];
    size_t count = encode_varint(value, bytes);
    add(proto, bytes, count);
}

static void add_key(co_proto *proto, unsigned field, unsigned type)
{
    add_varint(proto, (uint64_t)field << 3 | type);
}

static void add_little_endian(co_proto *proto, uint64_t bits, size_t count)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(bits >> (8 * i));
    }
    add(proto, bytes, count);
}

static uint64_t double_bits(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

void co_proto_integer(co_proto *proto, unsigned field, int64_t value)
{
    add_key(proto, field, VARINT);
    add_varint(proto, (uint64_t)value);
}

void co_proto_float(co_proto *proto, unsigned field, float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    add_key(proto, field, FIXED32);
    add_little_endian(proto, bits, 4);
}

void co_proto_double(co_proto *proto, unsigned field, double value)
{
    add_key(proto, field, FIXED64);
    add_little_endian(proto, double_bits(value), 8);
}

void co_proto_bytes(co_proto *proto, unsigned field, const void *bytes, size_t count)
{
    add_key(proto, field, BYTES);
    add_varint(proto, count);
    add(proto, bytes, count);
}

void co_proto_string(co_proto *proto, unsigned field, const char *text)
{
    co_proto_bytes(proto, field, text, strlen(text));
}

void co_proto_doubles(co_proto *proto, unsigned field, const double *values, size_t count)
{
    add_key(proto, field, BYTES);
    add_varint(proto, 8 * (uint64_t)count);
    for (size_t i = 0; i < count; i++) {
        add_little_endian(proto, double_bits(values[i]), 8);
    }
}

size_t co_proto_open(co_proto *proto, unsigned field)
{
    add_key(proto, field, BYTES);
    return proto->length;
}

/* The length goes before the content, and its own length depends on it: the content moves up. */
void co_proto_close(co_proto *proto, size_t mark)
{
    uint8_t bytes[VARINT_MAX];
    size_t content = proto->length - mark;
    size_t count = encode_varint(content, bytes);
    if (proto->overflow || count > proto->size - proto->length) {
        proto->overflow = true;
        return;
    }
    memmove(proto->data + mark + count, proto->data + mark, content);
    memcpy(proto->data + mark, bytes, count);
    proto->length += count;
}
