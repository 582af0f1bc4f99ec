/* The MPI engine: joining, leaving, messages. */
#include "comm/mpi/mpi_comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "comm/engine.h"

#ifdef CO_COMM_SIM
#include <smpi/smpi.h>
#endif

/* ---- time ---- */

#ifdef CO_COMM_SIM

static uint64_t virtual_ns(void *context)
{
    (void)context;
    return (uint64_t)(MPI_Wtime() * 1e9 + 0.5);
}

/* A simulated run is the same whenever it is made: its calendar begins in 2000. */
static int64_t virtual_wall_ns(void *context)
{
    const int64_t begin_ns = 946684800LL * 1000000000LL;
    return begin_ns + (int64_t)virtual_ns(context);
}

static void virtual_sleep_ns(void *context, uint64_t duration_ns)
{
    (void)context;
    const struct timespec duration = {
        .tv_sec = (time_t)(duration_ns / 1000000000U),
        .tv_nsec = (long)(duration_ns % 1000000000U),
    };
    (void)nanosleep(&duration, NULL);
}

static co_clock engine_clock(void)
{
    return (co_clock){virtual_ns, virtual_wall_ns, virtual_sleep_ns, NULL};
}

/* smpi_execute takes no seconds of the host (it converts by smpi/host-speed); flops are exact. */
static void compute(co_comm *comm, double seconds)
{
    if (seconds > 0.0) {
        smpi_execute_flops(seconds * mpi_of(comm)->reference_flops);
    }
}

#else

static co_clock engine_clock(void)
{
    return co_clock_system;
}

static void compute(co_comm *comm, double seconds)
{
    (void)comm;
    (void)seconds;
}

#endif

/* ---- messages ---- */

static co_status started(int code, MPI_Request request, int peer, const char *what, co_request *out,
                         co_error *err)
{
    CO_TRY(co_mpi_check(code, what, err));
    out->handle = NULL;
    memcpy(&out->handle, &request, sizeof(request));
    out->peer = peer;
    return CO_OK;
}

static co_status start_send(co_comm *comm, const void *data, size_t bytes, int to, int tag,
                            co_request *out, co_error *err)
{
    (void)comm;
    MPI_Request request = MPI_REQUEST_NULL;
    int code = MPI_Isend(data, (int)bytes, MPI_BYTE, to, tag, MPI_COMM_WORLD, &request);
    return started(code, request, to, "send", out, err);
}

static co_status start_receive(co_comm *comm, void *data, size_t bytes, int from, int tag,
                               co_request *out, co_error *err)
{
    (void)comm;
    MPI_Request request = MPI_REQUEST_NULL;
    int code = MPI_Irecv(data, (int)bytes, MPI_BYTE, from, tag, MPI_COMM_WORLD, &request);
    return started(code, request, from, "receive", out, err);
}

#ifdef CO_COMM_SIM

/* SimGrid's collectives that do not block are linear in the ranks, quadratic to wait for, and
 * MPI_Iallreduce sends from the very buffer that it sums into, and so mixes them. Hence these
 * block, and sums are our own: mpi_sum.c. */
static co_status broadcast(co_comm *comm, void *data, size_t bytes, int root, co_error *err)
{
    (void)comm;
    return co_mpi_check(MPI_Bcast(data, (int)bytes, MPI_BYTE, root, MPI_COMM_WORLD), "broadcast",
                        err);
}

static co_status gather(co_comm *comm, const void *mine, size_t bytes, void *all, co_error *err)
{
    (void)comm;
    int code = MPI_Allgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, MPI_COMM_WORLD);
    return co_mpi_check(code, "gather", err);
}

static co_status start_sum(co_comm *comm, float *data, size_t count, co_request *out, co_error *err)
{
    co_sim_sum *sum = NULL;
    CO_TRY(co_sim_sum_start(mpi_of(comm), data, count, &sum, err));
    *out = (co_request){.handle = sum, .peer = -1};
    return CO_OK;
}

/* SimGrid copies nothing between buffers of this kind. The block is nobody's own: it is never read
 * nor written. */
static co_status share_blank(co_comm *comm, size_t bytes, void **out, co_error *err)
{
    void *blank = comm->rank == 0 ? SMPI_SHARED_MALLOC(bytes) : NULL;
    CO_TRY(broadcast(comm, &blank, sizeof(blank), 0, err));
    *out = blank;
    return blank != NULL ? CO_OK
                         : co_fail(err, CO_MEMORY, "cannot reserve %zu bytes for messages", bytes);
}

static void leave_blank(co_comm *comm)
{
    if (comm->blank != NULL) {
        MPI_Barrier(MPI_COMM_WORLD);
        if (comm->rank == 0) {
            SMPI_SHARED_FREE(comm->blank);
            co_free((void *)(uintptr_t)comm->last_step);
        }
    }
}

#else

static co_status broadcast(co_comm *comm, void *data, size_t bytes, int root, co_error *err)
{
    MPI_Request request = MPI_REQUEST_NULL;
    co_request one = {0};
    int code = MPI_Ibcast(data, (int)bytes, MPI_BYTE, root, MPI_COMM_WORLD, &request);
    CO_TRY(started(code, request, root == comm->rank ? -1 : root, "broadcast", &one, err));
    return co_mpi_wait(comm, &one, 1, err);
}

/* Each rank to every other, so that a wait knows for whom: see co_mpi_late. */
static co_status gather_directly(co_comm *comm, const char *mine, size_t bytes, char *all,
                                 co_request *requests, co_error *err)
{
    /* Who has come another way finds no partner, and is found out in the wait. */
    enum { TAG_GATHER = 1 << 14 };
    const int tag = TAG_GATHER | (int)(comm->chain & (TAG_GATHER - 1));
    int count = 0;
    memcpy(all + (size_t)comm->rank * bytes, mine, bytes);
    for (int i = 1; i < comm->size; i++) {
        int other = (comm->rank + i) % comm->size;
        CO_TRY(start_receive(comm, all + (size_t)other * bytes, bytes, other, tag,
                             &requests[count++], err));
    }
    for (int i = 1; i < comm->size; i++) {
        int other = (comm->rank + i) % comm->size;
        CO_TRY(start_send(comm, mine, bytes, other, tag, &requests[count++], err));
    }
    return co_mpi_wait(comm, requests, count, err);
}

static co_status gather(co_comm *comm, const void *mine, size_t bytes, void *all, co_error *err)
{
    enum { MOST_DIRECT = 64 };
    co_request requests[2 * MOST_DIRECT];
    if (comm->size <= MOST_DIRECT) {
        return gather_directly(comm, mine, bytes, all, requests, err);
    }
    MPI_Request request = MPI_REQUEST_NULL;
    int code = MPI_Iallgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, MPI_COMM_WORLD,
                              &request);
    CO_TRY(started(code, request, -1, "gather", &requests[0], err));
    return co_mpi_wait(comm, requests, 1, err);
}

static co_status start_sum(co_comm *comm, float *data, size_t count, co_request *out, co_error *err)
{
    (void)comm;
    MPI_Request request = MPI_REQUEST_NULL;
    int code = MPI_Iallreduce(MPI_IN_PLACE, data, (int)count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD,
                              &request);
    return started(code, request, -1, "sum", out, err);
}

static co_status share_blank(co_comm *comm, size_t bytes, void **out, co_error *err)
{
    (void)comm;
    (void)bytes;
    (void)out;
    return co_fail(err, CO_UNSUPPORTED, "messages without content exist in a simulation only");
}

#endif

/* ---- life ---- */

static void free_all(mpi_comm *comm)
{
    co_free(comm->base.heard);
    co_free(comm->tell_requests);
    co_free(comm->host_of);
    co_free(comm->names);
    co_free(comm);
}

static void leave(co_comm *comm)
{
    mpi_comm *mpi = mpi_of(comm);
    co_mpi_tell_close(comm);
#ifdef CO_COMM_SIM
    leave_blank(comm);
    co_sim_sums_close(mpi);
#endif
    MPI_Comm_free(&mpi->host_comm);
    MPI_Finalize();
    free_all(mpi);
}

static void end_all(co_comm *comm, int code)
{
    (void)comm;
    MPI_Abort(MPI_COMM_WORLD, code);
}

static const co_comm_ops mpi_ops = {
#ifdef CO_COMM_SIM
    .name = "SimGrid",
#else
    .name = "Open MPI",
#endif
    .close = leave,
    .end = end_all,
    .broadcast = broadcast,
    .gather = gather,
    .start_sum = start_sum,
    .start_send = start_send,
    .start_receive = start_receive,
    .wait = co_mpi_wait,
    .progress = co_mpi_progress,
    .window_open = co_mpi_window_open,
    .window_close = co_mpi_window_close,
    .window_barrier = co_mpi_window_barrier,
    .compute = compute,
    .share_blank = share_blank,
};

/* Hosts are numbered by their lowest ranks: rank r tells that of its own host. */
static co_status find_hosts(mpi_comm *mpi, co_error *err)
{
    co_comm *comm = &mpi->base;
    char name[CO_HOST_NAME_SIZE] = "";
    char full[MPI_MAX_PROCESSOR_NAME] = "";
    int length = 0;
    CO_TRY(co_mpi_check(MPI_Get_processor_name(full, &length), "name of the host", err));
    (void)snprintf(name, sizeof(name), "%.60s", full);
    CO_TRY(gather(comm, name, sizeof(name), mpi->names, err));
    int lowest = comm->rank;
    int code = MPI_Bcast(&lowest, 1, MPI_INT, 0, mpi->host_comm);
    CO_TRY(co_mpi_check(code, "host", err));
    CO_TRY(gather(comm, &lowest, sizeof(lowest), mpi->host_of, err));
    for (int rank = 0; rank < comm->size; rank++) {
        int first = mpi->host_of[rank];
        mpi->host_of[rank] = first == rank ? comm->hosts++ : mpi->host_of[first];
    }
    comm->host = mpi->host_of[comm->rank];
    return CO_OK;
}

/* The ranks that share memory with this one: of its host, or of a group of it. */
static co_status find_neighbours(mpi_comm *mpi, int group, co_error *err)
{
    co_comm *comm = &mpi->base;
    MPI_Comm host = MPI_COMM_NULL;
    int code = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL,
                                   &host);
    CO_TRY(co_mpi_check(code, "ranks of the host", err));
    mpi->host_comm = host;
    MPI_Comm_rank(host, &comm->host_rank);
    if (group > 0) {
        code = MPI_Comm_split(host, comm->host_rank / group, comm->rank, &mpi->host_comm);
        MPI_Comm_free(&host);
        CO_TRY(co_mpi_check(code, "groups of the host's ranks", err));
    }
    MPI_Comm_rank(mpi->host_comm, &comm->host_rank);
    MPI_Comm_size(mpi->host_comm, &comm->host_size);
    return CO_OK;
}

static co_status join(mpi_comm *mpi, int group, co_error *err)
{
    co_comm *comm = &mpi->base;
    CO_TRY(co_mpi_check(MPI_Comm_rank(MPI_COMM_WORLD, &comm->rank), "rank", err));
    CO_TRY(co_mpi_check(MPI_Comm_size(MPI_COMM_WORLD, &comm->size), "size", err));
    CO_TRY(find_neighbours(mpi, group, err));
    void *block = NULL;
    CO_TRY(co_alloc((size_t)comm->size, sizeof(int), "hosts of the ranks", &block, err));
    comm->host_of = mpi->host_of = block;
    CO_TRY(co_alloc((size_t)comm->size, CO_HOST_NAME_SIZE, "names of the hosts", &block, err));
    mpi->names = block;
    comm->names = (const char(*)[CO_HOST_NAME_SIZE])block;
    CO_TRY(co_mpi_tell_open(comm, err));
#ifdef CO_COMM_SIM
    CO_TRY(co_sim_sums_open(mpi, err));
#endif
    return find_hosts(mpi, err);
}

static co_status open_mpi(int group, co_comm **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(mpi_comm), "worker", &block, err));
    mpi_comm *mpi = block;
    mpi->host_comm = MPI_COMM_NULL;
    mpi->tell_comm = MPI_COMM_NULL;
    mpi->reference_flops = CO_REFERENCE_FLOPS;
    mpi->base = (co_comm){
        .ops = &mpi_ops,
        .clock = engine_clock(),
        .phase = "start",
#ifdef CO_COMM_SIM
        .simulated = true,
        .one_process = true,
#endif
    };
    mpi->base.pulse = &mpi->base.own_pulse;
    co_comm_at(&mpi->base, 0, "start");
    int provided = 0;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
        co_free(mpi);
        return co_fail(err, CO_PEER, "MPI does not start; start cohort by mpirun, srun or itself");
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    co_status status = join(mpi, group, err);
    if (status != CO_OK) {
        free_all(mpi);
        return status;
    }
    *out = &mpi->base;
    return CO_OK;
}

const co_engine co_engine_linked = {
    .name = "MPI",
#ifdef CO_COMM_SIM
    .simulated = true,
#endif
    .open = open_mpi,
};
