#include "monitor/monitor.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"

enum { SINKS_MAX = 16, NAP_NS = 20000000 };

struct co_monitor {
    co_ring *ring;
    co_announcer announcer;
    co_sink *sinks[SINKS_MAX]; /* NULL: failed and closed */
    unsigned sink_count;
    _Atomic unsigned failed;
    bool inline_drain;
    bool started;
    bool stopped;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards `stopping` */
    pthread_cond_t wake;
    bool stopping;
};

static void deliver(co_monitor *monitor, const co_event *event);

/* A warning straight to the sinks, without the ring: we are its consumer. */
static void CO_PRINTF(2, 3) warn(co_monitor *monitor, const char *format, ...)
{
    char text[CO_ERROR_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    co_event event = {.kind = CO_EVENT_NOTE, .seconds = co_announce_seconds(&monitor->announcer)};
    const char *next = text;
    do {
        next = co_event_set_note(&event.note, CO_LEVEL_WARNING, next);
        deliver(monitor, &event);
    } while (*next != '\0');
}

static void drop_sink(co_monitor *monitor, unsigned index, const co_error *err)
{
    co_sink *sink = monitor->sinks[index];
    const char *name = sink->ops->name;
    monitor->sinks[index] = NULL; /* first, so that the warning does not come back to it */
    sink->ops->close(sink);
    atomic_fetch_add_explicit(&monitor->failed, 1, memory_order_relaxed);
    warn(monitor, "%s is switched off for the rest of the run: %s", name, err->text);
}

static void deliver(co_monitor *monitor, const co_event *event)
{
    for (unsigned i = 0; i < monitor->sink_count; i++) {
        co_sink *sink = monitor->sinks[i];
        co_error err;
        if (sink != NULL && sink->ops->event(sink, event, &err) != CO_OK) {
            drop_sink(monitor, i, &err);
        }
    }
}

static void flush_sinks(co_monitor *monitor)
{
    for (unsigned i = 0; i < monitor->sink_count; i++) {
        co_sink *sink = monitor->sinks[i];
        co_error err;
        if (sink != NULL && sink->ops->flush != NULL && sink->ops->flush(sink, &err) != CO_OK) {
            drop_sink(monitor, i, &err);
        }
    }
}

static void drain(void *context)
{
    co_monitor *monitor = context;
    co_event event;
    while (co_ring_pop(monitor->ring, &event)) {
        deliver(monitor, &event);
    }
}

static bool nap(co_monitor *monitor)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += NAP_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&monitor->mutex);
    if (!monitor->stopping) {
        (void)pthread_cond_timedwait(&monitor->wake, &monitor->mutex, &until);
    }
    bool stopping = monitor->stopping;
    pthread_mutex_unlock(&monitor->mutex);
    return stopping;
}

/* Polls: the producer must not make a system call, so it cannot wake us. */
static void *spool_main(void *context)
{
    co_monitor *monitor = context;
    bool stopping = false;
    while (!stopping) {
        stopping = nap(monitor);
        drain(monitor);
    }
    return NULL;
}

co_status co_monitor_create(const co_monitor_options *options, co_monitor **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_monitor), "monitor", &block, err));
    co_monitor *monitor = block;
    size_t events = options->events != 0 ? options->events : CO_MONITOR_EVENTS;
    co_status status = co_ring_create(events, &monitor->ring, err);
    if (status != CO_OK) {
        co_free(monitor);
        return status;
    }
    monitor->inline_drain = options->inline_drain;
    monitor->announcer = (co_announcer){
        .ring = monitor->ring,
        .clock = options->clock,
        .start_ns = options->start_ns != 0 ? options->start_ns : co_clock_ns(options->clock),
        .rank = options->rank,
        .drain = NULL,
        .context = monitor,
    };
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&monitor->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&monitor->mutex, NULL);
    *out = monitor;
    return CO_OK;
}

void co_monitor_destroy(co_monitor *monitor)
{
    if (monitor == NULL) {
        return;
    }
    co_monitor_stop(monitor);
    for (unsigned i = 0; i < monitor->sink_count; i++) {
        if (monitor->sinks[i] != NULL) {
            monitor->sinks[i]->ops->close(monitor->sinks[i]);
        }
    }
    pthread_cond_destroy(&monitor->wake);
    pthread_mutex_destroy(&monitor->mutex);
    co_ring_destroy(monitor->ring);
    co_free(monitor);
}

co_status co_monitor_add(co_monitor *monitor, co_sink *sink, co_error *err)
{
    if (monitor->started || monitor->sink_count == SINKS_MAX) {
        co_status status = co_fail(err, CO_INTERNAL, "monitor: no room for the sink %s",
                                   sink->ops->name);
        sink->ops->close(sink);
        return status;
    }
    monitor->sinks[monitor->sink_count] = sink;
    monitor->sink_count++;
    return CO_OK;
}

co_status co_monitor_start(co_monitor *monitor, co_error *err)
{
    if (monitor->inline_drain) {
        monitor->announcer.drain = drain;
        monitor->started = true;
        return CO_OK;
    }
    /* Signals are for the main thread: Ctrl-C must interrupt it, not us. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&monitor->thread, NULL, spool_main, monitor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        return co_fail_errno(err, CO_MEMORY, error, "cannot start the monitor's thread");
    }
    monitor->started = true;
    return CO_OK;
}

void co_monitor_stop(co_monitor *monitor)
{
    if (monitor->stopped || !monitor->started) {
        return;
    }
    monitor->stopped = true;
    if (!monitor->inline_drain) {
        pthread_mutex_lock(&monitor->mutex);
        monitor->stopping = true;
        pthread_cond_signal(&monitor->wake);
        pthread_mutex_unlock(&monitor->mutex);
        pthread_join(monitor->thread, NULL);
    }
    drain(monitor);
    uint64_t dropped = co_ring_dropped(monitor->ring);
    if (dropped > 0) {
        warn(monitor, "%llu events were dropped: the sinks could not keep up",
             (unsigned long long)dropped);
    }
    flush_sinks(monitor);
}

const co_announcer *co_monitor_announcer(const co_monitor *monitor)
{
    return &monitor->announcer;
}

uint64_t co_monitor_dropped(const co_monitor *monitor)
{
    return co_ring_dropped(monitor->ring);
}

unsigned co_monitor_failed_sinks(const co_monitor *monitor)
{
    return atomic_load_explicit(&monitor->failed, memory_order_relaxed);
}
