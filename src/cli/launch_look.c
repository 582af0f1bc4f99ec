/* The front process looks at the workers' pulses: do they get on? */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "cli/launch_parts.h"

#define GRACE_SECONDS 20.0 /* for workers that were asked to stop and show nothing new */
#define LOOK_SECONDS  1.0  /* a longer gap between two looks is not theirs */

/* A part of a step that takes so many times as long as any before it hangs. */
static const double much_longer = 10.0;

static double now(void)
{
    return (double)co_clock_ns(&co_clock_system) / 1e9;
}

const co_pulse *co_launch_pulse_of(const co_launch *launch, int rank)
{
    const co_pulse *pulse = rank >= 0 && rank < launch->pulses.count ? &launch->pulses.ranks[rank]
                                                                     : NULL;
    return pulse != NULL && atomic_load(&pulse->pid) != 0 ? pulse : NULL;
}

static int visible(const co_launch *launch)
{
    int count = 0;
    for (int rank = 0; rank < launch->workers; rank++) {
        count += co_launch_pulse_of(launch, rank) != NULL;
    }
    return count;
}

int co_launch_joined(const co_launch *launch)
{
    return launch->hosts != NULL ? launch->workers : visible(launch);
}

unsigned long long co_launch_furthest_step(const co_launch *launch)
{
    unsigned long long furthest = 0;
    for (int rank = 0; rank < launch->workers; rank++) {
        const co_pulse *pulse = co_launch_pulse_of(launch, rank);
        unsigned long long step = pulse != NULL ? atomic_load(&pulse->step) : 0;
        furthest = step > furthest ? step : furthest;
    }
    return furthest;
}

void co_launch_put_place(co_text *text, const co_pulse *pulse)
{
    char phase[CO_PULSE_PHASE];
    unsigned long long step = atomic_load(&pulse->step);
    co_pulse_phase(pulse, phase);
    if (step == 0) {
        co_text_printf(text, " before its first step (%s)", phase);
    } else {
        co_text_printf(text, " in step %llu (%s)", step, phase);
    }
}

static bool is_one_of(const co_pulse *pulse, const char *const *names, size_t count)
{
    char phase[CO_PULSE_PHASE];
    co_pulse_phase(pulse, phase);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(phase, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool co_launch_takes_long(const co_launch *launch)
{
    static const char *const names[] = {"checkpoint", "save", "timeline", "evaluation"};
    for (int rank = 0; rank < launch->workers; rank++) {
        const co_pulse *pulse = co_launch_pulse_of(launch, rank);
        if (pulse != NULL && is_one_of(pulse, names, sizeof(names) / sizeof(names[0]))) {
            return true;
        }
    }
    return visible(launch) == 0; /* all are on other hosts: nobody knows */
}

/* Not the next batch, which may come from far away. */
static bool computes(const co_launch *launch)
{
    static const char *const names[] = {"forward", "backward", "reduce", "update", "batch norm"};
    for (int rank = 0; rank < launch->workers; rank++) {
        const co_pulse *pulse = co_launch_pulse_of(launch, rank);
        if (pulse != NULL && !is_one_of(pulse, names, sizeof(names) / sizeof(names[0]))) {
            return false;
        }
    }
    return visible(launch) > 0;
}

static uint64_t hash_of(const co_launch *launch)
{
    uint64_t sum = 0;
    for (int rank = 0; rank < launch->workers; rank++) {
        const co_pulse *pulse = co_launch_pulse_of(launch, rank);
        if (pulse == NULL) {
            continue;
        }
        const uint64_t facts[] = {
            (uint64_t)rank,
            atomic_load(&pulse->step),
            atomic_load(&pulse->phase[0]),
            atomic_load(&pulse->phase[1]),
            atomic_load(&pulse->beats),
            atomic_load(&pulse->done),
        };
        sum += co_hash_bytes(facts, sizeof(facts)).low;
    }
    return sum;
}

static bool all_stopped(const co_launch *launch)
{
    for (int rank = 0; rank < launch->workers; rank++) {
        const co_pulse *pulse = co_launch_pulse_of(launch, rank);
        if (pulse == NULL || !co_process_is_stopped(atomic_load(&pulse->pid))) {
            return false;
        }
    }
    return true;
}

void co_launch_look(const co_launch *launch, co_look *look)
{
    const uint64_t pulses = hash_of(launch);
    look->seconds = look->at > 0.0 ? fmin(now() - look->at, LOOK_SECONDS) : 0.0;
    look->at = now();
    look->changed = pulses != look->pulses;
    look->pulses = pulses;
    if (look->changed) {
        look->longest = look->in_step ? fmax(look->longest, look->still + look->seconds)
                                      : look->longest;
        look->in_step = computes(launch);
        look->still = 0.0;
        look->stopped = 0.0;
        return;
    }
    look->still += look->seconds;
    look->stopped = all_stopped(launch) ? look->stopped + look->seconds : 0.0;
}

/* Which may last long. */
static bool is_past_first_step(const co_launch *launch)
{
    const co_pulse *pulse = co_launch_pulse_of(launch, 0);
    const uint64_t first = pulse != NULL ? atomic_load(&pulse->first) : 0;
    return first > 0 && atomic_load(&pulse->step) > first;
}

bool co_launch_hangs(const co_launch *launch, const co_look *look, co_ended *out)
{
    const double deadline = launch->cli->conf.values.deadline;
    const bool stopped = look->stopped >= deadline;
    const bool hangs = launch->workers == 1 && look->in_step && is_past_first_step(launch) &&
                       look->still >= fmax(deadline, much_longer * look->longest);
    if (deadline <= 0.0 || launch->hosts != NULL || (!stopped && !hangs)) {
        return false;
    }
    *out = (co_ended){
        .code = CO_PEER,
        .hung = true,
        .hung_seconds = stopped ? look->stopped : look->still,
        .hung_stopped = stopped,
    };
    return true;
}

double co_launch_patience(const co_launch *launch, const co_look *look)
{
    const double deadline = launch->cli->conf.values.deadline;
    if (launch->asked > 1) {
        return GRACE_SECONDS;
    }
    if (!co_launch_takes_long(launch)) {
        return fmax(GRACE_SECONDS, 3.0 * look->longest);
    }
    return deadline > 0.0 ? fmax(GRACE_SECONDS, deadline) : (double)INFINITY;
}
