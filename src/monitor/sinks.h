/* The sinks; each creates a co_sink for co_monitor_add. */
#ifndef CO_MONITOR_SINKS_H
#define CO_MONITOR_SINKS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "monitor/sink.h"

/* jsonl.c: metrics.jsonl, one JSON object per line: {"event":"step",...}, keys in a fixed order.
 *
 * Steps are written when step % log_interval == 0 (0: none); run start and end, evaluations and
 * epochs always. Ratios are 0..1. A number that was not measured is left out; a loss that is not
 * finite is null and "finite":false is added. What depends on the machine's speed has the keys
 * `seconds` (since the start of the run), `duration`, `img_per_s` and `wall`: without these, two
 * runs of the same command give the same bytes. `keep`: as for co_line_file_open. A resumed run
 * goes on where the file was cut, without another run start. */
CO_MUST_CHECK co_status co_jsonl_sink(const co_files *files, const char *path, uint64_t keep,
                                      uint64_t log_interval, co_sink **out, co_error *err);

/* csv.c: metrics.csv, one row per step that metrics.jsonl has, epoch and evaluation, with the
 * columns event, split, step, epoch, samples, loss, running_loss, accuracy, accuracy5,
 * gradient_norm, weight_norm, lr, img_per_s, duration, seconds. What was not measured is empty. The
 * columns never change: what else there is to know is in metrics.jsonl. */
CO_MUST_CHECK co_status co_csv_sink(const co_files *files, const char *path, uint64_t keep,
                                    uint64_t log_interval, co_sink **out, co_error *err);

/* textlog.c: log.txt, "2024-01-31 12:34:56,789 - INFO - message", appended to if it exists.
 * Steps are left out; times count from the run start's wall time (before it, from the
 * clock's when the sink was created). */
CO_MUST_CHECK co_status co_textlog_sink(const co_files *files, const char *path,
                                        const co_clock *clock, co_sink **out, co_error *err);

typedef enum co_verbosity {
    CO_QUIET,   /* warnings and errors only */
    CO_NORMAL,  /* a progress bar or plain lines, one per epoch and evaluation */
    CO_VERBOSE, /* debug notes too, and a plain line every log_interval steps */
} co_verbosity;

typedef struct co_console {
    FILE *file; /* borrowed; written by the monitor's thread only while the monitor runs */
    co_verbosity verbosity;
    bool terminal; /* progress bar redrawn in place, else plain lines */
    bool utf8;     /* block and braille characters, else ASCII */
    bool color;
    unsigned width;        /* columns; 0 = 80 */
    uint64_t log_interval; /* steps between plain lines when verbose; 0: none */
} co_console;

/* What the stream and the environment allow: isatty, its width, the locale's character set
 * (setlocale(LC_CTYPE, "") must have been called), NO_COLOR, TERM. */
co_console co_console_detect(FILE *file, co_verbosity verbosity);

/* console.c: the run as it goes, for people. */
CO_MUST_CHECK co_status co_console_sink(const co_console *console, co_sink **out, co_error *err);

/* curve.c: the curves of training loss and of accuracy, drawn when the run ends (if it had at
 * least two points to draw). */
CO_MUST_CHECK co_status co_curve_sink(const co_console *console, co_sink **out, co_error *err);

#endif
