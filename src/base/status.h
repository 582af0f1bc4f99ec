/* Status codes and error texts.
 *
 * Every function that can fail returns a co_status. The function that finds the fault writes
 * the message (what was wrong, where, what to do) into the co_error it was given; callers only
 * pass the status on (CO_TRY). A co_error belongs to whoever declared it (the run context, or
 * one per helper thread) and is not shared between threads.
 */
#ifndef CO_BASE_STATUS_H
#define CO_BASE_STATUS_H

#include <stdarg.h>

#define CO_MUST_CHECK        __attribute__((warn_unused_result))
#define CO_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* X(name, exit code of the program, meaning) */
#define CO_STATUS_MAP(X)                                                                           \
    X(OK, 0, "success")                                                                            \
    X(FAILED, 1, "the run did not reach its goal")                                                 \
    X(USAGE, 2, "a flag, key, value or configuration file is wrong")                               \
    X(DATA, 3, "a data set is missing, damaged or does not fit")                                   \
    X(PEER, 4, "another rank was lost or does not answer")                                         \
    X(FILE, 5, "a checkpoint, model or run folder cannot be read or written")                      \
    X(MEMORY, 6, "not enough memory")                                                              \
    X(UNSUPPORTED, 7, "this build or machine cannot do that")                                      \
    X(INTERNAL, 70, "an error in cohort itself")                                                   \
    X(STOPPED, 75, "stopped by a signal or a limit, state saved")

typedef enum co_status {
#define CO_STATUS_ENUM(name, code, text) CO_##name = (code),
    CO_STATUS_MAP(CO_STATUS_ENUM)
#undef CO_STATUS_ENUM
} co_status;

#define CO_ERROR_SIZE 1024

typedef struct co_error {
    co_status status;
    char text[CO_ERROR_SIZE]; /* one message, no newline at the end */
} co_error;

/* Writes the message and returns `status`, so that `return co_fail(...)` reads well. */
co_status co_fail(co_error *err, co_status status, const char *format, ...) CO_PRINTF(3, 4);

/* Like co_fail, with ": " and the text of errno value `error_number` appended. */
co_status co_fail_errno(co_error *err, co_status status, int error_number, const char *format, ...)
    CO_PRINTF(4, 5);

#ifdef __clang_analyzer__
/* The analyzer reads one file at a time: this tells it that a failure is never CO_OK. */
#define co_fail(err, status, ...) ((void)co_fail(err, status, __VA_ARGS__), (status))
#define co_fail_errno(err, status, number, ...)                                                    \
    ((void)co_fail_errno(err, status, number, __VA_ARGS__), (status))
#endif

/* "USAGE", "DATA", ...; "?" for a value outside the enum. */
const char *co_status_name(co_status status);
/* The meaning column of CO_STATUS_MAP. */
const char *co_status_meaning(co_status status);

#define CO_TRY(expression)                                                                         \
    do {                                                                                           \
        co_status co_try_status = (expression);                                                    \
        if (co_try_status != CO_OK) {                                                              \
            return co_try_status;                                                                  \
        }                                                                                          \
    } while (0)

/* For functions with cleanup: sets `status` (a local co_status) and jumps to `label`. */
#define CO_TRY_GOTO(status, expression, label)                                                     \
    do {                                                                                           \
        (status) = (expression);                                                                   \
        if ((status) != CO_OK) {                                                                   \
            goto label;                                                                            \
        }                                                                                          \
    } while (0)

#endif
