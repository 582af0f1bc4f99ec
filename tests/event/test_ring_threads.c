/* The ring under two threads: what arrives is whole, in order, and with what was dropped it is
 * everything. Meant for the thread sanitizer as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "event/ring.h"

enum { EVENTS = 200000 };

typedef struct producer {
    co_ring *ring;
    uint64_t pushed;
    _Atomic int done;
} producer;

/* Every word of the event says the same number, so that a torn copy is seen. */
static void *produce(void *context)
{
    producer *p = context;
    for (uint64_t i = 1; i <= EVENTS; i++) {
        co_event event = {.kind = i % 50 == 0 ? CO_EVENT_EPOCH_END : CO_EVENT_STEP,
                          .rank = (uint32_t)i,
                          .seconds = (double)i};
        event.step.step = i;
        event.step.learning_rate = (double)i;
        event.step.images_per_second = (double)i;
        if (event.kind == CO_EVENT_EPOCH_END) {
            event.epoch_end = (co_event_epoch_end){.step = i, .images_per_second = (double)i};
        }
        p->pushed += co_ring_push(p->ring, &event);
        if (i % 64 == 0) {
            sched_yield(); /* the machine may have one processor */
        }
    }
    atomic_store_explicit(&p->done, 1, memory_order_release);
    return NULL;
}

static uint64_t check(const co_event *event, uint64_t last)
{
    uint64_t number = event->rank;
    assert_true(number > last);
    assert_true(event->seconds == (double)number);
    if (event->kind == CO_EVENT_STEP) {
        assert_int_equal(event->step.step, number);
        assert_true(event->step.learning_rate == (double)number);
        assert_true(event->step.images_per_second == (double)number);
    } else {
        assert_int_equal(event->kind, CO_EVENT_EPOCH_END);
        assert_int_equal(event->epoch_end.step, number);
        assert_true(event->epoch_end.images_per_second == (double)number);
    }
    return number;
}

static void run_with(size_t capacity)
{
    co_error err;
    producer p = {.pushed = 0};
    pthread_t thread;
    assert_int_equal(co_ring_create(capacity, &p.ring, &err), CO_OK);
    assert_int_equal(pthread_create(&thread, NULL, produce, &p), 0);
    uint64_t popped = 0;
    uint64_t last = 0;
    co_event event;
    for (;;) {
        int done = atomic_load_explicit(&p.done, memory_order_acquire);
        if (co_ring_pop(p.ring, &event)) {
            last = check(&event, last);
            popped++;
        } else if (done != 0) {
            break;
        } else {
            sched_yield();
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(popped, p.pushed);
    assert_int_equal(popped + co_ring_dropped(p.ring), EVENTS);
    co_ring_destroy(p.ring);
}

static void test_small_ring(void **state)
{
    (void)state;
    run_with(16);
}

static void test_large_ring(void **state)
{
    (void)state;
    run_with(4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_ring),
        cmocka_unit_test(test_large_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
