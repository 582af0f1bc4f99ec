/* Workers and how they speak to each other: ranks, collectives, point to point, shared memory
 * inside a host, waiting with a deadline, declared computing time.
 *
 * An engine makes a co_comm: co_comm_single (one worker, no library at all), Open MPI (program
 * cohort) or SimGrid (program cohort-sim); the last two are one source, src/comm/mpi. Nothing
 * above this folder knows MPI. The co_comm belongs to whoever opened it; one thread, the main
 * thread, makes all calls. A buffer that was handed over belongs to the co_comm until the request
 * completes, under a simulation as well: it may not be shared between ranks.
 *
 * Every wait ends: after the deadline with CO_PEER and a message that says who was waited for,
 * in which step and in what. A rank that fails alone ends all others by co_comm_end; where all
 * ranks are at the same place, co_comm_agree tells everybody.
 */
#ifndef CO_COMM_COMM_H
#define CO_COMM_COMM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/status.h"
#include "comm/pulse.h"

typedef struct co_comm co_comm;
typedef struct co_window co_window;

/* An operation under way. Lives with its user until co_comm_wait. */
typedef struct co_request {
    void *handle;
    int peer;     /* -1: a collective */
    bool counted; /* one whose end the pulse has yet to tell */
} co_request;

typedef struct co_comm_ops {
    const char *name; /* "single", "Open MPI", "SimGrid" */
    void (*close)(co_comm *comm);
    void (*end)(co_comm *comm, int code);
    co_status (*broadcast)(co_comm *comm, void *data, size_t bytes, int root, co_error *err);
    co_status (*gather)(co_comm *comm, const void *mine, size_t bytes, void *all, co_error *err);
    co_status (*start_sum)(co_comm *comm, float *data, size_t count, co_request *out,
                           co_error *err);
    co_status (*start_send)(co_comm *comm, const void *data, size_t bytes, int to, int tag,
                            co_request *out, co_error *err);
    co_status (*start_receive)(co_comm *comm, void *data, size_t bytes, int from, int tag,
                               co_request *out, co_error *err);
    co_status (*wait)(co_comm *comm, co_request *requests, int count, co_error *err);
    void (*progress)(co_comm *comm, co_request *requests, int count);
    co_status (*window_open)(co_comm *comm, size_t bytes, co_window **out, co_error *err);
    void (*window_close)(co_window *window);
    co_status (*window_barrier)(co_window *window, co_error *err);
    void (*compute)(co_comm *comm, double seconds);
    co_status (*share_blank)(co_comm *comm, size_t bytes, void **out, co_error *err);
} co_comm_ops;

/* Told what others may want to know, on one rank: that a rank is slow. */
typedef void co_comm_slow(void *user, const char *text);

struct co_comm {
    const co_comm_ops *ops;
    int rank;
    int size;
    int host; /* index of this rank's host, 0..hosts-1, in the order of their lowest ranks; the
               * ranks of a host share memory */
    int hosts;
    int host_rank; /* among the ranks of its host */
    int host_size;
    const int *host_of;                     /* (size) */
    const char (*names)[CO_HOST_NAME_SIZE]; /* (size) host names */
    co_clock clock;                         /* of the engine: virtual time in a simulation */
    bool simulated;
    bool one_process; /* all ranks share one address space */
    bool sizes_only;  /* see co_comm_sizes_only */
    void *blank;      /* then what co_comm_alloc hands out */
    size_t blank_bytes;
    _Atomic uint64_t *last_step; /* likewise of all ranks: see co_comm_stop_after; 0: not known */
    double deadline;             /* seconds that a wait may take; 0: for ever */
    uint64_t step;               /* what this rank is at, for messages: see co_comm_at */
    const char *phase;
    co_pulse *pulse;       /* the same for others to read; never NULL */
    co_pulse own_pulse;    /* where the job has no file of them */
    co_pulses pulses;      /* of the ranks of this job that share a host with its front process */
    co_pulse *heard;       /* (size) what ranks told of themselves in a long wait; or NULL */
    uint64_t chain;        /* of all collectives so far: their kinds, sizes and steps */
    co_comm_slow *on_slow; /* when a wait has become long; NULL: nobody is told */
    void *slow_user;
    uint64_t slow_ns; /* when it was told last */
};

/* Memory that the ranks of one host see: each has a part of its own. */
struct co_window {
    co_comm *comm;
    int parts;         /* ranks on this host */
    void *const *part; /* (parts) by host_rank; part[comm->host_rank] is one's own */
};

/* How a program reaches its workers. Constant. */
typedef struct co_engine {
    const char *name;
    bool simulated;
    bool missing; /* there is none: `open` says how to get one */
    /* Joins the other ranks of a program that was started as one of several. `group`: where a
     * host has more ranks than that, each so many of them count as a host; 0: never. */
    co_status (*open)(int group, co_comm **out, co_error *err);
} co_engine;

/* One worker. Never fails but for memory; no library is touched. */
CO_MUST_CHECK co_status co_comm_single(co_comm **out, co_error *err);
/* Leaves orderly: all ranks must call it. NULL is allowed. */
void co_comm_close(co_comm *comm);
/* Ends all ranks at once with this exit code; does not return where there are others. */
void co_comm_end(co_comm *comm, int code);

/* What messages of waits say from here on; `phase` is a literal of at most 15 characters. Costs a
 * few stores. */
static inline void co_comm_at(co_comm *comm, uint64_t step, const char *phase)
{
    comm->step = step;
    comm->phase = phase;
    co_pulse_at(comm->pulse, step, phase);
}

/* A wait as it goes on. Time in which this rank was stopped itself is no waiting: of what passes
 * between two looks a second counts at most, or a rank that comes back would take the others for
 * lost. */
typedef struct co_wait {
    uint64_t begin_ns;
    uint64_t seen_ns; /* the look before */
    double seconds;
    bool told;
} co_wait;

co_wait co_comm_wait_begin(const co_comm *comm);
/* A look at the clock: true when the deadline is over. `rank` is waited for; -1: all are. After
 * five seconds (half the deadline, where that is less) on_slow is told who is slow, by the lowest
 * rank that waits, and once a minute at most. */
bool co_comm_wait_looks(co_comm *comm, co_wait *wait, int rank);

/* What is known of another rank: NULL when that is nothing. */
const co_pulse *co_comm_pulse_of(const co_comm *comm, int rank);
/* Whether the ranks have gone apart, as far as is known: CO_INTERNAL, naming two of them and what
 * each takes for the same collective. Only those from `first` on, `count` of them. */
CO_MUST_CHECK co_status co_comm_check(const co_comm *comm, int first, int count, co_error *err);
/* Adds to a message which collective every rank has completed last. */
void co_comm_tell_calls(const co_comm *comm, co_error *err);

/* This rank's pulse becomes that of the job's file, where the front process sees it. */
CO_MUST_CHECK co_status co_comm_share_pulse(co_comm *comm, const char *path, co_error *err);

/* Collectives: all ranks call them in the same order with the same sizes. Where one does not, the
 * wait ends with CO_INTERNAL and the names of two ranks: at once inside the host of the front
 * process, after a second between others. */
CO_MUST_CHECK co_status co_comm_barrier(co_comm *comm, co_error *err);
CO_MUST_CHECK co_status co_comm_broadcast(co_comm *comm, void *data, size_t bytes, int root,
                                          co_error *err);
/* all: (size, bytes), in the order of the ranks, on every rank. */
CO_MUST_CHECK co_status co_comm_gather(co_comm *comm, const void *mine, size_t bytes, void *all,
                                       co_error *err);
/* Whether every rank is well: `mine` is this rank's status and *err its message. Where one failed,
 * all return the status of the first one that did, and *err says which rank and what. */
CO_MUST_CHECK co_status co_comm_agree(co_comm *comm, co_status mine, co_error *err);

/* data[i] becomes the sum over the ranks, in whatever order is fast. */
CO_MUST_CHECK co_status co_comm_start_sum(co_comm *comm, float *data, size_t count, co_request *out,
                                          co_error *err);
CO_MUST_CHECK co_status co_comm_start_send(co_comm *comm, const void *data, size_t bytes, int to,
                                           int tag, co_request *out, co_error *err);
CO_MUST_CHECK co_status co_comm_start_receive(co_comm *comm, void *data, size_t bytes, int from,
                                              int tag, co_request *out, co_error *err);
CO_MUST_CHECK co_status co_comm_send(co_comm *comm, const void *data, size_t bytes, int to, int tag,
                                     co_error *err);
CO_MUST_CHECK co_status co_comm_receive(co_comm *comm, void *data, size_t bytes, int from, int tag,
                                        co_error *err);
/* Until all are complete. The requests are then empty; empty ones are allowed. */
CO_MUST_CHECK co_status co_comm_wait(co_comm *comm, co_request *requests, int count, co_error *err);
/* Lets what is under way go on, without waiting. */
void co_comm_progress(co_comm *comm, co_request *requests, int count);

/* In a simulation, all ranks together: from here on memory of co_comm_alloc, up to `bytes`, is one
 * block for all ranks, and only the sizes of messages from and to it count: nothing is copied.
 * Sums take their time and add nothing. Other messages arrive as before. */
CO_MUST_CHECK co_status co_comm_sizes_only(co_comm *comm, size_t bytes, co_error *err);
/* With sizes only no message carries the wish to stop, but all ranks are in one process: one that
 * was asked to says so before it gives its gradient for `step`. The first such step counts: no rank
 * can have left it. */
void co_comm_stop_after(co_comm *comm, uint64_t step);
bool co_comm_stops_after(const co_comm *comm, uint64_t step);
/* Memory for messages, zeroed; co_comm_free. With sizes only its content is nobody's. */
CO_MUST_CHECK co_status co_comm_alloc(co_comm *comm, size_t count, size_t size, const char *what,
                                      void **out, co_error *err);
void co_comm_free(co_comm *comm, void *block); /* NULL is allowed */

/* Collective over the ranks of each host: `bytes` is one's own part, which may be longer than
 * another's. The memory is zeroed, 64-byte aligned. CO_MEMORY with what is missing when the host's
 * shared memory is too small. */
CO_MUST_CHECK co_status co_window_open(co_comm *comm, size_t bytes, co_window **out, co_error *err);
void co_window_close(co_window *window); /* collective; NULL is allowed */
/* All ranks of the host have arrived, and see what the others wrote before. */
CO_MUST_CHECK co_status co_window_barrier(co_window *window, co_error *err);

/* This rank computes for so many seconds of the reference host: virtual time in a simulation,
 * nothing otherwise. */
static inline void co_comm_compute(co_comm *comm, double seconds)
{
    comm->ops->compute(comm, seconds);
}

static inline bool co_comm_alone(const co_comm *comm)
{
    return comm->size == 1;
}

#endif
