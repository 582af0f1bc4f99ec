/* Shared memory of the ranks of a host: an MPI window, and a barrier that costs a cache line per
 * rank where a collective would cost microseconds. */
#include "comm/mpi/mpi_comm.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/alloc.h"

enum { LINE_BYTES = 64 };

/* The first line of every part. */
typedef struct arrival {
    _Atomic uint64_t count; /* barriers that this rank has reached */
    /* What it was at in each: nobody is more than one barrier ahead of another, so that the step of
     * a barrier stays until all have left it. */
    _Atomic uint64_t steps[2];
    _Atomic int rank;
} arrival;

_Static_assert(sizeof(arrival) <= LINE_BYTES, "one cache line per rank");

typedef struct mpi_window {
    co_window base;
    MPI_Win win;
    void *memory;       /* in a simulation */
    arrival **arrivals; /* (parts) */
    void **part;        /* (parts) */
    uint64_t barriers;
} mpi_window;

/* share_part: memory of that many bytes of one's own; part[i]: where that of the host's rank i
 * begins, in this process. */
#ifdef CO_COMM_SIM

/* The ranks have one address space. (MPI_Win_allocate_shared of SimGrid 3.32 wants the same size of
 * all, MPI_Win_shared_query answers for rank 0 whatever the rank.) */
static co_status share_part(mpi_window *own, co_comm *comm, size_t bytes, co_error *err)
{
    CO_TRY(co_alloc(bytes, 1, "shared memory", &own->memory, err));
    int code = MPI_Allgather(&own->memory, sizeof(void *), MPI_BYTE, own->part, sizeof(void *),
                             MPI_BYTE, mpi_of(comm)->host_comm);
    return co_mpi_check(code, "shared memory of another rank", err);
}

static void free_part(mpi_window *own)
{
    MPI_Barrier(mpi_of(own->base.comm)->host_comm); /* nobody uses it any more */
    co_free(own->memory);
}

#else

/* Too little shared memory ends in SIGBUS at the first touch: it is counted before. All ranks of
 * the host come to the same answer. */
static co_status check_room(co_comm *comm, size_t bytes, co_error *err)
{
    double needed = (double)bytes;
    CO_TRY(co_mpi_check(
        MPI_Allreduce(MPI_IN_PLACE, &needed, 1, MPI_DOUBLE, MPI_SUM, mpi_of(comm)->host_comm),
        "size of the shared memory", err));
    struct statvfs room;
    if (statvfs("/dev/shm", &room) != 0) {
        return CO_OK; /* no such folder: the MPI library has another place */
    }
    double free_bytes = (double)room.f_bavail * (double)room.f_frsize;
    if (needed > free_bytes) {
        return co_fail(err, CO_MEMORY,
                       "%d workers on %s need %.0f MiB of shared memory, /dev/shm has %.0f MiB "
                       "free: enlarge it (mount -o remount,size=...), or use --no-shared-memory",
                       comm->host_size, comm->names[comm->rank], needed / 1048576.0,
                       free_bytes / 1048576.0);
    }
    return CO_OK;
}

static co_status share_part(mpi_window *own, co_comm *comm, size_t bytes, co_error *err)
{
    void *mine = NULL;
    CO_TRY(check_room(comm, bytes, err));
    int code = MPI_Win_allocate_shared((MPI_Aint)bytes, 1, MPI_INFO_NULL, mpi_of(comm)->host_comm,
                                       (void *)&mine, &own->win);
    CO_TRY(co_mpi_check(code, "shared memory", err));
    for (int i = 0; i < comm->host_size; i++) {
        MPI_Aint size = 0;
        int unit = 0;
        CO_TRY(co_mpi_check(MPI_Win_shared_query(own->win, i, &size, &unit, (void *)&own->part[i]),
                            "shared memory of another rank", err));
    }
    return CO_OK;
}

static void free_part(mpi_window *own)
{
    MPI_Win_free(&own->win);
}

#endif

void co_mpi_window_close(co_window *window)
{
    mpi_window *own = (mpi_window *)window;
    free_part(own);
    co_free(own->arrivals);
    co_free(own->part);
    co_free(own);
}

static void map_parts(mpi_window *own, const co_comm *comm)
{
    for (int i = 0; i < comm->host_size; i++) {
        uintptr_t start = (uintptr_t)own->part[i];
        char *aligned = (char *)own->part[i] + ((LINE_BYTES - start % LINE_BYTES) % LINE_BYTES);
        own->arrivals[i] = (arrival *)(void *)aligned;
        own->part[i] = aligned + LINE_BYTES;
    }
}

static co_status allocate(mpi_window *own, co_comm *comm, size_t bytes, co_error *err)
{
    void *block = NULL;
    size_t parts = (size_t)comm->host_size;
    CO_TRY(co_alloc(parts, sizeof(arrival *), "window", &block, err));
    own->arrivals = block;
    CO_TRY(co_alloc(parts, sizeof(void *), "window", &block, err));
    own->part = block;
    size_t whole = co_round_up(bytes, LINE_BYTES) + (size_t)2 * LINE_BYTES;
    CO_TRY(share_part(own, comm, whole, err));
    map_parts(own, comm);
    memset(own->arrivals[comm->host_rank], 0, bytes + LINE_BYTES);
    atomic_store(&own->arrivals[comm->host_rank]->rank, comm->rank);
    return co_mpi_check(MPI_Barrier(mpi_of(comm)->host_comm), "shared memory", err);
}

co_status co_mpi_window_open(co_comm *comm, size_t bytes, co_window **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(mpi_window), "window", &block, err));
    mpi_window *own = block;
    co_status status = allocate(own, comm, bytes, err);
    if (status != CO_OK) {
        co_free(own->memory);
        co_free(own->arrivals);
        co_free(own->part);
        co_free(own);
        return status;
    }
    own->base = (co_window){
        .comm = comm,
        .parts = comm->host_size,
        .part = own->part,
    };
    *out = &own->base;
    return CO_OK;
}

#ifdef CO_COMM_SIM

/* One rank runs at a time: a spinning one would never see the others arrive. */
co_status co_mpi_window_barrier(co_window *window, co_error *err)
{
    return co_mpi_check(MPI_Barrier(mpi_of(window->comm)->host_comm), "barrier", err);
}

#else

/* What that rank was seen at last, and whether the system has stopped it. */
static co_status name_late(const co_comm *comm, const arrival *other, co_error *err)
{
    const int rank = atomic_load(&other->rank);
    const co_pulse *pulse = co_comm_pulse_of(comm, rank);
    char phase[CO_PULSE_PHASE] = "barrier";
    uint64_t step = atomic_load(&other->steps[atomic_load(&other->count) % 2]);
    const char *how = "is it stopped or hung?";
    if (pulse != NULL && atomic_load(&pulse->pid) != 0) {
        step = atomic_load(&pulse->step);
        co_pulse_phase(pulse, phase);
        how = co_process_is_stopped(atomic_load(&pulse->pid)) ? "it is stopped by a signal."
                                                              : "it runs: does it hang?";
    }
    return co_fail(err, CO_PEER,
                   "rank %d (%s) was waited for in step %llu (%s) for %.0f s; it was last seen in "
                   "step %llu (%s): %s",
                   rank, comm->names[comm->rank], (unsigned long long)comm->step, comm->phase,
                   comm->deadline, (unsigned long long)step, phase, how);
}

static co_status late(const mpi_window *own, co_error *err)
{
    const co_comm *comm = own->base.comm;
    for (int i = 0; i < own->base.parts; i++) {
        const arrival *other = own->arrivals[i];
        if (atomic_load(&other->count) < own->barriers) {
            co_status status = name_late(comm, other, err);
            co_comm_tell_calls(comm, err);
            return status;
        }
    }
    return co_mpi_late(comm, -1, err);
}

/* Who has arrived at this barrier came from the same step. */
static co_status compare(const mpi_window *own, const arrival *other, co_error *err)
{
    const co_comm *comm = own->base.comm;
    const uint64_t step = atomic_load_explicit(&other->steps[own->barriers % 2],
                                               memory_order_relaxed);
    if (step == comm->step) {
        return CO_OK;
    }
    return co_fail(err, CO_INTERNAL,
                   "the workers have gone apart: barrier %llu is in step %llu (%s) on rank %d, but "
                   "in step %llu on rank %d, both on %s",
                   (unsigned long long)own->barriers, (unsigned long long)comm->step, comm->phase,
                   comm->rank, (unsigned long long)step, atomic_load(&other->rank),
                   comm->names[comm->rank]);
}

static co_status wait_for(const mpi_window *own, const arrival *other, co_wait *wait, co_error *err)
{
    enum { SPINS_BEFORE_YIELD = 2000 };
    co_comm *comm = own->base.comm;
    for (unsigned spins = 0;
         atomic_load_explicit(&other->count, memory_order_acquire) < own->barriers; spins++) {
        if (spins < SPINS_BEFORE_YIELD) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
            continue;
        }
        sched_yield(); /* on a busy machine a long time: hence the look at the clock each time */
        if (spins % SPINS_BEFORE_YIELD == 0) {
            CO_TRY(co_comm_check(comm, 0, comm->size, err));
        }
        if (co_comm_wait_looks(comm, wait, atomic_load(&other->rank))) {
            return late(own, err);
        }
    }
    return compare(own, other, err);
}

co_status co_mpi_window_barrier(co_window *window, co_error *err)
{
    mpi_window *own = (mpi_window *)window;
    const co_comm *comm = window->comm;
    arrival *mine = own->arrivals[comm->host_rank];
    own->barriers++;
    atomic_store_explicit(&mine->steps[own->barriers % 2], comm->step, memory_order_relaxed);
    atomic_store_explicit(&mine->count, own->barriers, memory_order_release);
    co_wait wait = co_comm_wait_begin(comm);
    for (int i = 0; i < window->parts; i++) {
        CO_TRY(wait_for(own, own->arrivals[i], &wait, err));
    }
    return CO_OK;
}

#endif
