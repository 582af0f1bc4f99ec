/* What a rank is at, where the other processes of its host can read it: the front process, which
 * tells who was lost and in what, and ranks that wait for one another.
 *
 * A pulse is a few cache lines that its rank alone writes, in a step with plain stores: it costs
 * nothing. All pulses of a job lie in one file of the job's folder in shared memory. A living rank
 * holds a lock on its byte of that file, which the system drops when it dies, however it does.
 */
#ifndef CO_COMM_PULSE_H
#define CO_COMM_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/status.h"

#define CO_HOST_NAME_SIZE 64

enum { CO_PULSE_PHASE = 16, CO_PULSE_CALLS = 4 };

/* A collective: the sequence number of one is where it stands in the ring of the last ones. */
typedef struct co_pulse_call {
    _Atomic uint64_t what; /* operation and bytes */
    _Atomic uint64_t step;
} co_pulse_call;

typedef struct co_pulse {
    _Atomic uint64_t step;
    _Atomic uint64_t phase[CO_PULSE_PHASE / 8]; /* its name, ended by a zero byte */
    _Atomic uint64_t begun;                     /* collectives, this rank's last one among them */
    _Atomic uint64_t done;                      /* of them */
    _Atomic int pid;                            /* 0: no rank here has joined */
    _Atomic int ended;                          /* mpirun ended it: it did not die first */
    _Atomic uint64_t beats; /* grows while a phase that may last long gets on; any thread */
    _Atomic uint64_t first; /* step that this start of it began with; 0: not yet */
    co_pulse_call calls[CO_PULSE_CALLS]; /* number n at n % CO_PULSE_CALLS */
    char host[CO_HOST_NAME_SIZE];        /* written before pid */
} co_pulse;

_Static_assert(sizeof(co_pulse) == 192, "whole cache lines");

/* `phase` is a literal of at most 15 characters. */
static inline void co_pulse_at(co_pulse *pulse, uint64_t step, const char *phase)
{
    char name[CO_PULSE_PHASE] = {0};
    uint64_t words[CO_PULSE_PHASE / 8];
    const size_t length = strlen(phase);
    memcpy(name, phase, length < CO_PULSE_PHASE ? length : CO_PULSE_PHASE - 1);
    memcpy(words, name, sizeof(words));
    atomic_store_explicit(&pulse->step, step, memory_order_relaxed);
    atomic_store_explicit(&pulse->phase[0], words[0], memory_order_relaxed);
    atomic_store_explicit(&pulse->phase[1], words[1], memory_order_relaxed);
}

/* A phase that may last long (an evaluation, a checkpoint that goes to a slow disk) has got on. */
static inline void co_pulse_beat(co_pulse *pulse)
{
    (void)atomic_fetch_add_explicit(&pulse->beats, 1, memory_order_relaxed);
}

void co_pulse_phase(const co_pulse *pulse, char out[CO_PULSE_PHASE]);

/* What a collective is. */
typedef enum co_call_kind {
    CO_CALL_NONE,
    CO_CALL_BROADCAST,
    CO_CALL_GATHER,
    CO_CALL_SUM,
    CO_CALL_BARRIER,
} co_call_kind;

static inline uint64_t co_call_what(co_call_kind kind, size_t bytes)
{
    return (uint64_t)kind << 56 | ((uint64_t)bytes & (((uint64_t)1 << 56) - 1));
}

/* The rank of this pulse begins its next collective. */
static inline void co_pulse_begin(co_pulse *pulse, uint64_t what, uint64_t step)
{
    uint64_t number = atomic_load_explicit(&pulse->begun, memory_order_relaxed) + 1;
    co_pulse_call *call = &pulse->calls[number % CO_PULSE_CALLS];
    atomic_store_explicit(&call->what, what, memory_order_relaxed);
    atomic_store_explicit(&call->step, step, memory_order_relaxed);
    atomic_store_explicit(&pulse->begun, number, memory_order_release);
}

static inline void co_pulse_done(co_pulse *pulse, uint64_t more)
{
    uint64_t done = atomic_load_explicit(&pulse->done, memory_order_relaxed);
    atomic_store_explicit(&pulse->done, done + more, memory_order_relaxed);
}

enum { CO_CALL_TEXT = 64 };
/* "sum of 400 bytes in step 7"; "another one" where the ring has forgotten it. */
void co_pulse_call_text(const co_pulse *pulse, uint64_t number, char out[CO_CALL_TEXT]);
/* Whether a collective that both remember is not the same for both: *number. */
bool co_pulse_differs(const co_pulse *a, const co_pulse *b, uint64_t *number);

/* The pulses of all ranks of a job; those of other hosts stay zero. */
typedef struct co_pulses {
    co_pulse *ranks; /* (count); NULL: none */
    int count;
    int fd;
} co_pulses;

/* The front process: makes the file, zeroed. */
CO_MUST_CHECK co_status co_pulses_create(const char *path, int count, co_pulses *out,
                                         co_error *err);
/* A rank: opens it. CO_FILE when it is not there. */
CO_MUST_CHECK co_status co_pulses_open(const char *path, co_pulses *out, co_error *err);
/* Also drops this process's mark of life; a zeroed one is allowed. */
void co_pulses_close(co_pulses *pulses);
/* From now on this process counts as that rank. */
CO_MUST_CHECK co_status co_pulses_live(const co_pulses *pulses, int rank, const char *host,
                                       co_error *err);
/* The process that is that rank; 0: there is none (any more). */
pid_t co_pulses_alive(const co_pulses *pulses, int rank);
/* Forgets all ranks, none of which may be alive. */
void co_pulses_clear(const co_pulses *pulses);

/* Whether a process of this host is stopped, as by SIGSTOP. */
bool co_process_is_stopped(pid_t pid);

#endif
