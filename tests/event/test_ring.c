/* Events and their ring, one thread: order, bounds, what is dropped, notes in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event/announce.h"

static co_ring *make_ring(size_t events)
{
    co_error err;
    co_ring *ring = NULL;
    assert_int_equal(co_ring_create(events, &ring, &err), CO_OK);
    return ring;
}

static co_event step_event(uint64_t step)
{
    co_event event = {.kind = CO_EVENT_STEP};
    event.step.step = step;
    return event;
}

static void test_capacity_is_a_power_of_two(void **state)
{
    (void)state;
    static const size_t asked[] = {0, 16, 17, 100, 4096};
    static const size_t given[] = {16, 16, 32, 128, 4096};
    for (size_t i = 0; i < 5; i++) {
        co_ring *ring = make_ring(asked[i]);
        assert_int_equal(co_ring_capacity(ring), given[i]);
        co_ring_destroy(ring);
    }
    co_ring_destroy(NULL);
}

static void test_order_over_many_rounds(void **state)
{
    (void)state;
    co_ring *ring = make_ring(16);
    co_event event;
    uint64_t pushed = 0;
    uint64_t popped = 0;
    assert_false(co_ring_pop(ring, &event));
    for (uint64_t round = 0; round < 1000; round++) {
        for (uint64_t i = 0; i < round % 14; i++) {
            event = step_event(pushed++);
            assert_true(co_ring_push(ring, &event));
        }
        for (uint64_t i = 0; i < round % 14; i++) {
            assert_true(co_ring_pop(ring, &event));
            assert_int_equal(event.step.step, popped++);
        }
        assert_false(co_ring_pop(ring, &event));
    }
    assert_int_equal(co_ring_dropped(ring), 0);
    co_ring_destroy(ring);
}

/* Steps fill seven eighths; the rest is for what is rare. */
static void test_full_ring_drops_and_counts(void **state)
{
    (void)state;
    co_ring *ring = make_ring(16);
    for (uint64_t i = 0; i < 20; i++) {
        co_event event = step_event(i);
        assert_int_equal(co_ring_push(ring, &event), i < 14);
    }
    assert_int_equal(co_ring_dropped(ring), 6);
    for (uint64_t i = 0; i < 3; i++) {
        co_event event = {.kind = CO_EVENT_EVALUATION};
        event.evaluation.step = i;
        assert_int_equal(co_ring_push(ring, &event), i < 2);
    }
    assert_int_equal(co_ring_dropped(ring), 7);
    co_event event;
    for (uint64_t i = 0; i < 14; i++) {
        assert_true(co_ring_pop(ring, &event));
        assert_int_equal(event.step.step, i);
    }
    for (uint64_t i = 0; i < 2; i++) {
        assert_true(co_ring_pop(ring, &event));
        assert_int_equal(event.kind, CO_EVENT_EVALUATION);
        assert_int_equal(event.evaluation.step, i);
    }
    assert_false(co_ring_pop(ring, &event));
    co_ring_destroy(ring);
}

typedef struct fake_time {
    uint64_t now_ns;
} fake_time;

static uint64_t fake_monotonic(void *context)
{
    return ((fake_time *)context)->now_ns;
}

static int64_t fake_wall(void *context)
{
    (void)context;
    return 1234;
}

static void count_call(void *context)
{
    ++*(int *)context;
}

static void test_announce_fills_in(void **state)
{
    (void)state;
    fake_time time = {.now_ns = 3500000000u};
    co_clock clock = {fake_monotonic, fake_wall, NULL, &time};
    int drained = 0;
    co_announcer announcer = {.ring = make_ring(16),
                              .clock = &clock,
                              .start_ns = 1000000000u,
                              .rank = 3,
                              .drain = count_call,
                              .context = &drained};
    co_event event = {.kind = CO_EVENT_RUN_START};
    co_announce(&announcer, &event);
    event = step_event(9);
    event.seconds = 1.25;
    co_announce(&announcer, &event);
    assert_int_equal(drained, 2);
    assert_true(co_ring_pop(announcer.ring, &event));
    assert_true(event.seconds == 2.5);
    assert_int_equal(event.rank, 3);
    assert_int_equal(event.run_start.wall_ns, 1234);
    assert_true(co_ring_pop(announcer.ring, &event));
    assert_true(event.seconds == 1.25);
    assert_int_equal(event.step.step, 9);
    co_ring_destroy(announcer.ring);
    announcer.ring = NULL; /* nobody listens */
    co_announce(&announcer, &event);
    co_announce_note(&announcer, CO_LEVEL_NOTE, "unheard");
    assert_int_equal(drained, 2);
}

/* A long text of two-byte characters: its pieces, put together, are the text, and no piece cuts
 * a character in two. */
static void test_long_note_comes_in_pieces(void **state)
{
    (void)state;
    char text[602] = {0};
    for (size_t i = 0; i + 1 < sizeof(text) - 1; i += 2) {
        memcpy(text + i, "é", 2);
    }
    co_announcer announcer = {.ring = make_ring(16), .clock = &co_clock_system};
    co_announce_note(&announcer, CO_LEVEL_WARNING, "x%s", text);
    co_announce_note(&announcer, CO_LEVEL_NOTE, "%s", "");
    char joined[1024] = {0};
    co_event event;
    int pieces = 0;
    do {
        assert_true(co_ring_pop(announcer.ring, &event));
        assert_int_equal(event.note.level, CO_LEVEL_WARNING);
        assert_true(strlen(event.note.text) < CO_EVENT_TEXT_SIZE);
        assert_int_not_equal((unsigned char)event.note.text[0] & 0xc0, 0x80);
        strcat(joined, event.note.text);
        pieces++;
    } while (event.note.more);
    assert_int_equal(pieces, 4);
    assert_int_equal(joined[0], 'x');
    assert_string_equal(joined + 1, text);
    assert_true(co_ring_pop(announcer.ring, &event)); /* an empty note is one event */
    assert_string_equal(event.note.text, "");
    assert_false(co_ring_pop(announcer.ring, &event));
    co_ring_destroy(announcer.ring);
}

static void test_names(void **state)
{
    (void)state;
    char field[CO_EVENT_NAME_SIZE];
    co_event_set_name(field, "lenet5");
    assert_string_equal(field, "lenet5");
    co_event_set_name(field, "a name of more than forty characters ééééééé");
    assert_string_equal(field, "a name of more than forty characters é");
    assert_string_equal(co_event_kind_name(CO_EVENT_EPOCH_END), "epoch");
    assert_string_equal(co_event_kind_name(0), "?");
    assert_string_equal(co_event_kind_name(99), "?");
    assert_string_equal(co_event_split_name(CO_EVENT_SPLIT_TEST), "test");
    assert_string_equal(co_level_name(CO_LEVEL_NOTE), "INFO");
    assert_string_equal(co_outcome_name(CO_OUTCOME_PREEMPTED), "preempted");
    assert_true(sizeof(co_event) <= CO_EVENT_SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capacity_is_a_power_of_two),
        cmocka_unit_test(test_order_over_many_rounds),
        cmocka_unit_test(test_full_ring_drops_and_counts),
        cmocka_unit_test(test_announce_fills_in),
        cmocka_unit_test(test_long_note_comes_in_pieces),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
