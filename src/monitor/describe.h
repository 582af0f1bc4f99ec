/* Events as lines of text for people: what the console and log.txt share (private to monitor/).
 *
 * A co_description remembers the run's totals and puts together notes that span several events.
 */
#ifndef CO_MONITOR_DESCRIBE_H
#define CO_MONITOR_DESCRIBE_H

#include <stdbool.h>

#include "base/text.h"
#include "event/event.h"

typedef struct co_description {
    co_event_run_start run; /* zeros before the run's start */
    char note[CO_ERROR_SIZE];
    size_t note_length;
} co_description;

/* Adds one line, without a newline and without control characters. false: there is nothing to
 * say yet (the first part of a longer note). */
bool co_describe(co_description *description, const co_event *event, co_text *text);

#endif
