/* Writing protocol buffers by hand: the wire format that TensorBoard reads (private to monitor/).
 *
 * A message is built in a buffer that its user owns; what does not fit sets `overflow`. Nested
 * messages are opened and closed. https://protobuf.dev/programming-guides/encoding
 */
#ifndef CO_MONITOR_PROTO_H
#define CO_MONITOR_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct co_proto {
    uint8_t *data;
    size_t size;
    size_t length;
    bool overflow;
} co_proto;

/* int32, int64, enum and bool fields alike; a negative number takes ten bytes. */
void co_proto_integer(co_proto *proto, unsigned field, int64_t value);
void co_proto_float(co_proto *proto, unsigned field, float value);
void co_proto_double(co_proto *proto, unsigned field, double value);
void co_proto_bytes(co_proto *proto, unsigned field, const void *bytes, size_t count);
void co_proto_string(co_proto *proto, unsigned field, const char *text);
void co_proto_doubles(co_proto *proto, unsigned field, const double *values, size_t count);

/* What is added until close(mark) belongs to the message in `field`. */
size_t co_proto_open(co_proto *proto, unsigned field);
void co_proto_close(co_proto *proto, size_t mark);

#endif
