#include "base/clock.h"

#include <errno.h>
#include <time.h>

enum { NS_PER_SECOND = 1000000000 };

static uint64_t system_monotonic_ns(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static int64_t system_wall_ns(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static void system_sleep_ns(void *context, uint64_t duration_ns)
{
    (void)context;
    struct timespec left = {
        .tv_sec = (time_t)(duration_ns / NS_PER_SECOND),
        .tv_nsec = (long)(duration_ns % NS_PER_SECOND),
    };
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
        /* `left` holds what remains */
    }
}

const co_clock co_clock_system = {
    .monotonic_ns = system_monotonic_ns,
    .wall_ns = system_wall_ns,
    .sleep_ns = system_sleep_ns,
    .context = NULL,
};

void co_clock_sleep(const co_clock *clock, double seconds)
{
    if (seconds > 0.0) {
        clock->sleep_ns(clock->context, (uint64_t)(seconds * (double)NS_PER_SECOND));
    }
}

void co_clock_format(int64_t wall_ns, const char *format, char *out, size_t size)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_SECOND);
    struct tm parts;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the format is the caller's literal */
    if (localtime_r(&seconds, &parts) == NULL || strftime(out, size, format, &parts) == 0) {
#pragma GCC diagnostic pop
        if (size >= 2) {
            out[0] = '?';
            out[1] = '\0';
        }
    }
}
