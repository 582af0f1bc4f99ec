#include "comm/comm.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

/* ---- one worker ---- */

typedef struct single {
    co_comm base;
    char name[1][CO_HOST_NAME_SIZE];
    int host_of[1];
} single;

typedef struct single_window {
    co_window base;
    void *part[1];
} single_window;

static void single_close(co_comm *comm)
{
    co_free(comm);
}

static void single_end(co_comm *comm, int code)
{
    (void)comm;
    (void)code;
}

static co_status single_broadcast(co_comm *comm, void *data, size_t bytes, int root, co_error *err)
{
    (void)comm;
    (void)data;
    (void)bytes;
    (void)root;
    (void)err;
    return CO_OK;
}

static co_status single_gather(co_comm *comm, const void *mine, size_t bytes, void *all,
                               co_error *err)
{
    (void)comm;
    (void)err;
    memcpy(all, mine, bytes);
    return CO_OK;
}

static co_status single_start_sum(co_comm *comm, float *data, size_t count, co_request *out,
                                  co_error *err)
{
    (void)comm;
    (void)data;
    (void)count;
    (void)err;
    *out = (co_request){.peer = -1};
    return CO_OK;
}

static co_status single_start_send(co_comm *comm, const void *data, size_t bytes, int to, int tag,
                                   co_request *out, co_error *err)
{
    (void)comm;
    (void)data;
    (void)bytes;
    (void)out;
    return co_fail(err, CO_INTERNAL, "message %d to rank %d, but there is one worker", tag, to);
}

static co_status single_start_receive(co_comm *comm, void *data, size_t bytes, int from, int tag,
                                      co_request *out, co_error *err)
{
    (void)comm;
    (void)data;
    (void)bytes;
    (void)out;
    return co_fail(err, CO_INTERNAL, "message %d from rank %d, but there is one worker", tag, from);
}

static co_status single_wait(co_comm *comm, co_request *requests, int count, co_error *err)
{
    (void)comm;
    (void)requests;
    (void)count;
    (void)err;
    return CO_OK;
}

static void single_progress(co_comm *comm, co_request *requests, int count)
{
    (void)comm;
    (void)requests;
    (void)count;
}

static void single_window_close(co_window *window)
{
    co_free(((single_window *)window)->part[0]);
    co_free(window);
}

static co_status single_window_open(co_comm *comm, size_t bytes, co_window **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(single_window), "window", &block, err));
    single_window *window = block;
    window->base = (co_window){.comm = comm, .parts = 1, .part = window->part};
    co_status status = co_alloc(bytes, 1, "window", &window->part[0], err);
    if (status != CO_OK) {
        co_free(window);
        return status;
    }
    *out = &window->base;
    return CO_OK;
}

static co_status single_window_barrier(co_window *window, co_error *err)
{
    (void)window;
    (void)err;
    return CO_OK;
}

static void single_compute(co_comm *comm, double seconds)
{
    (void)comm;
    (void)seconds;
}

static co_status single_share_blank(co_comm *comm, size_t bytes, void **out, co_error *err)
{
    (void)comm;
    (void)bytes;
    (void)out;
    return co_fail(err, CO_UNSUPPORTED, "messages without content exist in a simulation only");
}

static const co_comm_ops single_ops = {
    .name = "single",
    .close = single_close,
    .end = single_end,
    .broadcast = single_broadcast,
    .gather = single_gather,
    .start_sum = single_start_sum,
    .start_send = single_start_send,
    .start_receive = single_start_receive,
    .wait = single_wait,
    .progress = single_progress,
    .window_open = single_window_open,
    .window_close = single_window_close,
    .window_barrier = single_window_barrier,
    .compute = single_compute,
    .share_blank = single_share_blank,
};

co_status co_comm_single(co_comm **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(single), "worker", &block, err));
    single *one = block;
    if (gethostname(one->name[0], sizeof(one->name[0]) - 1) != 0) {
        (void)snprintf(one->name[0], sizeof(one->name[0]), "this host");
    }
    one->base = (co_comm){
        .ops = &single_ops,
        .size = 1,
        .hosts = 1,
        .host_size = 1,
        .host_of = one->host_of,
        .names = (const char(*)[CO_HOST_NAME_SIZE])one->name,
        .clock = co_clock_system,
        .phase = "start",
    };
    one->base.pulse = &one->base.own_pulse;
    co_comm_at(&one->base, 0, "start");
    *out = &one->base;
    return CO_OK;
}

/* ---- any engine ---- */

void co_comm_close(co_comm *comm)
{
    if (comm != NULL) {
        comm->pulse = &comm->own_pulse;
        co_pulses_close(&comm->pulses);
        comm->ops->close(comm);
    }
}

co_status co_comm_share_pulse(co_comm *comm, const char *path, co_error *err)
{
    co_pulses pulses = {0};
    CO_TRY(co_pulses_open(path, &pulses, err));
    co_status status = co_pulses_live(&pulses, comm->rank, comm->names[comm->rank], err);
    if (status != CO_OK) {
        co_pulses_close(&pulses);
        return status;
    }
    comm->pulses = pulses;
    comm->pulse = &comm->pulses.ranks[comm->rank];
    co_comm_at(comm, comm->step, comm->phase);
    return CO_OK;
}

void co_comm_end(co_comm *comm, int code)
{
    comm->ops->end(comm, code);
}

/* The counts of MPI-3 are ints. */
static co_status check_bytes(size_t bytes, co_error *err)
{
    if (bytes > INT_MAX) {
        return co_fail(err, CO_UNSUPPORTED,
                       "a message of %zu bytes between workers: 2 GiB is the most", bytes);
    }
    return CO_OK;
}

/* A few stores, and one multiplication for the chain (splitmix64's constants). */
static void begin(co_comm *comm, co_call_kind kind, size_t bytes)
{
    const uint64_t what = co_call_what(kind, bytes);
    co_pulse_begin(comm->pulse, what, comm->step);
    comm->chain = (comm->chain ^ what ^ comm->step * 0xbf58476d1ce4e5b9U) * 0x94d049bb133111ebU;
    comm->chain ^= comm->chain >> 31;
}

/* What the library let pass between neighbours is noticed here: two cache lines are read. */
static co_status end(co_comm *comm, co_status status, co_error *err)
{
    CO_TRY(status);
    co_pulse_done(comm->pulse, 1);
    CO_TRY(co_comm_check(comm, comm->rank - 1, 1, err));
    return co_comm_check(comm, comm->rank + 1, 1, err);
}

co_status co_comm_broadcast(co_comm *comm, void *data, size_t bytes, int root, co_error *err)
{
    CO_TRY(check_bytes(bytes, err));
    begin(comm, CO_CALL_BROADCAST, bytes);
    return end(comm, comm->ops->broadcast(comm, data, bytes, root, err), err);
}

co_status co_comm_gather(co_comm *comm, const void *mine, size_t bytes, void *all, co_error *err)
{
    CO_TRY(check_bytes(bytes * (size_t)comm->size, err));
    begin(comm, CO_CALL_GATHER, bytes);
    return end(comm, comm->ops->gather(comm, mine, bytes, all, err), err);
}

co_status co_comm_barrier(co_comm *comm, co_error *err)
{
    float none = 0.0F;
    co_request request = {0};
    begin(comm, CO_CALL_BARRIER, 0);
    CO_TRY(comm->ops->start_sum(comm, &none, 1, &request, err));
    return end(comm, comm->ops->wait(comm, &request, 1, err), err);
}

co_status co_comm_start_sum(co_comm *comm, float *data, size_t count, co_request *out,
                            co_error *err)
{
    CO_TRY(check_bytes(count * sizeof(float), err));
    begin(comm, CO_CALL_SUM, count * sizeof(float));
    CO_TRY(comm->ops->start_sum(comm, data, count, out, err));
    out->counted = true;
    return CO_OK;
}

co_status co_comm_start_send(co_comm *comm, const void *data, size_t bytes, int to, int tag,
                             co_request *out, co_error *err)
{
    CO_TRY(check_bytes(bytes, err));
    return comm->ops->start_send(comm, data, bytes, to, tag, out, err);
}

co_status co_comm_start_receive(co_comm *comm, void *data, size_t bytes, int from, int tag,
                                co_request *out, co_error *err)
{
    CO_TRY(check_bytes(bytes, err));
    return comm->ops->start_receive(comm, data, bytes, from, tag, out, err);
}

co_status co_comm_send(co_comm *comm, const void *data, size_t bytes, int to, int tag,
                       co_error *err)
{
    co_request request = {0};
    CO_TRY(co_comm_start_send(comm, data, bytes, to, tag, &request, err));
    return comm->ops->wait(comm, &request, 1, err);
}

co_status co_comm_receive(co_comm *comm, void *data, size_t bytes, int from, int tag, co_error *err)
{
    co_request request = {0};
    CO_TRY(co_comm_start_receive(comm, data, bytes, from, tag, &request, err));
    return comm->ops->wait(comm, &request, 1, err);
}

co_status co_comm_wait(co_comm *comm, co_request *requests, int count, co_error *err)
{
    uint64_t sums = 0;
    CO_TRY(comm->ops->wait(comm, requests, count, err));
    for (int i = 0; i < count; i++) {
        sums += requests[i].counted;
        requests[i].counted = false;
    }
    if (sums == 0) {
        return CO_OK;
    }
    co_pulse_done(comm->pulse, sums - 1);
    return end(comm, CO_OK, err);
}

void co_comm_progress(co_comm *comm, co_request *requests, int count)
{
    comm->ops->progress(comm, requests, count);
}

/* The first rank's, for all. */
static co_status share_last_step(co_comm *comm, co_error *err)
{
    void *block = NULL;
    co_status status = comm->rank == 0 ? co_alloc(1, sizeof(*comm->last_step), "step", &block, err)
                                       : CO_OK;
    CO_TRY(co_comm_agree(comm, status, err));
    status = co_comm_broadcast(comm, &block, sizeof(block), 0, err);
    comm->last_step = block;
    return status;
}

co_status co_comm_sizes_only(co_comm *comm, size_t bytes, co_error *err)
{
    CO_TRY(comm->ops->share_blank(comm, bytes, &comm->blank, err));
    CO_TRY(share_last_step(comm, err));
    comm->blank_bytes = bytes;
    comm->sizes_only = true;
    return CO_OK;
}

void co_comm_stop_after(co_comm *comm, uint64_t step)
{
    uint64_t none = 0;
    (void)atomic_compare_exchange_strong(comm->last_step, &none, step);
}

bool co_comm_stops_after(const co_comm *comm, uint64_t step)
{
    const uint64_t last = atomic_load(comm->last_step);
    return last > 0 && last <= step;
}

co_status co_comm_alloc(co_comm *comm, size_t count, size_t size, const char *what, void **out,
                        co_error *err)
{
    size_t bytes = 0;
    if (!comm->sizes_only) {
        return co_alloc(count, size, what, out, err);
    }
    if (!co_mul_size(count, size, &bytes) || bytes > comm->blank_bytes) {
        return co_fail(err, CO_INTERNAL, "%s: %zu x %zu bytes for messages, %zu are reserved", what,
                       count, size, comm->blank_bytes);
    }
    *out = comm->blank;
    return CO_OK;
}

void co_comm_free(co_comm *comm, void *block)
{
    if (block != comm->blank) {
        co_free(block);
    }
}

co_status co_window_open(co_comm *comm, size_t bytes, co_window **out, co_error *err)
{
    return comm->ops->window_open(comm, bytes, out, err);
}

void co_window_close(co_window *window)
{
    if (window != NULL) {
        window->comm->ops->window_close(window);
    }
}

co_status co_window_barrier(co_window *window, co_error *err)
{
    return window->comm->ops->window_barrier(window, err);
}

/* ---- who is where ---- */

const co_pulse *co_comm_pulse_of(const co_comm *comm, int rank)
{
    if (rank == comm->rank) {
        return comm->pulse;
    }
    if (rank < comm->pulses.count && atomic_load(&comm->pulses.ranks[rank].pid) != 0) {
        return &comm->pulses.ranks[rank];
    }
    return comm->heard != NULL && comm->heard[rank].begun > 0 ? &comm->heard[rank] : NULL;
}

co_status co_comm_check(const co_comm *comm, int first, int count, co_error *err)
{
    uint64_t number = 0;
    for (int rank = first < 0 ? 0 : first; rank < first + count && rank < comm->size; rank++) {
        const co_pulse *other = rank != comm->rank ? co_comm_pulse_of(comm, rank) : NULL;
        if (other != NULL && co_pulse_differs(comm->pulse, other, &number)) {
            char here[CO_CALL_TEXT];
            char there[CO_CALL_TEXT];
            co_pulse_call_text(comm->pulse, number, here);
            co_pulse_call_text(other, number, there);
            return co_fail(err, CO_INTERNAL,
                           "the workers have gone apart: collective %llu is a %s on rank %d (%s), "
                           "but a %s on rank %d (%s)",
                           (unsigned long long)number, here, comm->rank, comm->names[comm->rank],
                           there, rank, comm->names[rank]);
        }
    }
    return CO_OK;
}

static void describe(const co_comm *comm, int rank, char *out, size_t size)
{
    const co_pulse *pulse = co_comm_pulse_of(comm, rank);
    if (pulse == NULL) {
        (void)snprintf(out, size, "has not been heard of");
        return;
    }
    char call[CO_CALL_TEXT];
    char next[CO_CALL_TEXT];
    char phase[CO_PULSE_PHASE];
    const uint64_t done = atomic_load(&pulse->done);
    const bool waits = atomic_load(&pulse->begun) > done;
    co_pulse_call_text(pulse, done, call);
    co_pulse_call_text(pulse, done + 1, next);
    co_pulse_phase(pulse, phase);
    int length = snprintf(out, size, "completed %llu (%s) last and ", (unsigned long long)done,
                          done > 0 ? call : "none");
    out += length;
    size -= (size_t)length;
    const bool near = rank < comm->pulses.count && pulse == &comm->pulses.ranks[rank];
    const bool stopped = near && co_process_is_stopped(atomic_load(&pulse->pid));
    const char *how = stopped ? ", stopped by a signal" : "";
    if (waits) {
        (void)snprintf(out, size, "waits in %llu (%s)%s", (unsigned long long)done + 1, next, how);
    } else {
        (void)snprintf(out, size, "is in step %llu (%s)%s",
                       (unsigned long long)atomic_load(&pulse->step), phase, how);
    }
}

void co_comm_tell_calls(const co_comm *comm, co_error *err)
{
    enum { LINE = 256 };
    char line[LINE];
    char next[LINE];
    size_t used = strlen(err->text);
    for (int rank = 0; rank < comm->size && used < sizeof(err->text) - 1;) {
        int last = rank;
        describe(comm, rank, line, sizeof(line));
        while (last + 1 < comm->size) { /* those that say the same say it together */
            describe(comm, last + 1, next, sizeof(next));
            if (strcmp(line, next) != 0) {
                break;
            }
            last++;
        }
        char names[32];
        (void)snprintf(names, sizeof(names), last > rank ? "ranks %d to %d" : "rank %d", rank,
                       last);
        (void)snprintf(err->text + used, sizeof(err->text) - used, "%s%s %s",
                       rank == 0 ? " Of the collectives " : "; ", names, line);
        used = strlen(err->text);
        rank = last + 1;
    }
}

/* ---- agreeing ---- */

static int first_failed(const co_status *all, int size)
{
    for (int rank = 0; rank < size; rank++) {
        if (all[rank] != CO_OK) {
            return rank;
        }
    }
    return -1;
}

co_status co_comm_agree(co_comm *comm, co_status mine, co_error *err)
{
    if (comm->size == 1) {
        return mine;
    }
    void *block = NULL;
    CO_TRY(co_alloc((size_t)comm->size, sizeof(co_status), "status of the workers", &block, err));
    co_status *all = block;
    co_error trouble = {0};
    co_status status = co_comm_gather(comm, &mine, sizeof(mine), all, &trouble);
    int failed = status == CO_OK ? first_failed(all, comm->size) : -1;
    co_status agreed = failed >= 0 ? all[failed] : CO_OK;
    co_free(all);
    if (status == CO_OK && failed >= 0) {
        co_error told = *err;
        status = co_comm_broadcast(comm, &told, sizeof(told), failed, &trouble);
        told.text[sizeof(told.text) - 1] = '\0';
        /* What every rank would say, a missing file, say, is rank 0's to tell. */
        if (failed == 0) {
            (void)co_fail(err, agreed, "%s", told.text);
        } else {
            (void)co_fail(err, agreed, "rank %d (%s): %.900s", failed, comm->names[failed],
                          told.text);
        }
    }
    if (status != CO_OK) {
        *err = trouble;
        return status;
    }
    return agreed;
}
