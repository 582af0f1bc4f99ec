/* The ring between the training thread and the sinks: single producer, single consumer,
 * lock-free, in memory allocated once.
 *
 * A push copies the event and never waits, allocates or calls the system. When there is no room
 * the event is dropped and counted; the last eighth of the ring is kept from step events, so that
 * a flood of steps does not push out an evaluation or a warning. One thread pushes, one pops;
 * they may be the same.
 */
#ifndef CO_EVENT_RING_H
#define CO_EVENT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "event/event.h"

typedef struct co_ring co_ring;

/* Room for at least `events` events (rounded up to a power of two, 16 to 2^20). */
CO_MUST_CHECK co_status co_ring_create(size_t events, co_ring **out, co_error *err);
void co_ring_destroy(co_ring *ring); /* NULL is allowed; nobody may be using it */
size_t co_ring_capacity(const co_ring *ring);

/* false when it was dropped. */
bool co_ring_push(co_ring *ring, const co_event *event);
/* false when the ring is empty; the oldest event otherwise. */
bool co_ring_pop(co_ring *ring, co_event *out);
/* Events dropped so far; any thread. */
uint64_t co_ring_dropped(const co_ring *ring);

#endif
