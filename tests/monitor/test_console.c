/* What the console shows: plain lines, the bar, the curves; widths, characters, verbosity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "monitor/example_run.h"
#include "monitor/sinks.h"

enum { SHOWN_SIZE = 1 << 16 };

/* What a sink writes to the console, collected in memory. */
typedef struct screen {
    char *shown; /* owned by the stream until it is closed, then by us */
    size_t bytes;
    co_console console;
    co_sink *sink;
} screen;

typedef co_status (*sink_maker)(const co_console *console, co_sink **out, co_error *err);

static void open_screen(screen *s, const co_console *console, sink_maker make)
{
    co_error err;
    *s = (screen){.console = *console};
    s->console.file = open_memstream(&s->shown, &s->bytes);
    assert_non_null(s->console.file);
    assert_int_equal(make(&s->console, &s->sink, &err), CO_OK);
}

static void close_screen(screen *s)
{
    s->sink->ops->close(s->sink);
    assert_int_equal(fclose(s->console.file), 0);
}

static void show_run(screen *s, const co_console *console, sink_maker make)
{
    co_error err;
    open_screen(s, console, make);
    assert_int_equal(example_run(s->sink, &err), CO_OK);
    close_screen(s);
}

#define START                                                                                      \
    "training lenet5 (61,706 parameters) on glyphs: 2 epochs of 4 steps, batch size 64, "          \
    "2 threads\n"
#define END                                                                                        \
    "finished after 2 epochs, 8 steps, 1:10, 13.6k img/s, communication 1.5 ms per step: test "    \
    "accuracy 96.88 %\n"

static void test_plain(void **state)
{
    (void)state;
    screen s;
    show_run(&s, &(co_console){.verbosity = CO_NORMAL}, co_console_sink);
    assert_string_equal(s.shown,
                        START "epoch 1/2: train loss 0.5000, accuracy 87.50 %, 13.6k img/s, 0:04\n"
                              "epoch 1/2: test  loss 0.2500, accuracy 96.88 %\n"
                              "epoch 2/2: train loss 0.2500, accuracy 87.50 %, 13.6k img/s, 0:04\n"
                              "epoch 2/2: test  loss 0.1250, accuracy 96.88 %\n"
                              "warning: one line\n" END);
    free(s.shown);
}

static void test_quiet(void **state)
{
    (void)state;
    screen s;
    show_run(&s, &(co_console){.verbosity = CO_QUIET, .terminal = true}, co_console_sink);
    assert_string_equal(s.shown, "warning: one line\n");
    free(s.shown);
}

static void test_verbose(void **state)
{
    (void)state;
    screen s;
    show_run(&s, &(co_console){.verbosity = CO_VERBOSE, .log_interval = 4}, co_console_sink);
    assert_string_equal(
        s.shown,
        START "epoch 1/2: step 4/8, loss 0.5625, lr 0.01, 13.6k img/s\n"
              "epoch 1/2: train loss 0.5000, accuracy 87.50 %, 13.6k img/s, 0:04\n"
              "epoch 1/2: test  loss 0.2500, accuracy 96.88 %\n"
              "epoch 2/2: step 8/8, loss 0.2812, lr 0.01, 13.6k img/s, communication 1.5 ms\n"
              "epoch 2/2: train loss 0.2500, accuracy 87.50 %, 13.6k img/s, 0:04\n"
              "epoch 2/2: test  loss 0.1250, accuracy 96.88 %\n"
              "warning: one line\nfor the curious\n" END);
    free(s.shown);
}

/* Before the run's start nothing is known of epochs and totals. */
static void test_without_a_start(void **state)
{
    (void)state;
    screen s;
    co_error err;
    open_screen(&s, &(co_console){.verbosity = CO_VERBOSE, .log_interval = 1}, co_console_sink);
    co_event step = example_step(1, 2);
    step.step.images_per_second = (double)NAN;
    assert_int_equal(example_send(s.sink, step, &err), CO_OK);
    assert_int_equal(example_send(s.sink, example_end(CO_OUTCOME_PREEMPTED), &err), CO_OK);
    close_screen(&s);
    assert_string_equal(s.shown, "epoch 1: step 2, loss 1.1250, lr 0.01\n"
                                 "preempted after 2 epochs, 8 steps, 1:10, 13.6k img/s, "
                                 "communication 1.5 ms per step: test accuracy 96.88 %\n");
    free(s.shown);
}

static void test_bar(void **state)
{
    (void)state;
    screen s;
    co_error err;
    open_screen(&s, &(co_console){.verbosity = CO_NORMAL, .terminal = true, .width = 70},
                co_console_sink);
    assert_int_equal(example_send(s.sink, example_start(), &err), CO_OK);
    assert_int_equal(example_send(s.sink, example_step(1, 2), &err), CO_OK);
    assert_int_equal(fflush(s.console.file), 0);
    /* 2 of 8 steps after 3 s: 9 s to go; the bar fills the line but for its last column */
    assert_string_equal(s.shown,
                        START "\repoch 1/2 ========>          50 %  loss 1.1250  13.6k img/s  "
                              "ETA 0:09\033[K");
    size_t before = s.bytes;
    co_event soon = example_step(1, 3);
    soon.seconds = 3.09; /* less than a tenth of a second later: no redraw */
    assert_int_equal(example_send(s.sink, soon, &err), CO_OK);
    assert_int_equal(fflush(s.console.file), 0);
    assert_int_equal(s.bytes, before);
    assert_int_equal(example_send(s.sink, example_evaluation(1), &err), CO_OK);
    assert_int_equal(fflush(s.console.file), 0);
    assert_string_equal(s.shown + before,
                        "\r\033[Kepoch 1/2: test  loss 0.2500, accuracy 96.88 %\n");
    close_screen(&s);
    free(s.shown);
}

/* The columns that the last redraw takes, without what moves the cursor or colours. */
static size_t bar_columns(const char *shown)
{
    char plain[1024] = {0};
    size_t length = 0;
    for (const char *c = strrchr(shown, '\r') + 1; *c != '\0'; c++) {
        if (*c == '\033') {
            c += strcspn(c, "mK");
        } else {
            plain[length++] = *c;
        }
    }
    return co_utf8_columns(plain);
}

static void test_bar_fits_every_width(void **state)
{
    (void)state;
    for (unsigned width = 1; width <= 310; width++) {
        screen s;
        co_error err;
        const co_console console = {.verbosity = CO_NORMAL,
                                    .terminal = true,
                                    .utf8 = width % 2 == 0,
                                    .color = width % 3 == 0,
                                    .width = width};
        open_screen(&s, &console, co_console_sink);
        assert_int_equal(example_send(s.sink, example_start(), &err), CO_OK);
        assert_int_equal(example_send(s.sink, example_step(1, 1 + width % 4), &err), CO_OK);
        assert_int_equal(fflush(s.console.file), 0);
        size_t columns = bar_columns(s.shown);
        assert_true(columns < width || width == 1);
        assert_true(width < 61 || width > 300 || columns == width - 1);
        close_screen(&s);
        free(s.shown);
    }
}

static void test_write_errors_are_reported(void **state)
{
    (void)state;
    co_error err;
    co_sink *sink = NULL;
    co_console console = {.verbosity = CO_NORMAL, .file = fopen("/dev/full", "w")};
    assert_non_null(console.file);
    assert_int_equal(co_console_sink(&console, &sink, &err), CO_OK);
    assert_int_equal(example_send(sink, example_start(), &err), CO_FILE);
    assert_non_null(strstr(err.text, "No space left"));
    sink->ops->close(sink);
    (void)fclose(console.file);
}

static void test_detect_no_terminal(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    co_console console = co_console_detect(file, CO_VERBOSE);
    assert_false(console.terminal);
    assert_false(console.color);
    assert_int_equal(console.width, 0);
    assert_int_equal(console.verbosity, CO_VERBOSE);
    assert_ptr_equal(console.file, file);
    (void)fclose(file);
}

/* --- curves ---------------------------------------------------------------------------- */

/* Every line of the drawing has the same columns and fits. */
static void check_lines(const char *shown, size_t columns)
{
    const char *line = shown;
    while (*line != '\0') {
        char copy[1024] = {0};
        size_t length = strcspn(line, "\n");
        assert_true(length < sizeof(copy));
        memcpy(copy, line, length);
        assert_true(length == 0 || co_utf8_columns(copy) == columns);
        line += length + 1;
    }
}

/* Checked by eye and by hand: 0.5 to 0.9375 between labels 50 and 97, the tests at half and at
 * the end of the steps. */
static void test_curve_ascii(void **state)
{
    (void)state;
    screen s;
    show_run(&s, &(co_console){.width = 40}, co_curve_sink);
    check_lines(s.shown, 39);
    assert_string_equal(s.shown, "\n"
                                 "       training loss                   \n"
                                 "   2.0 |'.                             \n"
                                 "       | '.                            \n"
                                 "       |  '.                           \n"
                                 "       |   '.                          \n"
                                 "       |    '..                        \n"
                                 "       |       '..                     \n"
                                 "       |          '''......            \n"
                                 "   0.2 |                   ''''''''''..\n"
                                 "       +-------------------------------\n"
                                 "        step 0                        8\n"
                                 "       accuracy . training o test      \n"
                                 "97.0 % |               o        ......o\n"
                                 "       |            ....''''''''       \n"
                                 "       |       ..'''                   \n"
                                 "       |     .'                        \n"
                                 "       |   .'                          \n"
                                 "       |  .'                           \n"
                                 "       | .'                            \n"
                                 "50.0 % |.'                             \n"
                                 "       +-------------------------------\n"
                                 "        step 0                        8\n\n");
    free(s.shown);
}

static void test_curve_at_every_width(void **state)
{
    (void)state;
    for (unsigned width = 1; width <= 200; width++) {
        screen s;
        show_run(&s, &(co_console){.width = width, .utf8 = true}, co_curve_sink);
        size_t drawn = width < 40 ? 40 : width > 120 ? 120 : width;
        size_t gap = 3;
        check_lines(s.shown, drawn < 72 ? drawn - 1 : (drawn - gap - 1) / 2 * 2 + gap);
        assert_non_null(strstr(s.shown, "●"));
        free(s.shown);
    }
}

/* Many more steps than there is memory for: a straight line stays one, from corner to corner. */
static void test_long_run(void **state)
{
    (void)state;
    enum { STEPS = 5000 };
    screen s;
    co_error err;
    open_screen(&s, &(co_console){.width = 50}, co_curve_sink);
    for (uint32_t i = 1; i <= STEPS; i++) {
        co_event event = example_step(1, 1);
        event.step.step = i;
        event.step.loss = 5.0 * (1.0 - (double)i / STEPS);
        event.step.accuracy = (double)NAN;
        assert_int_equal(example_send(s.sink, event, &err), CO_OK);
    }
    assert_int_equal(example_send(s.sink, example_end(CO_OUTCOME_FINISHED), &err), CO_OK);
    close_screen(&s);
    check_lines(s.shown, 49);
    assert_null(strstr(s.shown, "accuracy"));
    const char *line = strstr(s.shown, "   5.0 |'");
    assert_non_null(line);
    size_t before = 0;
    for (int row = 0; row < 8; row++) {
        size_t first = strcspn(line + 8, "'.:");
        assert_true(row == 0 || (first > before && first - before <= 7));
        before = first;
        line = strchr(line, '\n') + 1;
    }
    assert_non_null(strstr(s.shown, "step 0"));
    assert_non_null(strstr(s.shown, "5000\n"));
    free(s.shown);
}

/* Nothing to draw, or nothing finite: no drawing. */
static void test_no_curve(void **state)
{
    (void)state;
    screen s;
    co_error err;
    open_screen(&s, &(co_console){.width = 80}, co_curve_sink);
    for (uint32_t i = 1; i <= 4; i++) {
        co_event event = example_step(1, i);
        event.step.loss = (double)NAN;
        event.step.accuracy = (double)NAN;
        assert_int_equal(example_send(s.sink, event, &err), CO_OK);
    }
    assert_int_equal(example_send(s.sink, example_evaluation(1), &err), CO_OK);
    assert_int_equal(example_send(s.sink, example_end(CO_OUTCOME_FAILED), &err), CO_OK);
    close_screen(&s);
    assert_string_equal(s.shown, "");
    free(s.shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_verbose),
        cmocka_unit_test(test_without_a_start),
        cmocka_unit_test(test_bar),
        cmocka_unit_test(test_bar_fits_every_width),
        cmocka_unit_test(test_write_errors_are_reported),
        cmocka_unit_test(test_detect_no_terminal),
        cmocka_unit_test(test_curve_ascii),
        cmocka_unit_test(test_curve_at_every_width),
        cmocka_unit_test(test_long_run),
        cmocka_unit_test(test_no_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
