#include "monitor/monitor.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"

enum {
    SINKS_MAX = CO_MARK_FILES_MAX,
    NAP_NS = 20000000,
    MARKS = 8,        /* that are remembered */
    WRITE_EVERY = 64, /* events, at most, between two writes of a spool that fills */
};

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
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    pthread_cond_t reached;
    bool stopping;
    bool ended; /* no mark will be reached any more */
    struct {
        uint64_t id;
        co_mark_files files;
    } marks[MARKS];      /* number n is at n % MARKS */
    unsigned mark_count; /* reached so far */
};

static void deliver(co_monitor *monitor, const co_event *event);

/* A note straight to the sinks, without the ring: we are its consumer. */
static void CO_PRINTF(3, 4) say(co_monitor *monitor, co_level level, const char *format, ...)
{
    char text[CO_ERROR_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    co_event event = {.kind = CO_EVENT_NOTE, .seconds = co_announce_seconds(&monitor->announcer)};
    const char *next = text;
    do {
        next = co_event_set_note(&event.note, level, next);
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
    say(monitor, CO_LEVEL_WARNING, "%s is switched off for the rest of the run: %s", name,
        err->text);
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

/* The end of the run: what a file does not take now is lost. */
static void flush_spool(co_monitor *monitor, co_sink *sink)
{
    co_error err;
    co_status status = sink->ops->flush(sink, &err);
    uint64_t lost = co_spool_lost(sink->spool);
    const char *name = co_spool_name(sink->spool);
    if (status != CO_OK) {
        say(monitor, CO_LEVEL_WARNING, "%s is not complete: %s", name, err.text);
    } else if (lost > 0) {
        say(monitor, CO_LEVEL_WARNING, "%s is not complete: %llu records were lost", name,
            (unsigned long long)lost);
    }
    if (status != CO_OK || lost > 0) {
        atomic_fetch_add_explicit(&monitor->failed, 1, memory_order_relaxed);
    }
}

static void flush_sinks(co_monitor *monitor)
{
    for (unsigned i = 0; i < monitor->sink_count; i++) {
        co_sink *sink = monitor->sinks[i];
        co_error err;
        if (sink == NULL || sink->ops->flush == NULL) {
            continue;
        }
        if (sink->spool != NULL) {
            flush_spool(monitor, sink);
        } else if (sink->ops->flush(sink, &err) != CO_OK) {
            drop_sink(monitor, i, &err);
        }
    }
}

static void write_spool(co_monitor *monitor, co_sink *sink)
{
    co_error err;
    switch (co_sink_write(sink, co_announce_seconds(&monitor->announcer), &err)) {
    case CO_SINK_SAME:
        break;
    case CO_SINK_REFUSED:
        say(monitor, CO_LEVEL_WARNING, "%s; the run goes on, and this is tried again every second",
            err.text);
        break;
    case CO_SINK_ACCEPTED:
        say(monitor, CO_LEVEL_NOTE, "%s is written again; %llu records were lost",
            co_spool_name(sink->spool), (unsigned long long)co_spool_lost(sink->spool));
        break;
    }
}

static void write_spools(co_monitor *monitor, bool all)
{
    for (unsigned i = 0; i < monitor->sink_count; i++) {
        co_sink *sink = monitor->sinks[i];
        if (sink != NULL && sink->spool != NULL && (all || co_spool_is_filling(sink->spool))) {
            write_spool(monitor, sink);
        }
    }
}

/* --- marks ------------------------------------------------------------------------------- */

/* What a checkpoint will say of a file must be on the disk before the checkpoint is. What a disk
 * refuses now, and when asked again, a resumed run will not have. */
static void note_length(co_monitor *monitor, co_sink *sink, co_mark_files *files)
{
    co_error err;
    for (int tries = 0; tries == 0 || (tries < 2 && sink->refused); tries++) {
        sink->retry_at = 0.0;
        write_spool(monitor, sink);
    }
    if (!sink->refused && co_spool_sync(sink->spool, &err) != CO_OK) {
        say(monitor, CO_LEVEL_WARNING, "%s", err.text);
    }
    co_mark_file *file = &files->files[files->count++];
    file->bytes = co_spool_offset(sink->spool);
    co_event_set_name(file->name, co_spool_name(sink->spool));
}

static void reach_mark(co_monitor *monitor, uint64_t id)
{
    co_mark_files files = {0};
    for (unsigned i = 0; i < monitor->sink_count; i++) {
        co_sink *sink = monitor->sinks[i];
        if (sink != NULL && sink->spool != NULL && sink->cut_back) {
            note_length(monitor, sink, &files);
        }
    }
    pthread_mutex_lock(&monitor->mutex);
    unsigned slot = monitor->mark_count % MARKS;
    monitor->marks[slot].id = id;
    monitor->marks[slot].files = files;
    monitor->mark_count++;
    pthread_cond_broadcast(&monitor->reached);
    pthread_mutex_unlock(&monitor->mutex);
}

/* With the mutex held. */
static const co_mark_files *find_mark(const co_monitor *monitor, uint64_t id)
{
    unsigned count = monitor->mark_count < MARKS ? monitor->mark_count : MARKS;
    for (unsigned i = 0; i < count; i++) {
        if (monitor->marks[i].id == id) {
            return &monitor->marks[i].files;
        }
    }
    return NULL;
}

static struct timespec from_now(double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    double whole = floor(seconds);
    until.tv_sec += (time_t)whole;
    until.tv_nsec += (long)((seconds - whole) * 1e9);
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return until;
}

static co_status collect(void *context, uint64_t id, double seconds, co_mark_files *out,
                         co_error *err)
{
    co_monitor *monitor = context;
    struct timespec until = from_now(seconds);
    int waited = 0;
    pthread_mutex_lock(&monitor->mutex);
    const co_mark_files *files = NULL;
    while ((files = find_mark(monitor, id)) == NULL && !monitor->ended && waited == 0) {
        waited = pthread_cond_timedwait(&monitor->reached, &monitor->mutex, &until);
    }
    if (files != NULL) {
        *out = *files;
    }
    pthread_mutex_unlock(&monitor->mutex);
    if (files == NULL) {
        return co_fail(err, CO_FILE, "the metrics are not on the disk after %g seconds", seconds);
    }
    return CO_OK;
}

/* --- the spool thread -------------------------------------------------------------------- */

static void release_blob(co_monitor *monitor, const co_event *event)
{
    if (event->kind == CO_EVENT_HISTOGRAM) {
        co_blobs_release(monitor->announcer.blobs, event->histogram.blob);
    } else if (event->kind == CO_EVENT_IMAGE) {
        co_blobs_release(monitor->announcer.blobs, event->image.blob);
    }
}

static void drain(void *context)
{
    co_monitor *monitor = context;
    co_event event;
    for (unsigned events = 1; co_ring_pop(monitor->ring, &event); events++) {
        if (event.kind == CO_EVENT_MARK) {
            reach_mark(monitor, event.mark.id);
            continue;
        }
        deliver(monitor, &event);
        release_blob(monitor, &event);
        if (events % WRITE_EVERY == 0) {
            write_spools(monitor, false);
        }
    }
    write_spools(monitor, true);
}

static bool nap(co_monitor *monitor)
{
    struct timespec until = from_now(NAP_NS * 1e-9);
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
        .collect = collect,
        .context = monitor,
        .track = options->track,
    };
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&monitor->wake, &attributes);
    pthread_cond_init(&monitor->reached, &attributes);
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
    pthread_cond_destroy(&monitor->reached);
    pthread_cond_destroy(&monitor->wake);
    pthread_mutex_destroy(&monitor->mutex);
    co_ring_destroy(monitor->ring);
    co_blobs_destroy(monitor->announcer.blobs);
    co_free(monitor);
}

co_status co_monitor_add_blobs(co_monitor *monitor, uint32_t count, size_t bytes,
                               const co_blobs **out, co_error *err)
{
    CO_TRY(co_blobs_create(count, bytes, &monitor->announcer.blobs, err));
    *out = monitor->announcer.blobs;
    return CO_OK;
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
        say(monitor, CO_LEVEL_WARNING, "%llu events were dropped: the sinks could not keep up",
            (unsigned long long)dropped);
    }
    if (monitor->announcer.blobs != NULL && co_blobs_missed(monitor->announcer.blobs) > 0) {
        say(monitor, CO_LEVEL_WARNING, "%llu histograms or pictures were left out",
            (unsigned long long)co_blobs_missed(monitor->announcer.blobs));
    }
    flush_sinks(monitor);
    pthread_mutex_lock(&monitor->mutex);
    monitor->ended = true;
    pthread_cond_broadcast(&monitor->reached);
    pthread_mutex_unlock(&monitor->mutex);
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
