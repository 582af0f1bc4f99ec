/* State visitors: what is saved is loaded; anything else is refused with the field's name; the
 * saved bytes are those of the header's comment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "state/visitor.h"

enum { VALUES = 37, BUFFER = 4096 };

typedef struct module {
    uint32_t small;
    uint64_t steps;
    int64_t balance;
    float rate;
    double mean;
    bool seen;
    unsigned char raw[5];
    uint32_t order[3];
    float weights[VALUES];
    double sums[2];
} module;

static co_status module_state(module *m, co_visitor *v, co_error *err)
{
    CO_TRY(co_visit_same_text(v, "kind", "module", err));
    CO_TRY(co_visit_begin(v, "outer", err));
    CO_TRY(co_visit_u32(v, "small", &m->small, err));
    CO_TRY(co_visit_u64(v, "steps", &m->steps, err));
    CO_TRY(co_visit_i64(v, "balance", &m->balance, err));
    CO_TRY(co_visit_begin(v, "inner", err));
    CO_TRY(co_visit_f32(v, "rate", &m->rate, err));
    CO_TRY(co_visit_f64(v, "mean", &m->mean, err));
    CO_TRY(co_visit_bool(v, "seen", &m->seen, err));
    CO_TRY(co_visit_end(v, err));
    CO_TRY(co_visit_bytes(v, "raw", m->raw, sizeof(m->raw), err));
    CO_TRY(co_visit_same_u64(v, "values", VALUES, err));
    CO_TRY(co_visit_u32_array(v, "order", m->order, 3, err));
    CO_TRY(co_visit_f32_array(v, "weights", m->weights, VALUES, err));
    CO_TRY(co_visit_f64_array(v, "sums", m->sums, 2, err));
    CO_TRY(co_visit_f32_array(v, "nothing", NULL, 0, err));
    return co_visit_end(v, err);
}

static module example(void)
{
    module m;
    memset(&m, 0, sizeof(m));
    m.small = 7;
    m.steps = 1ull << 40;
    m.balance = -5;
    m.rate = -0.0f;
    m.mean = (double)NAN;
    m.seen = true;
    memcpy(m.raw, "\x00\xff\x01xy", 5);
    m.order[2] = 9;
    m.sums[1] = 0.1;
    for (int i = 0; i < VALUES; i++) {
        m.weights[i] = (float)i * 0.37f;
    }
    return m;
}

static size_t save(module *m, unsigned char *buffer)
{
    co_error err;
    co_visitor sizing = co_visitor_sizing();
    assert_int_equal(module_state(m, &sizing, &err), CO_OK);
    assert_int_equal(co_visitor_finish(&sizing, &err), CO_OK);
    assert_true(sizing.offset <= BUFFER);
    co_visitor saving = co_visitor_saving(buffer, sizing.offset);
    assert_int_equal(module_state(m, &saving, &err), CO_OK);
    assert_int_equal(co_visitor_finish(&saving, &err), CO_OK);
    return sizing.offset;
}

static co_status load(module *m, const unsigned char *buffer, size_t bytes, co_error *err)
{
    co_visitor loading = co_visitor_loading(buffer, bytes);
    CO_TRY(module_state(m, &loading, err));
    return co_visitor_finish(&loading, err);
}

static void test_round_trip(void **state)
{
    (void)state;
    unsigned char buffer[BUFFER];
    co_error err;
    module saved = example();
    module loaded;
    memset(&loaded, 0, sizeof(loaded));
    size_t bytes = save(&saved, buffer);
    module untouched = example();
    assert_memory_equal(&saved, &untouched, sizeof(saved));
    assert_int_equal(load(&loaded, buffer, bytes, &err), CO_OK);
    assert_memory_equal(&saved, &loaded, sizeof(saved));
}

static void test_saved_bytes(void **state)
{
    (void)state;
    static const unsigned char expected[] = {
        8, 1, 's', 0,   0, 0, 0, 0, 0, 0, 0,                /* section "s" */
        1, 2, 'a', 'b', 1, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, /* u32 "ab" = 0x01020304 */
        6, 1, 'c', 1,   0, 0, 0, 0, 0, 0, 0, 1,             /* bool "c" = true */
        9,                                                  /* end */
    };
    unsigned char buffer[sizeof(expected)];
    uint32_t ab = 0x01020304;
    bool c = true;
    co_error err;
    co_visitor v = co_visitor_saving(buffer, sizeof(buffer));
    assert_int_equal(co_visit_begin(&v, "s", &err), CO_OK);
    assert_int_equal(co_visit_u32(&v, "ab", &ab, &err), CO_OK);
    assert_int_equal(co_visit_bool(&v, "c", &c, &err), CO_OK);
    assert_int_equal(co_visit_end(&v, &err), CO_OK);
    assert_int_equal(co_visitor_finish(&v, &err), CO_OK);
    assert_memory_equal(buffer, expected, sizeof(expected));
}

static void test_every_cut_is_refused(void **state)
{
    (void)state;
    unsigned char buffer[BUFFER];
    co_error err;
    module m = example();
    size_t bytes = save(&m, buffer);
    for (size_t cut = 0; cut < bytes; cut++) {
        unsigned char *exact = malloc(cut + (cut == 0)); /* the sanitizer watches its end */
        assert_non_null(exact);
        memcpy(exact, buffer, cut);
        assert_int_equal(load(&m, exact, cut, &err), CO_FILE);
        free(exact);
    }
    buffer[bytes] = 0;
    assert_int_equal(load(&m, buffer, bytes + 1, &err), CO_FILE);
    assert_non_null(strstr(err.text, "not of this kind"));
}

/* A flipped bit in a name, type or count is refused; one in the data may only change values. */
static void test_flipped_bits_never_crash(void **state)
{
    (void)state;
    unsigned char buffer[BUFFER];
    co_error err;
    module m = example();
    size_t bytes = save(&m, buffer);
    unsigned refused = 0;
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        buffer[bit / 8] ^= (unsigned char)(1u << bit % 8);
        co_status status = load(&m, buffer, bytes, &err);
        assert_true(status == CO_OK || status == CO_FILE);
        refused += status == CO_FILE;
        buffer[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    size_t data_bytes = 4 + 8 + 8 + 4 + 8 + 5 + 12 + VALUES * 4 + 16;
    assert_true(refused >= (bytes - data_bytes - 128) * 8);
    assert_int_equal(load(&m, buffer, bytes, &err), CO_OK);
}

static void test_messages_name_the_field(void **state)
{
    (void)state;
    unsigned char buffer[64];
    co_error err;
    uint32_t small = 3;
    float rate = 1.0f;
    co_visitor saving = co_visitor_saving(buffer, sizeof(buffer));
    assert_int_equal(co_visit_begin(&saving, "outer", &err), CO_OK);
    assert_int_equal(co_visit_u32(&saving, "small", &small, &err), CO_OK);
    assert_int_equal(co_visit_end(&saving, &err), CO_OK);

    co_visitor v = co_visitor_loading(buffer, saving.offset);
    assert_int_equal(co_visit_begin(&v, "outer", &err), CO_OK);
    assert_int_equal(co_visit_f32(&v, "rate", &rate, &err), CO_FILE);
    assert_string_equal(err.text, "state: byte 15: expected outer.rate as f32[1], found small as "
                                  "u32[1]");
    assert_true(rate == 1.0f);
    assert_int_equal(co_visit_u32(&v, "small", &small, &err), CO_OK);
    assert_int_equal(co_visit_u32(&v, "more", &small, &err), CO_FILE);
    assert_non_null(strstr(err.text, "expected u32 outer.more, found end of section"));
    assert_int_equal(co_visitor_finish(&v, &err), CO_INTERNAL);
    assert_int_equal(co_visit_end(&v, &err), CO_OK);
    assert_int_equal(co_visit_u32(&v, "more", &small, &err), CO_FILE);
    assert_int_equal(co_visit_end(&v, &err), CO_INTERNAL);
}

static void test_same_values_are_compared(void **state)
{
    (void)state;
    unsigned char buffer[512];
    co_error err;
    co_visitor saving = co_visitor_saving(buffer, sizeof(buffer));
    assert_int_equal(co_visit_same_u64(&saving, "parameters", 10, &err), CO_OK);
    assert_int_equal(co_visit_same_text(&saving, "model", "lenet5", &err), CO_OK);
    co_visitor v = co_visitor_loading(buffer, saving.offset);
    assert_int_equal(co_visit_same_u64(&v, "parameters", 11, &err), CO_FILE);
    assert_string_equal(err.text, "state: parameters was 10 when saved, and is 11 here");
    assert_int_equal(co_visit_same_text(&v, "model", "lenet", &err), CO_FILE);
    assert_string_equal(err.text, "state: model was 'lenet5' when saved, and is 'lenet' here");
}

static void test_misuse_is_an_error(void **state)
{
    (void)state;
    unsigned char buffer[16];
    co_error err;
    uint64_t value = 1;
    co_visitor v = co_visitor_saving(buffer, sizeof(buffer));
    assert_int_equal(co_visit_u64(&v, "long_name", &value, &err), CO_INTERNAL);
    assert_non_null(strstr(err.text, "long_name"));
    assert_int_equal(co_visit_u64(&v, "", &value, &err), CO_INTERNAL);
    v = co_visitor_sizing();
    for (int i = 0; i < CO_VISIT_DEPTH_MAX; i++) {
        assert_int_equal(co_visit_begin(&v, "deep", &err), CO_OK);
    }
    assert_int_equal(co_visit_begin(&v, "deep", &err), CO_INTERNAL);
    assert_int_equal(co_visit_f64_array(&v, "huge", NULL, SIZE_MAX / 4, &err), CO_INTERNAL);
}

static void test_show(void **state)
{
    (void)state;
    char shown[2048];
    co_error err;
    co_text text = co_text_over(shown, sizeof(shown));
    module m = example();
    co_visitor v = co_visitor_showing(&text);
    assert_int_equal(co_visit_begin(&v, "a", &err), CO_OK);
    assert_int_equal(co_visit_u32(&v, "small", &m.small, &err), CO_OK);
    assert_int_equal(co_visit_begin(&v, "b", &err), CO_OK);
    assert_int_equal(co_visit_end(&v, &err), CO_OK);
    assert_int_equal(co_visit_f64(&v, "mean", &m.mean, &err), CO_OK);
    assert_int_equal(co_visit_bool(&v, "seen", &m.seen, &err), CO_OK);
    assert_int_equal(co_visit_end(&v, &err), CO_OK);
    assert_int_equal(co_visit_u32_array(&v, "order", m.order, 3, &err), CO_OK);
    assert_int_equal(co_visit_f32_array(&v, "weights", m.weights, VALUES, &err), CO_OK);
    assert_int_equal(co_visitor_finish(&v, &err), CO_OK);
    assert_string_equal(shown, "{\"a\":{\"small\":7,\"b\":{},\"mean\":null,\"seen\":true},"
                               "\"order\":[0,0,9],"
                               "\"weights\":[0,0.37,0.74,1.11,\"... 37 in all\"]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_saved_bytes),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_flipped_bits_never_crash),
        cmocka_unit_test(test_messages_name_the_field),
        cmocka_unit_test(test_same_values_are_compared),
        cmocka_unit_test(test_misuse_is_an_error),
        cmocka_unit_test(test_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
