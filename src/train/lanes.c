#include "train/lanes.h"

#include <stdio.h>

#include "base/alloc.h"

enum { TAG_CLOCK = 100, TAG_LANE = 101 };

size_t co_lanes_room(const co_comm *comm)
{
    enum { MOST = 1 << 17, LEAST = 1 << 11, OF_ALL = 1 << 21 };
    const size_t room = OF_ALL / (size_t)comm->size;
    return room > MOST ? MOST : room < LEAST ? LEAST : room;
}

/* ---- clocks ---- */

enum { ROUNDS = 10 };

/* How much later than ours the clock of another worker is at the same moment. */
static co_status compare_clocks(co_comm *comm, int other, int64_t *out, co_error *err)
{
    uint64_t shortest = UINT64_MAX;
    int64_t offset = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t theirs = 0;
        const uint64_t sent = co_clock_ns(&comm->clock);
        CO_TRY(co_comm_send(comm, &sent, sizeof(sent), other, TAG_CLOCK, err));
        CO_TRY(co_comm_receive(comm, &theirs, sizeof(theirs), other, TAG_CLOCK, err));
        const uint64_t there_and_back = co_clock_ns(&comm->clock) - sent;
        if (there_and_back < shortest) {
            shortest = there_and_back;
            offset = (int64_t)(theirs - (sent + there_and_back / 2));
        }
    }
    const int64_t doubt = (int64_t)(shortest / 2);
    *out = offset >= -doubt && offset <= doubt ? 0 : offset;
    return CO_OK;
}

static co_status answer(co_comm *comm, co_error *err)
{
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t asked = 0;
        CO_TRY(co_comm_receive(comm, &asked, sizeof(asked), 0, TAG_CLOCK, err));
        const uint64_t now = co_clock_ns(&comm->clock);
        CO_TRY(co_comm_send(comm, &now, sizeof(now), 0, TAG_CLOCK, err));
    }
    return CO_OK;
}

co_status co_lanes_align(co_comm *comm, uint64_t *start_ns, co_error *err)
{
    if (comm->simulated) {
        return CO_OK; /* all have the clock of the simulation */
    }
    co_comm_at(comm, 0, "comparing clocks");
    if (comm->rank > 0) {
        CO_TRY(answer(comm, err));
        return co_comm_receive(comm, start_ns, sizeof(*start_ns), 0, TAG_CLOCK, err);
    }
    for (int other = 1; other < comm->size; other++) {
        int64_t offset = 0;
        CO_TRY(compare_clocks(comm, other, &offset, err));
        const uint64_t there = *start_ns + (uint64_t)offset;
        CO_TRY(co_comm_send(comm, &there, sizeof(there), other, TAG_CLOCK, err));
    }
    return CO_OK;
}

/* ---- the file ---- */

typedef struct writer {
    co_file_writer *file;
    co_status status; /* the first fault: what still comes is received and forgotten */
    co_error error;
} writer;

static co_status put_to_file(void *context, const char *data, size_t bytes, co_error *err)
{
    writer *w = context;
    (void)err;
    if (w->status == CO_OK) {
        w->status = co_file_writer_add(w->file, data, bytes, &w->error);
    }
    return CO_OK;
}

static co_status put_to_first(void *context, const char *data, size_t bytes, co_error *err)
{
    co_comm *comm = context;
    const uint64_t length = bytes;
    CO_TRY(co_comm_send(comm, &length, sizeof(length), 0, TAG_LANE, err));
    return co_comm_send(comm, data, bytes, 0, TAG_LANE, err);
}

static co_status send_lane(co_comm *comm, const co_timeline *timeline, const char *name,
                           co_error *err)
{
    const co_timeline_out out = {put_to_first, comm};
    const uint64_t end = 0;
    CO_TRY(co_timeline_put_lane(timeline, comm->rank, name, &out, err));
    return co_comm_send(comm, &end, sizeof(end), 0, TAG_LANE, err);
}

static co_status receive_lane(co_comm *comm, int from, const co_timeline_out *out, char *piece,
                              co_error *err)
{
    uint64_t length = 0;
    do {
        CO_TRY(co_comm_receive(comm, &length, sizeof(length), from, TAG_LANE, err));
        if (length > CO_TIMELINE_PIECE) {
            return co_fail(err, CO_INTERNAL, "rank %d sends %llu bytes of its timeline", from,
                           (unsigned long long)length);
        }
        if (length > 0) {
            CO_TRY(co_comm_receive(comm, piece, length, from, TAG_LANE, err));
            CO_TRY(out->put(out->context, piece, length, err));
        }
    } while (length > 0);
    return CO_OK;
}

static co_status put_all(co_comm *comm, const co_timeline *timeline, const char *name,
                         uint64_t dropped, writer *w, co_error *err)
{
    const co_timeline_out out = {put_to_file, w};
    void *piece = NULL;
    CO_TRY(co_timeline_put_head(&out, dropped, err));
    CO_TRY(co_timeline_put_lane(timeline, 0, name, &out, err));
    CO_TRY(co_alloc(CO_TIMELINE_PIECE, 1, "timeline", &piece, err));
    co_status status = CO_OK;
    for (int other = 1; other < comm->size && status == CO_OK; other++) {
        status = receive_lane(comm, other, &out, piece, err);
    }
    co_free(piece);
    CO_TRY(status);
    return co_timeline_put_tail(&out, err);
}

static co_status write_file(co_comm *comm, const co_timeline *timeline, const char *name,
                            uint64_t dropped, writer *w, co_error *err)
{
    co_status status = put_all(comm, timeline, name, dropped, w, err);
    if (status == CO_OK && w->status != CO_OK) {
        *err = w->error;
        status = w->status;
    }
    if (status != CO_OK) {
        co_file_writer_abandon(w->file);
        return status;
    }
    return co_file_writer_commit(w->file, err);
}

/* The sum over the workers. */
static co_status count_dropped(co_comm *comm, const co_timeline *timeline, uint64_t *out,
                               co_error *err)
{
    void *block = NULL;
    const uint64_t mine = co_timeline_dropped(timeline);
    uint64_t sum = 0;
    CO_TRY(co_alloc((size_t)comm->size, sizeof(mine), "dropped spans", &block, err));
    const uint64_t *all = block;
    co_status status = co_comm_gather(comm, &mine, sizeof(mine), block, err);
    for (int rank = 0; rank < comm->size && status == CO_OK; rank++) {
        sum += all[rank];
    }
    co_free(block);
    *out = sum;
    return status;
}

co_status co_lanes_save(co_comm *comm, const co_timeline *timeline, const co_files *files,
                        const char *path, uint64_t *dropped, co_error *err)
{
    char name[CO_HOST_NAME_SIZE + 32];
    writer w = {0};
    co_comm_at(comm, comm->step, "timeline");
    (void)snprintf(name, sizeof(name), "rank %d (%s)", comm->rank, comm->names[comm->rank]);
    CO_TRY(count_dropped(comm, timeline, dropped, err));
    co_status opened = comm->rank == 0 ? co_file_writer_open(files, path, &w.file, err) : CO_OK;
    co_status first = opened;
    CO_TRY(co_comm_broadcast(comm, &first, sizeof(first), 0, err));
    if (first != CO_OK) {
        return opened; /* the first worker says why */
    }
    return comm->rank == 0 ? write_file(comm, timeline, name, *dropped, &w, err)
                           : send_lane(comm, timeline, name, err);
}
