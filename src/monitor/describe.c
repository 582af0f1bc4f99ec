#include "monitor/describe.h"

#include <math.h>
#include <string.h>

static void add_epoch(const co_description *description, uint32_t epoch, co_text *text)
{
    co_text_printf(text, "epoch %u", epoch);
    if (description->run.epochs > 0) {
        co_text_printf(text, "/%u", description->run.epochs);
    }
}

static void add_accuracy(const char *label, double accuracy, co_text *text)
{
    if (isfinite(accuracy)) {
        co_text_printf(text, "%s%.2f %%", label, 100.0 * accuracy);
    }
}

static void add_rate(double images_per_second, co_text *text)
{
    if (isfinite(images_per_second) && images_per_second > 0.0) {
        co_text_put(text, ", ");
        co_text_count(text, images_per_second);
        co_text_put(text, " img/s");
    }
}

static void add_communication(double milliseconds, const char *unit, co_text *text)
{
    if (isfinite(milliseconds)) {
        co_text_printf(text, ", communication %.3g %s", milliseconds, unit);
    }
}

/* "61,706" */
static void add_thousands(uint64_t value, co_text *text)
{
    if (value >= 1000) {
        add_thousands(value / 1000, text);
        co_text_printf(text, ",%03u", (unsigned)(value % 1000));
    } else {
        co_text_printf(text, "%u", (unsigned)value);
    }
}

static void describe_run_start(const co_event_run_start *run, co_text *text)
{
    co_text_printf(text, "training %s (", run->model);
    add_thousands(run->parameters, text);
    co_text_printf(text, " parameters) on %s: %u %s of %llu steps, batch size %u, %u %s",
                   run->dataset, run->epochs, run->epochs == 1 ? "epoch" : "epochs",
                   (unsigned long long)run->steps_per_epoch, run->batch_size, run->threads,
                   run->threads == 1 ? "thread" : "threads");
    if (run->first_step > 0) {
        co_text_printf(text, ", from step %llu", (unsigned long long)run->first_step);
    }
}

static void add_loss(const char *before, double loss, double accuracy, co_text *text)
{
    if (co_event_is_scored(loss, accuracy)) {
        co_text_printf(text, "%s%.4f", before, loss);
    }
}

static void describe_step(const co_description *description, const co_event_step *step,
                          co_text *text)
{
    add_epoch(description, step->epoch, text);
    co_text_printf(text, ": step %llu", (unsigned long long)step->step);
    if (description->run.steps_total > 0) {
        co_text_printf(text, "/%llu", (unsigned long long)description->run.steps_total);
    }
    if (co_event_step_is_scored(step)) {
        co_text_printf(text, ", loss %.4f", step->running_loss);
    }
    co_text_printf(text, ", lr %.6g", step->learning_rate);
    add_rate(step->images_per_second, text);
    add_communication(step->communication_ms, "ms", text);
}

static void describe_evaluation(const co_description *description,
                                const co_event_evaluation *evaluation, co_text *text)
{
    add_epoch(description, evaluation->epoch, text);
    co_text_printf(text, ": %-5s", co_event_split_name(evaluation->split));
    add_loss(" loss ", evaluation->loss, evaluation->accuracy, text);
    add_accuracy(", accuracy ", evaluation->accuracy, text);
    add_accuracy(", top-5 ", evaluation->accuracy5, text);
}

static void describe_epoch_end(const co_description *description, const co_event_epoch_end *epoch,
                               co_text *text)
{
    add_epoch(description, epoch->epoch, text);
    co_text_put(text, ": train");
    add_loss(" loss ", epoch->loss, epoch->accuracy, text);
    add_accuracy(", accuracy ", epoch->accuracy, text);
    add_rate(epoch->images_per_second, text);
    co_text_put(text, ", ");
    co_text_duration(text, epoch->duration);
}

static void describe_run_end(const co_event *event, co_text *text)
{
    const co_event_run_end *end = &event->run_end;
    co_text_printf(text, "%s after %u %s, %llu steps, ", co_outcome_name(end->outcome), end->epochs,
                   end->epochs == 1 ? "epoch" : "epochs", (unsigned long long)end->step);
    co_text_duration(text, event->seconds);
    add_rate(end->images_per_second, text);
    add_communication(end->communication_ms, "ms per step", text);
    add_accuracy(": test accuracy ", end->test_accuracy, text);
}

/* true when the note is complete and was added. */
static bool describe_note(co_description *description, const co_event_note *note, co_text *text)
{
    size_t room = sizeof(description->note) - 1 - description->note_length;
    size_t length = strnlen(note->text, sizeof(note->text));
    length = length < room ? length : room;
    memcpy(description->note + description->note_length, note->text, length);
    description->note_length += length;
    if (note->more) {
        return false;
    }
    description->note[description->note_length] = '\0';
    description->note_length = 0;
    /* File names may hold anything: control characters must not reach a terminal or break lines. */
    for (char *c = description->note; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = ' ';
        }
    }
    co_text_put(text, description->note);
    return true;
}

bool co_describe(co_description *description, const co_event *event, co_text *text)
{
    switch ((co_event_kind)event->kind) {
    case CO_EVENT_RUN_START:
        description->run = event->run_start;
        describe_run_start(&event->run_start, text);
        return true;
    case CO_EVENT_STEP:
        describe_step(description, &event->step, text);
        return true;
    case CO_EVENT_EVALUATION:
        describe_evaluation(description, &event->evaluation, text);
        return true;
    case CO_EVENT_EPOCH_END:
        describe_epoch_end(description, &event->epoch_end, text);
        return true;
    case CO_EVENT_NOTE:
        return describe_note(description, &event->note, text);
    case CO_EVENT_RUN_END:
        describe_run_end(event, text);
        return true;
    case CO_EVENT_HISTOGRAM:
    case CO_EVENT_IMAGE:
    case CO_EVENT_MARK:
        return false;
    }
    return false;
}
