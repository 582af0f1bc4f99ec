/* A program of several ranks that tries comm/ with either engine; the test scripts start it.
 *     probe time SECONDS    each rank declares that much computing and prints how long it took
 *     probe push BYTES      all ranks push marked buffers to rank 0, and change them afterwards
 *     probe collect COUNT   sums, gathers and broadcasts against what they must give
 *     probe overlap BYTES   a sum alone, and one that begins in the middle of computing
 *     probe window BYTES    shared memory inside a host, and its barrier
 *     probe agree RANK      that rank fails; all must hear of it
 *     probe apart RANK      that rank takes part in another collective than the rest
 *     probe sizes RANK      that rank gathers another number of bytes
 *     probe steps RANK      that rank comes to a barrier from another step
 *     probe silent RANK     that rank never gathers (deadline 3 s)
 *     probe late RANK       that rank never arrives (deadline 2 s)
 * A third word is the number of a host's ranks that share memory at most. COMM_PROBE_PULSES names
 * a file of pulses, which the ranks then share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "comm/engine.h"

static uint32_t mark(int rank, size_t i)
{
    return (uint32_t)rank * 2654435761U + (uint32_t)i * 40503U;
}

static void fill(uint32_t *words, size_t count, int rank)
{
    for (size_t i = 0; i < count; i++) {
        words[i] = mark(rank, i);
    }
}

static co_status check_words(const uint32_t *words, size_t count, int rank, co_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (words[i] != mark(rank, i)) {
            return co_fail(err, CO_FAILED, "word %zu of rank %d's message is wrong", i, rank);
        }
    }
    return CO_OK;
}

static co_status try_time(co_comm *comm, double seconds, co_error *err)
{
    uint64_t start = co_clock_ns(&comm->clock);
    co_comm_compute(comm, seconds);
    uint64_t end = co_clock_ns(&comm->clock);
    co_clock_sleep(&comm->clock, 0.25);
    uint64_t slept = co_clock_ns(&comm->clock);
    printf("rank %d on %s: computed %.3f slept %.2f\n", comm->rank, comm->names[comm->rank],
           (double)(end - start) / 1e9, (double)(slept - end) / 1e9);
    return co_comm_barrier(comm, err);
}

static co_status try_push(co_comm *comm, size_t bytes, co_error *err)
{
    size_t count = bytes / sizeof(uint32_t);
    void *block = NULL;
    CO_TRY(co_alloc(count, sizeof(uint32_t), "message", &block, err));
    uint32_t *words = block;
    co_status status = CO_OK;
    for (int round = 0; round < 2 && status == CO_OK; round++) {
        if (comm->rank > 0) {
            fill(words, count, comm->rank);
            status = co_comm_send(comm, words, count * sizeof(uint32_t), 0, round, err);
            memset(words, 0, count * sizeof(uint32_t)); /* ours again */
        }
        for (int from = comm->size - 1; comm->rank == 0 && from > 0 && status == CO_OK; from--) {
            status = co_comm_receive(comm, words, count * sizeof(uint32_t), from, round, err);
            if (status == CO_OK) {
                status = check_words(words, count, from, err);
            }
        }
    }
    co_free(words);
    return status;
}

static co_status try_collect(co_comm *comm, size_t count, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(count, sizeof(float), "numbers", &block, err));
    float *numbers = block;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (float)(comm->rank + 1) * (float)(i % 7);
    }
    co_request request = {0};
    CO_TRY(co_comm_start_sum(comm, numbers, count, &request, err));
    co_comm_progress(comm, &request, 1);
    CO_TRY(co_comm_wait(comm, &request, 1, err));
    const float ranks = (float)(comm->size * (comm->size + 1) / 2);
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] != ranks * (float)(i % 7)) {
            return co_fail(err, CO_FAILED, "sum %zu is %g", i, (double)numbers[i]);
        }
    }
    co_free(numbers);
    int all[1024] = {0};
    int mine = 3 * comm->rank + 1;
    CO_TRY(co_comm_gather(comm, &mine, sizeof(mine), all, err));
    for (int rank = 0; rank < comm->size; rank++) {
        if (all[rank] != 3 * rank + 1) {
            return co_fail(err, CO_FAILED, "gathered %d from rank %d", all[rank], rank);
        }
    }
    int told = comm->rank == comm->size - 1 ? 4711 : 0;
    CO_TRY(co_comm_broadcast(comm, &told, sizeof(told), comm->size - 1, err));
    return told == 4711 ? CO_OK : co_fail(err, CO_FAILED, "%d was broadcast", told);
}

static double since(const co_comm *comm, uint64_t start_ns)
{
    return (double)(co_clock_ns(&comm->clock) - start_ns) / 1e9;
}

static co_status try_overlap(co_comm *comm, size_t bytes, co_error *err)
{
    enum { PIECES = 100 };
    const double computing = 0.02;
    size_t count = bytes / sizeof(float);
    void *block = NULL;
    co_request request = {0};
    CO_TRY(co_comm_sizes_only(comm, bytes, err));
    CO_TRY(co_comm_alloc(comm, count, sizeof(float), "numbers", &block, err));
    uint64_t start = co_clock_ns(&comm->clock);
    CO_TRY(co_comm_start_sum(comm, block, count, &request, err));
    CO_TRY(co_comm_wait(comm, &request, 1, err));
    double alone = since(comm, start);
    start = co_clock_ns(&comm->clock);
    for (int i = 0; i < PIECES; i++) {
        if (i == PIECES / 2) {
            CO_TRY(co_comm_start_sum(comm, block, count, &request, err));
        }
        co_comm_compute(comm, computing / PIECES);
        co_comm_progress(comm, &request, 1);
    }
    double computed = since(comm, start);
    CO_TRY(co_comm_wait(comm, &request, 1, err));
    printf("alone %.4f computing %.4f together %.4f\n", alone, computed, since(comm, start));
    co_comm_free(comm, block);
    return CO_OK;
}

static co_status try_window(co_comm *comm, size_t bytes, co_error *err)
{
    co_window *window = NULL;
    size_t count = bytes / sizeof(uint32_t);
    CO_TRY(co_window_open(comm, bytes, &window, err));
    if ((uintptr_t)window->part[comm->host_rank] % 64 != 0) {
        return co_fail(err, CO_FAILED, "a part of the window is not aligned");
    }
    for (int round = 0; round < 3; round++) {
        fill(window->part[comm->host_rank], count, comm->rank + round);
        CO_TRY(co_window_barrier(window, err));
        int part = 0;
        for (int rank = 0; rank < comm->size; rank++) {
            if (comm->host_of[rank] == comm->host) {
                CO_TRY(check_words(window->part[part], count, rank + round, err));
                part++;
            }
        }
        CO_TRY(co_window_barrier(window, err));
    }
    co_window_close(window);
    return CO_OK;
}

static co_status try_late(co_comm *comm, int rank, co_error *err)
{
    comm->deadline = 2.0;
    co_comm_at(comm, 7, "reduce");
    co_window *window = NULL;
    CO_TRY(co_window_open(comm, 64, &window, err));
    if (comm->rank == rank) {
        co_clock_sleep(&comm->clock, 6.0);
    }
    CO_TRY(co_window_barrier(window, err));
    co_window_close(window);
    return CO_OK;
}

/* Two collectives that all take part in, and one in which a rank goes astray. */
static co_status try_apart(co_comm *comm, const char *what, int rank, co_error *err)
{
    int all[1024] = {0};
    const bool astray = comm->rank == rank;
    comm->deadline = strcmp(what, "silent") == 0 ? 3.0 : 20.0;
    co_comm_at(comm, 4, "reduce");
    CO_TRY(co_comm_gather(comm, &comm->rank, sizeof(int), all, err));
    CO_TRY(co_comm_barrier(comm, err));
    co_comm_at(comm, 5, "reduce");
    if (strcmp(what, "silent") == 0 && astray) {
        co_clock_sleep(&comm->clock, 8.0);
        return CO_OK;
    }
    if (strcmp(what, "apart") == 0 && astray) {
        return co_comm_barrier(comm, err);
    }
    if (strcmp(what, "steps") == 0) {
        co_window *window = NULL;
        CO_TRY(co_window_open(comm, 64, &window, err));
        co_comm_at(comm, astray ? 6 : 5, "reduce");
        CO_TRY(co_window_barrier(window, err));
        co_window_close(window);
        return CO_OK;
    }
    size_t bytes = astray && strcmp(what, "sizes") == 0 ? 2 * sizeof(int) : sizeof(int);
    return co_comm_gather(comm, all, bytes, all + 2 * comm->size, err);
}

static co_status try_agree(co_comm *comm, int rank, co_error *err)
{
    co_status mine = CO_OK;
    if (comm->rank == rank) {
        mine = co_fail(err, CO_DATA, "no such file");
    }
    return co_comm_agree(comm, mine, err);
}

static co_status run(co_comm *comm, const char *what, const char *value, co_error *err)
{
    size_t number = strtoul(value, NULL, 10);
    if (strcmp(what, "time") == 0) {
        return try_time(comm, strtod(value, NULL), err);
    }
    if (strcmp(what, "push") == 0) {
        return try_push(comm, number, err);
    }
    if (strcmp(what, "collect") == 0) {
        return try_collect(comm, number, err);
    }
    if (strcmp(what, "overlap") == 0) {
        return try_overlap(comm, number, err);
    }
    if (strcmp(what, "window") == 0) {
        return try_window(comm, number, err);
    }
    if (strcmp(what, "late") == 0) {
        return try_late(comm, (int)number, err);
    }
    if (strcmp(what, "agree") == 0) {
        return try_agree(comm, (int)number, err);
    }
    return try_apart(comm, what, (int)number, err);
}

__attribute__((visibility("default"))) int main(int argc, char *argv[])
{
    if (argc < 3) {
        return CO_USAGE;
    }
    co_comm *comm = NULL;
    co_error err = {0};
    co_status status = co_engine_linked.open(argc > 3 ? atoi(argv[3]) : 0, &comm, &err);
    const char *pulses = getenv("COMM_PROBE_PULSES");
    if (status == CO_OK && pulses != NULL) {
        status = co_comm_share_pulse(comm, pulses, &err);
    }
    if (status == CO_OK) {
        status = run(comm, argv[1], argv[2], &err);
        printf("rank %d of %d, host %d of %d: %s%s\n", comm->rank, comm->size, comm->host,
               comm->hosts, co_status_name(status), err.text);
        (void)fflush(stdout);
        if (status == CO_PEER || status == CO_INTERNAL) {
            co_comm_end(comm, (int)status);
        }
        co_comm_close(comm);
    } else {
        printf("%s\n", err.text);
    }
    return (int)status;
}
