#include "event/ring.h"

#include <stdatomic.h>

#include "base/alloc.h"

enum { SLOTS_MIN = 16, SLOTS_MAX = 1 << 20 };

/* head and tail count events for ever; each has its own cache line, with the other side's last
 * known value beside it so that the line is fetched only when the ring looks full or empty. */
struct co_ring {
    _Alignas(CO_ALIGNMENT) _Atomic uint64_t head; /* pushed; written by the producer */
    uint64_t tail_seen;
    _Atomic uint64_t dropped;
    _Alignas(CO_ALIGNMENT) _Atomic uint64_t tail; /* popped; written by the consumer */
    uint64_t head_seen;
    _Alignas(CO_ALIGNMENT) co_event *slots;
    uint64_t capacity; /* a power of two */
};

co_status co_ring_create(size_t events, co_ring **out, co_error *err)
{
    size_t capacity = SLOTS_MIN;
    while (capacity < events && capacity < SLOTS_MAX) {
        capacity *= 2;
    }
    void *block = NULL;
    void *slots = NULL;
    CO_TRY(co_alloc(1, sizeof(co_ring), "event ring", &block, err));
    co_status status = co_alloc(capacity, sizeof(co_event), "event ring", &slots, err);
    if (status != CO_OK) {
        co_free(block);
        return status;
    }
    co_ring *ring = block;
    ring->slots = slots;
    ring->capacity = capacity;
    *out = ring;
    return CO_OK;
}

void co_ring_destroy(co_ring *ring)
{
    if (ring != NULL) {
        co_free(ring->slots);
        co_free(ring);
    }
}

size_t co_ring_capacity(const co_ring *ring)
{
    return (size_t)ring->capacity;
}

bool co_ring_push(co_ring *ring, const co_event *event)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t room = ring->capacity;
    if (event->kind == CO_EVENT_STEP) {
        room -= ring->capacity / 8;
    }
    if (head - ring->tail_seen >= room) {
        /* acquire: the consumer has finished reading the slots that we are about to write */
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head - ring->tail_seen >= room) {
            atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
            return false;
        }
    }
    ring->slots[head & (ring->capacity - 1)] = *event;
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return true;
}

bool co_ring_pop(co_ring *ring, co_event *out)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail == ring->head_seen) {
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (tail == ring->head_seen) {
            return false;
        }
    }
    *out = ring->slots[tail & (ring->capacity - 1)];
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

uint64_t co_ring_dropped(const co_ring *ring)
{
    return atomic_load_explicit(&ring->dropped, memory_order_relaxed);
}
