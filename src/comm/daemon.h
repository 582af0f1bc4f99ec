/* The command by which mpirun would start its daemon (orted) on another host through ssh: taken
 * apart, so that a node can check and run it without a shell.
 *
 * mpirun gives ssh one line for the shell over there: perhaps assignments (`PATH=/opt/bin:$PATH ;
 * export PATH ;`), then the daemon with its arguments, quoted. Anything else is refused.
 */
#ifndef CO_COMM_DAEMON_H
#define CO_COMM_DAEMON_H

#include <stdbool.h>

#include "base/status.h"

enum { CO_DAEMON_TEXT = 1 << 15, CO_DAEMON_WORDS = 500 };

/* Assignments come first: "NAME=value" sets, "NAME+=value" puts in front of what is there. */
typedef struct co_daemon {
    int count;
    const char *words[CO_DAEMON_WORDS + 1]; /* NULL after the last; they lie in text */
    char text[CO_DAEMON_TEXT];
} co_daemon;

/* *out: the words after the host that mpirun starts its agent with. */
CO_MUST_CHECK co_status co_daemon_read(int count, char *const words[], co_daemon *out,
                                       co_error *err);

/* *first: where the daemon's own name is among the words. CO_USAGE unless it is an orted, and
 * nothing but paths for programs and libraries is set. */
CO_MUST_CHECK co_status co_daemon_check(int count, const char *const words[], int *first,
                                        co_error *err);

/* Makes one of its assignments, in this process. */
CO_MUST_CHECK co_status co_daemon_assign(const char *word, co_error *err);

#endif
