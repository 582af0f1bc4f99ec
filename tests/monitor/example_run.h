/* For tests: the events of a small run, the same for every sink. */
#ifndef CO_TESTS_MONITOR_EXAMPLE_RUN_H
#define CO_TESTS_MONITOR_EXAMPLE_RUN_H

#include <math.h>
#include <string.h>

#include "monitor/sink.h"

enum { EXAMPLE_EPOCHS = 2, EXAMPLE_STEPS = 4 };

static inline co_event example_start(void)
{
    co_event event = {.kind = CO_EVENT_RUN_START, .seconds = 0.125};
    event.run_start = (co_event_run_start){.wall_ns = 1706703896789000000,
                                           .steps_total = EXAMPLE_EPOCHS * EXAMPLE_STEPS,
                                           .steps_per_epoch = EXAMPLE_STEPS,
                                           .epochs = EXAMPLE_EPOCHS,
                                           .batch_size = 64,
                                           .parameters = 61706,
                                           .threads = 2};
    co_event_set_name(event.run_start.dataset, "glyphs");
    co_event_set_name(event.run_start.model, "lenet5");
    return event;
}

static inline co_event example_step(uint32_t epoch, uint32_t step_in_epoch)
{
    uint32_t step = (epoch - 1) * EXAMPLE_STEPS + step_in_epoch;
    co_event event = {.kind = CO_EVENT_STEP, .seconds = 1.0 + (double)step};
    event.step = (co_event_step){.step = step,
                                 .epoch = epoch,
                                 .step_in_epoch = step_in_epoch,
                                 .images = 64,
                                 .loss = 2.0 / (double)step,
                                 .running_loss = 2.25 / (double)step,
                                 .accuracy = 1.0 - 0.5 / (double)step,
                                 .accuracy5 = (double)NAN,
                                 .epoch_loss = 3.0 / (double)step,
                                 .epoch_accuracy = 0.75,
                                 .epoch_accuracy5 = 0.875,
                                 .gradient_norm = (double)NAN,
                                 .weight_norm = (double)NAN,
                                 .learning_rate = 0.01,
                                 .images_per_second = 13640.0,
                                 .communication_ms = epoch == 1 ? (double)NAN : 1.5,
                                 .communication_max_ms = epoch == 1 ? (double)NAN : 2.25};
    return event;
}

static inline co_event example_epoch_end(uint32_t epoch)
{
    co_event event = {.kind = CO_EVENT_EPOCH_END, .seconds = 1.0 + (double)(epoch * EXAMPLE_STEPS)};
    event.epoch_end = (co_event_epoch_end){.step = epoch * EXAMPLE_STEPS,
                                           .epoch = epoch,
                                           .steps = EXAMPLE_STEPS,
                                           .samples = EXAMPLE_STEPS * 64,
                                           .loss = 0.5 / (double)epoch,
                                           .accuracy = 0.875,
                                           .learning_rate = 0.01,
                                           .duration = 4.25,
                                           .images_per_second = 13600.0};
    return event;
}

static inline co_event example_evaluation(uint32_t epoch)
{
    co_event event = {.kind = CO_EVENT_EVALUATION,
                      .seconds = 1.5 + (double)(epoch * EXAMPLE_STEPS)};
    event.evaluation = (co_event_evaluation){.step = epoch * EXAMPLE_STEPS,
                                             .epoch = epoch,
                                             .split = CO_EVENT_SPLIT_TEST,
                                             .samples = 10000,
                                             .loss = 0.25 / (double)epoch,
                                             .accuracy = 0.96875,
                                             .accuracy5 = (double)NAN,
                                             .duration = 0.5};
    return event;
}

static inline co_event example_end(co_outcome outcome)
{
    co_event event = {.kind = CO_EVENT_RUN_END, .seconds = 70.0};
    event.run_end = (co_event_run_end){.step = EXAMPLE_EPOCHS * EXAMPLE_STEPS,
                                       .outcome = outcome,
                                       .epochs = EXAMPLE_EPOCHS,
                                       .test_accuracy = 0.96875,
                                       .test_loss = 0.125,
                                       .images_per_second = 13600.0,
                                       .communication_ms = 1.5};
    return event;
}

static inline co_event example_note(co_level level, const char *text)
{
    co_event event = {.kind = CO_EVENT_NOTE, .seconds = 2.0};
    (void)co_event_set_note(&event.note, level, text);
    return event;
}

static inline co_status example_send(co_sink *sink, co_event event, co_error *err)
{
    return sink->ops->event(sink, &event, err);
}

/* Sends a whole run to the sink and flushes it. */
static inline co_status example_run(co_sink *sink, co_error *err)
{
    CO_TRY(example_send(sink, example_start(), err));
    for (uint32_t epoch = 1; epoch <= EXAMPLE_EPOCHS; epoch++) {
        for (uint32_t step = 1; step <= EXAMPLE_STEPS; step++) {
            CO_TRY(example_send(sink, example_step(epoch, step), err));
        }
        CO_TRY(example_send(sink, example_epoch_end(epoch), err));
        CO_TRY(example_send(sink, example_evaluation(epoch), err));
    }
    CO_TRY(example_send(sink, example_note(CO_LEVEL_WARNING, "one\nline"), err));
    CO_TRY(example_send(sink, example_note(CO_LEVEL_DEBUG, "for the curious"), err));
    CO_TRY(example_send(sink, example_end(CO_OUTCOME_FINISHED), err));
    return sink->ops->flush != NULL ? sink->ops->flush(sink, err) : CO_OK;
}

#endif
