/* What ranks tell each other of themselves, but only in a wait that has become long: which
 * collective each is in. So a rank that has gone astray is named, with no cost to any other wait.
 */
#include "comm/mpi/mpi_comm.h"

#include <sched.h>
#include <string.h>

#include "base/alloc.h"

#ifndef CO_COMM_SIM

enum { TAG_TELL = 1 };

#define TELL_AFTER_S 1.0  /* of waiting */
#define TELL_EVERY_S 10.0 /* who never waits never hears: not too many messages to it */
#define EXPLAIN_S    3.0

static double seconds_since(const co_comm *comm, uint64_t then_ns)
{
    return (double)(co_clock_ns(&comm->clock) - then_ns) / 1e9;
}

co_status co_mpi_tell_open(co_comm *comm, co_error *err)
{
    mpi_comm *mpi = mpi_of(comm);
    void *block = NULL;
    CO_TRY(co_alloc((size_t)comm->size, sizeof(co_pulse), "what ranks tell", &block, err));
    comm->heard = block;
    CO_TRY(co_alloc((size_t)comm->size, sizeof(MPI_Request), "requests", &block, err));
    mpi->tell_requests = block;
    for (int rank = 0; rank < comm->size; rank++) {
        mpi->tell_requests[rank] = MPI_REQUEST_NULL;
    }
    CO_TRY(co_mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &mpi->tell_comm), "ranks", err));
    MPI_Comm_set_errhandler(mpi->tell_comm, MPI_ERRORS_RETURN);
    return CO_OK;
}

/* Takes what has come, which MPI would keep for ever. */
static void hear(co_comm *comm)
{
    const mpi_comm *mpi = mpi_of(comm);
    MPI_Status status;
    int there = 0;
    while (MPI_Iprobe(MPI_ANY_SOURCE, TAG_TELL, mpi->tell_comm, &there, &status) == MPI_SUCCESS &&
           there != 0) {
        (void)MPI_Recv(&comm->heard[status.MPI_SOURCE], (int)sizeof(co_pulse), MPI_BYTE,
                       status.MPI_SOURCE, TAG_TELL, mpi->tell_comm, MPI_STATUS_IGNORE);
    }
}

/* All but the beats is this thread's own. */
static void copy_pulse(const co_pulse *from, co_pulse *to)
{
    const size_t before = offsetof(co_pulse, beats);
    const size_t after = before + sizeof(from->beats);
    memcpy(to, from, before);
    atomic_store(&to->beats, atomic_load(&from->beats));
    memcpy((char *)to + after, (const char *)from + after, sizeof(*to) - after);
}

static void tell(co_comm *comm)
{
    mpi_comm *mpi = mpi_of(comm);
    int all = 0;
    if (MPI_Testall(comm->size, mpi->tell_requests, &all, MPI_STATUSES_IGNORE) != MPI_SUCCESS ||
        all == 0) {
        return; /* the last one is still under way */
    }
    copy_pulse(comm->pulse, &mpi->told);
    mpi->told_ns = co_clock_ns(&comm->clock);
    for (int rank = 0; rank < comm->size; rank++) {
        if (rank != comm->rank) {
            (void)MPI_Isend(&mpi->told, (int)sizeof(mpi->told), MPI_BYTE, rank, TAG_TELL,
                            mpi->tell_comm, &mpi->tell_requests[rank]);
        }
    }
}

void co_mpi_tell_close(co_comm *comm)
{
    mpi_comm *mpi = mpi_of(comm);
    if (mpi->tell_comm != MPI_COMM_NULL) {
        int all = 0;
        hear(comm);
        (void)MPI_Testall(comm->size, mpi->tell_requests, &all, MPI_STATUSES_IGNORE);
        MPI_Comm_free(&mpi->tell_comm);
    }
}

co_status co_mpi_look(co_comm *comm, uint64_t start_ns, co_error *err)
{
    const mpi_comm *mpi = mpi_of(comm);
    hear(comm);
    if (seconds_since(comm, start_ns) > TELL_AFTER_S &&
        (mpi->told_ns == 0 || seconds_since(comm, mpi->told_ns) > TELL_EVERY_S)) {
        tell(comm);
    }
    return co_comm_check(comm, 0, comm->size, err);
}

co_status co_mpi_explain(co_comm *comm, co_status status, co_error *err)
{
    const uint64_t start_ns = co_clock_ns(&comm->clock);
    tell(comm);
    while (seconds_since(comm, start_ns) < EXPLAIN_S) {
        co_error apart = {0};
        if (co_mpi_look(comm, start_ns, &apart) != CO_OK) {
            *err = apart;
            return apart.status;
        }
        sched_yield();
    }
    return status;
}

#else

co_status co_mpi_tell_open(co_comm *comm, co_error *err)
{
    (void)comm;
    (void)err;
    return CO_OK;
}

void co_mpi_tell_close(co_comm *comm)
{
    (void)comm;
}

#endif
