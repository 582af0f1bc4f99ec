#include "event/event.h"

#include <string.h>

#include "base/text.h"

static const char *name_of(const char *const *names, size_t count, uint32_t value)
{
    return value < count && names[value] != NULL ? names[value] : "?";
}

const char *co_event_kind_name(uint32_t kind)
{
    static const char *const names[] = {
        [CO_EVENT_RUN_START] = "run_start",
        [CO_EVENT_STEP] = "step",
        [CO_EVENT_EVALUATION] = "evaluation",
        [CO_EVENT_EPOCH_END] = "epoch",
        [CO_EVENT_NOTE] = "note",
        [CO_EVENT_RUN_END] = "run_end",
        [CO_EVENT_HISTOGRAM] = "histogram",
        [CO_EVENT_IMAGE] = "image",
        [CO_EVENT_MARK] = "mark",
    };
    return name_of(names, sizeof(names) / sizeof(names[0]), kind);
}

const char *co_event_split_name(uint32_t split)
{
    static const char *const names[] = {"train", "val", "test"};
    return name_of(names, sizeof(names) / sizeof(names[0]), split);
}

const char *co_level_name(uint32_t level)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    return name_of(names, sizeof(names) / sizeof(names[0]), level);
}

const char *co_outcome_name(uint32_t outcome)
{
    static const char *const names[] = {"running", "finished", "preempted", "failed"};
    return name_of(names, sizeof(names) / sizeof(names[0]), outcome);
}

/* Length of the longest piece of whole characters that leaves room for a zero byte. */
static size_t piece_length(const char *text, size_t size)
{
    size_t length = 0;
    size_t left = strlen(text);
    while (left > 0) {
        size_t next = co_utf8_next(text + length, left);
        next = next == 0 ? 1 : next;
        if (length + next >= size) {
            break;
        }
        length += next;
        left -= next;
    }
    return length;
}

void co_event_set_name(char field[CO_EVENT_NAME_SIZE], const char *name)
{
    size_t length = piece_length(name, CO_EVENT_NAME_SIZE);
    memset(field, 0, CO_EVENT_NAME_SIZE);
    memcpy(field, name, length);
}

const char *co_event_set_note(co_event_note *note, co_level level, const char *text)
{
    size_t length = piece_length(text, CO_EVENT_TEXT_SIZE);
    *note = (co_event_note){.level = level, .more = text[length] != '\0'};
    memcpy(note->text, text, length);
    return text + length;
}
