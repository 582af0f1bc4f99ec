/* Time, as a small interface: what reads the time or sleeps is given a co_clock.
 *
 * Durations and deadlines use the monotonic time, so that setting the machine's clock changes
 * nothing; the wall time is for labels only. A simulated cluster passes its own virtual clock.
 * The system clock may be used by any thread.
 */
#ifndef CO_BASE_CLOCK_H
#define CO_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

typedef struct co_clock {
    uint64_t (*monotonic_ns)(void *context); /* from an arbitrary origin, never backwards */
    int64_t (*wall_ns)(void *context);       /* since 1970-01-01 UTC */
    void (*sleep_ns)(void *context, uint64_t duration_ns);
    void *context; /* handed to each function */
} co_clock;

extern const co_clock co_clock_system;

static inline uint64_t co_clock_ns(const co_clock *clock)
{
    return clock->monotonic_ns(clock->context);
}

/* Monotonic seconds; doubles keep the nanoseconds apart for the first hundred days. */
static inline double co_clock_seconds(const co_clock *clock)
{
    return (double)co_clock_ns(clock) / 1e9;
}

static inline int64_t co_clock_wall_ns(const co_clock *clock)
{
    return clock->wall_ns(clock->context);
}

/* Returns after at least `seconds` (at once when negative), also when signals arrive. */
void co_clock_sleep(const co_clock *clock, double seconds);

/* The wall time as local time in a strftime format; "?" when it does not fit. */
void co_clock_format(int64_t wall_ns, const char *format, char *out, size_t size);

#endif
