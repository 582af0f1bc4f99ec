#include "event/timeline.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

enum { TRACKS_MAX = 80, LINE_SIZE = 1024 };

struct co_track {
    co_timeline *timeline;
    char *name;
    co_timed *spans;
    size_t room;
    atomic_size_t count; /* written by the track's thread */
    _Atomic uint64_t dropped;
};

struct co_timeline {
    const co_clock *clock; /* borrowed */
    uint64_t start_ns;
    atomic_bool stopped;
    co_track *tracks[TRACKS_MAX];
    int track_count;
};

co_status co_timeline_create(const co_clock *clock, uint64_t start_ns, co_timeline **out,
                             co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_timeline), "timeline", &block, err));
    co_timeline *timeline = block;
    timeline->clock = clock;
    timeline->start_ns = start_ns;
    *out = timeline;
    return CO_OK;
}

static void free_track(co_track *track)
{
    co_free(track->name);
    co_free(track->spans);
    co_free(track);
}

void co_timeline_destroy(co_timeline *timeline)
{
    if (timeline == NULL) {
        return;
    }
    for (int i = 0; i < timeline->track_count; i++) {
        free_track(timeline->tracks[i]);
    }
    co_free(timeline);
}

co_status co_timeline_add_track(co_timeline *timeline, const char *name, size_t spans,
                                co_track **out, co_error *err)
{
    void *block = NULL;
    if (timeline->track_count == TRACKS_MAX) {
        return co_fail(err, CO_INTERNAL, "the timeline has no room for the track %s", name);
    }
    CO_TRY(co_alloc(1, sizeof(co_track), "track", &block, err));
    co_track *track = block;
    track->timeline = timeline;
    track->room = spans;
    co_status status = co_strdup(name, &track->name, err);
    if (status == CO_OK) {
        status = co_alloc(spans, sizeof(co_timed), "timeline", &block, err);
    }
    if (status != CO_OK) {
        free_track(track);
        return status;
    }
    track->spans = block;
    timeline->tracks[timeline->track_count++] = track;
    *out = track;
    return CO_OK;
}

void co_timeline_stop(co_timeline *timeline)
{
    atomic_store_explicit(&timeline->stopped, true, memory_order_relaxed);
}

co_timeline *co_track_timeline(const co_track *track)
{
    return track != NULL ? track->timeline : NULL;
}

const co_clock *co_track_clock(const co_track *track)
{
    return track->timeline->clock;
}

static bool is_on(const co_track *track)
{
    return track != NULL && !atomic_load_explicit(&track->timeline->stopped, memory_order_relaxed);
}

uint64_t co_track_now(const co_track *track)
{
    return is_on(track) ? co_clock_ns(track->timeline->clock) : 0;
}

void co_track_add(co_track *track, const co_timed *timed)
{
    if (!is_on(track)) {
        return;
    }
    size_t count = atomic_load_explicit(&track->count, memory_order_relaxed);
    if (count == track->room) {
        atomic_fetch_add_explicit(&track->dropped, 1, memory_order_relaxed);
        return;
    }
    track->spans[count] = *timed;
    /* release: whoever saves sees the whole span */
    atomic_store_explicit(&track->count, count + 1, memory_order_release);
}

void co_track_end_value(co_track *track, uint64_t start_ns, const char *category, const char *name,
                        const char *value_name, uint64_t value)
{
    if (start_ns == 0 || !is_on(track)) {
        return;
    }
    const co_timed timed = {.start_ns = start_ns,
                            .end_ns = co_clock_ns(track->timeline->clock),
                            .category = category,
                            .name = name,
                            .value_name = value_name,
                            .value = value};
    co_track_add(track, &timed);
}

void co_track_end(co_track *track, uint64_t start_ns, const char *category, const char *name)
{
    co_track_end_value(track, start_ns, category, name, NULL, 0);
}

uint64_t co_timeline_dropped(const co_timeline *timeline)
{
    uint64_t dropped = 0;
    for (int i = 0; i < timeline->track_count; i++) {
        dropped += atomic_load_explicit(&timeline->tracks[i]->dropped, memory_order_relaxed);
    }
    return dropped;
}

/* --- the file ------------------------------------------------------------------------------ */

typedef struct lane {
    const co_timeline *timeline;
    int process; /* from 1 */
    const co_timeline_out *out;
    char *piece; /* (CO_TIMELINE_PIECE) */
    size_t used;
} lane;

static co_status put_piece(lane *l, co_error *err)
{
    const size_t used = l->used;
    l->used = 0;
    return used > 0 ? l->out->put(l->out->context, l->piece, used, err) : CO_OK;
}

static co_status put_line(lane *l, const co_text *line, co_error *err)
{
    if (!co_text_complete(line)) {
        return co_fail(err, CO_INTERNAL, "timeline: a span of %zu characters", line->length);
    }
    if (l->used + line->length > CO_TIMELINE_PIECE) {
        CO_TRY(put_piece(l, err));
    }
    memcpy(l->piece + l->used, line->data, line->length);
    l->used += line->length;
    return CO_OK;
}

/* Times are in microseconds; the nanoseconds stay, so that spans nest as they did. */
static void add_time(co_text *line, const char *key, uint64_t ns)
{
    co_text_printf(line, ",\"%s\":%llu.%03u", key, (unsigned long long)(ns / 1000),
                   (unsigned)(ns % 1000));
}

static void add_text_arg(co_text *line, const char **before, const char *key, const char *text)
{
    if (text != NULL) {
        co_text_printf(line, "%s\"%s\":", *before, key);
        co_text_json_string(line, text);
        *before = ",";
    }
}

static void add_args(co_text *line, const co_timed *timed)
{
    const char *before = ",\"args\":{";
    add_text_arg(line, &before, "work", timed->work);
    add_text_arg(line, &before, "kernel", timed->kernel);
    if (timed->value_name != NULL) {
        co_text_printf(line, "%s\"%s\":%llu", before, timed->value_name,
                       (unsigned long long)timed->value);
        before = ",";
    }
    co_text_put(line, before[1] == '\0' ? "}" : "");
}

static co_status put_span(lane *l, int track, const co_timed *timed, co_error *err)
{
    char buffer[LINE_SIZE];
    co_text line = co_text_over(buffer, sizeof(buffer));
    const uint64_t begin = l->timeline->start_ns;
    uint64_t start = timed->start_ns > begin ? timed->start_ns - begin : 0;
    co_text_printf(&line, ",\n{\"ph\":\"X\",\"pid\":%d,\"tid\":%d", l->process, track + 1);
    add_time(&line, "ts", start);
    add_time(&line, "dur", timed->end_ns - timed->start_ns);
    co_text_put(&line, ",\"cat\":");
    co_text_json_string(&line, timed->category);
    co_text_put(&line, ",\"name\":");
    co_text_json_string(&line, timed->name);
    add_args(&line, timed);
    co_text_put(&line, "}");
    return put_line(l, &line, err);
}

/* what: "process_name" or "thread_name" */
static co_status put_name(lane *l, int track, const char *what, const char *name, co_error *err)
{
    char buffer[LINE_SIZE];
    co_text line = co_text_over(buffer, sizeof(buffer));
    co_text_printf(&line,
                   "%s\n{\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"name\":\"%s\",\"args\":{\"name\":",
                   l->process == 1 && what[0] == 'p' ? "" : ",", l->process, track + 1, what);
    co_text_json_string(&line, name);
    co_text_put(&line, "}}");
    return put_line(l, &line, err);
}

static co_status put_tracks(lane *l, const char *name, co_error *err)
{
    CO_TRY(put_name(l, 0, "process_name", name, err));
    for (int t = 0; t < l->timeline->track_count; t++) {
        const co_track *track = l->timeline->tracks[t];
        CO_TRY(put_name(l, t, "thread_name", track->name, err));
        size_t count = atomic_load_explicit(&track->count, memory_order_acquire);
        for (size_t i = 0; i < count; i++) {
            CO_TRY(put_span(l, t, &track->spans[i], err));
        }
    }
    return put_piece(l, err);
}

co_status co_timeline_put_lane(const co_timeline *timeline, int number, const char *name,
                               const co_timeline_out *out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(CO_TIMELINE_PIECE, 1, "timeline", &block, err));
    lane l = {.timeline = timeline, .process = number + 1, .out = out, .piece = block};
    co_status status = put_tracks(&l, name, err);
    co_free(block);
    return status;
}

co_status co_timeline_put_head(const co_timeline_out *out, uint64_t dropped, co_error *err)
{
    char buffer[LINE_SIZE];
    co_text head = co_text_over(buffer, sizeof(buffer));
    co_text_printf(&head,
                   "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"dropped_spans\":%llu},"
                   "\"traceEvents\":[",
                   (unsigned long long)dropped);
    return out->put(out->context, head.data, head.length, err);
}

co_status co_timeline_put_tail(const co_timeline_out *out, co_error *err)
{
    static const char tail[] = "\n]}\n";
    return out->put(out->context, tail, sizeof(tail) - 1, err);
}

static co_status put_to_file(void *context, const char *data, size_t bytes, co_error *err)
{
    return co_file_writer_add(context, data, bytes, err);
}

static co_status put_all(const co_timeline *timeline, co_file_writer *writer, co_error *err)
{
    const co_timeline_out out = {put_to_file, writer};
    CO_TRY(co_timeline_put_head(&out, co_timeline_dropped(timeline), err));
    CO_TRY(co_timeline_put_lane(timeline, 0, "cohort", &out, err));
    return co_timeline_put_tail(&out, err);
}

co_status co_timeline_save(const co_timeline *timeline, const co_files *files, const char *path,
                           co_error *err)
{
    co_file_writer *writer = NULL;
    CO_TRY(co_file_writer_open(files, path, &writer, err));
    co_status status = put_all(timeline, writer, err);
    if (status != CO_OK) {
        co_file_writer_abandon(writer);
        return status;
    }
    return co_file_writer_commit(writer, err);
}
