/* Waiting for other ranks: how long it has lasted, and who is told when that is long. */
#include <string.h>

#include "base/text.h"
#include "comm/comm.h"

#define COUNTED_S    1.0  /* of the time between two looks at the clock */
#define SLOW_S       5.0  /* of waiting: somebody is told */
#define TOLD_AGAIN_S 60.0 /* after that */

static double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) / 1e9;
}

co_wait co_comm_wait_begin(const co_comm *comm)
{
    const uint64_t now_ns = co_clock_ns(&comm->clock);
    return (co_wait){.begin_ns = now_ns, .seen_ns = now_ns};
}

static bool is_stopped(const co_comm *comm, int rank)
{
    const bool near = rank != comm->rank && rank < comm->pulses.count;
    const co_pulse *pulse = near ? co_comm_pulse_of(comm, rank) : NULL;
    return near && pulse == &comm->pulses.ranks[rank] &&
           co_process_is_stopped(atomic_load(&pulse->pid));
}

/* It has come as far as this rank, and so waits too. */
static bool is_as_far(const co_comm *comm, int rank)
{
    char phase[CO_PULSE_PHASE];
    const co_pulse *pulse = co_comm_pulse_of(comm, rank);
    if (pulse == NULL || atomic_load(&pulse->step) != comm->step) {
        return false;
    }
    co_pulse_phase(pulse, phase);
    return strcmp(phase, comm->phase) == 0;
}

/* Who is seen to be less far than this rank; -1: nobody. */
static int who_is_back(const co_comm *comm)
{
    for (int other = 0; other < comm->size; other++) {
        if (other != comm->rank && co_comm_pulse_of(comm, other) != NULL &&
            !is_as_far(comm, other)) {
            return other;
        }
    }
    return -1;
}

/* A rank that is stopped, for which the one waited for may be waiting; or that one, or whom it
 * waits for; or, of a collective, the first one that has not come to it. -1: not known. */
static int who_is_slow(const co_comm *comm, int rank)
{
    for (int other = 0; other < comm->size; other++) {
        if (is_stopped(comm, other)) {
            return other;
        }
    }
    const uint64_t begun = atomic_load(&comm->pulse->begun);
    for (int other = 0; other < comm->size && rank < 0; other++) {
        const co_pulse *pulse = co_comm_pulse_of(comm, other);
        rank = pulse != NULL && atomic_load(&pulse->begun) < begun ? other : rank;
    }
    return rank >= 0 && is_as_far(comm, rank) ? who_is_back(comm) : rank;
}

static void put_slow(co_text *text, const co_comm *comm, double seconds, int rank)
{
    char phase[CO_PULSE_PHASE];
    if (rank < 0) {
        co_text_printf(text, "rank %d (%s) has waited %.0f s for the others", comm->rank,
                       comm->names[comm->rank], seconds);
    } else {
        co_text_printf(text, "rank %d (%s) is slow: the others have waited %.0f s for it", rank,
                       comm->names[rank], seconds);
    }
    co_text_printf(text, " in step %llu (%s)", (unsigned long long)comm->step, comm->phase);
    const co_pulse *pulse = rank >= 0 ? co_comm_pulse_of(comm, rank) : NULL;
    if (pulse != NULL) {
        co_pulse_phase(pulse, phase);
        co_text_printf(text, "; it is in step %llu (%s)%s",
                       (unsigned long long)atomic_load(&pulse->step), phase,
                       is_stopped(comm, rank) ? ", stopped by a signal" : "");
    }
}

/* All ranks wait for one: the first of them tells. */
static void tell(co_comm *comm, double seconds, int rank)
{
    char line[CO_ERROR_SIZE];
    const int slow = who_is_slow(comm, rank);
    const uint64_t now_ns = co_clock_ns(&comm->clock);
    if (comm->on_slow == NULL || comm->rank != (slow == 0 ? 1 : 0) ||
        (comm->slow_ns != 0 && seconds_between(comm->slow_ns, now_ns) < TOLD_AGAIN_S)) {
        return;
    }
    comm->slow_ns = now_ns;
    co_text text = co_text_over(line, sizeof(line));
    put_slow(&text, comm, seconds, slow);
    comm->on_slow(comm->slow_user, line);
}

bool co_comm_wait_looks(co_comm *comm, co_wait *wait, int rank)
{
    const uint64_t now_ns = co_clock_ns(&comm->clock);
    const double passed = seconds_between(wait->seen_ns, now_ns);
    const double half = comm->deadline / 2;
    wait->seen_ns = now_ns;
    wait->seconds += passed < COUNTED_S ? passed : COUNTED_S;
    if (!wait->told && wait->seconds > (half > 0.0 && half < SLOW_S ? half : SLOW_S)) {
        wait->told = true;
        tell(comm, wait->seconds, rank);
    }
    return comm->deadline > 0.0 && wait->seconds > comm->deadline;
}
