/* What became of one start of the workers: who was lost, where, in what, or who told it already. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/launch_parts.h"

/* The workers that had time to say so when mpirun ended them did not die first. */
static int silent_rank(const co_launch *launch)
{
    int ended = 0;
    int silent = -1;
    for (int rank = 0; rank < launch->workers; rank++) {
        const co_pulse *pulse = co_launch_pulse_of(launch, rank);
        bool spoke = pulse != NULL && atomic_load(&pulse->ended) != 0;
        ended += spoke;
        silent = !spoke && silent < 0 ? rank : silent;
    }
    return ended > 0 || launch->workers == 1 ? silent : -1;
}

static bool any_joined(const co_launch *launch)
{
    for (int rank = 0; rank < launch->workers; rank++) {
        if (co_launch_pulse_of(launch, rank) != NULL) {
            return true;
        }
    }
    return false;
}

/* "rank 2 (host) was lost in step 17 (backward)" */
static void put_lost(co_text *text, const co_launch *launch, int rank)
{
    const co_pulse *pulse = co_launch_pulse_of(launch, rank);
    if (pulse != NULL) {
        co_text_printf(text, "rank %d (%s) was lost", rank, pulse->host);
        co_launch_put_place(text, pulse);
        return;
    }
    co_text_printf(text, "rank %d (%s) was lost", rank,
                   launch->ear.lost_host[0] != '\0' ? launch->ear.lost_host : "another host");
    if (co_launch_furthest_step(launch) > 0) {
        co_text_printf(text, " when others were in step %llu", co_launch_furthest_step(launch));
    }
}

static void put_signal(co_text *text, const char *before, int number)
{
    co_text_printf(text, "%s killed by signal %d (%s)", before, number, strsignal(number));
}

static void judge_killed(const co_launch *launch, const co_ended *ended, co_text *text)
{
    const co_ear *ear = &launch->ear;
    int rank = ear->lost_rank >= 0 ? ear->lost_rank : silent_rank(launch);
    if (ended->killed && launch->workers > 1) {
        put_signal(text, "the workers were lost: mpirun was", ended->code - 128);
        return;
    }
    if (rank < 0) {
        co_text_put(text, "a worker was lost");
    } else {
        put_lost(text, launch, rank);
    }
    put_signal(text, ":", ear->lost_signal > 0 ? ear->lost_signal : ended->code - 128);
    co_text_put(text, launch->workers > 1 ? "; the other workers were ended" : "");
}

static void judge_hung(const co_launch *launch, const co_ended *ended, co_text *text)
{
    put_lost(text, launch, 0);
    if (launch->workers > 1) {
        co_text_printf(text, ": all %d workers are", launch->workers);
    }
    co_text_printf(text, "%s for %.0f s (--deadline); %s ended",
                   ended->hung_stopped
                       ? launch->workers > 1 ? " stopped by a signal" : ": stopped by a signal"
                       : ": it hangs there",
                   ended->hung_seconds, launch->workers > 1 ? "they were" : "it was");
}

/* mpirun lost a host, or itself. */
static void judge_mpirun(const co_launch *launch, const co_ended *ended, co_verdict *out,
                         co_text *text)
{
    const co_ear *ear = &launch->ear;
    out->status = CO_PEER;
    if (ear->refused[0] != '\0' && launch->run[0] == '\0') {
        co_text_printf(
            text,
            "a host of --hosts (%.200s) cannot be reached: %s: try ssh to it by hand; it "
            "must ask nothing",
            launch->hosts != NULL ? launch->hosts : "", ear->refused);
        return;
    }
    if (ear->held_length > 0) {
        (void)fputs(ear->held, stderr); /* it knows more */
    }
    if (launch->run[0] == '\0') {
        co_text_printf(text, "mpirun ended with code %d before the workers began: %s", ended->code,
                       launch->hosts == NULL
                           ? "it says why above; does `mpirun -n 2 true` work here?"
                           : "is every host there, with ssh that asks nothing, and the program "
                             "under the same path?");
        return;
    }
    out->lost = true;
    if (ear->lost_node[0] != '\0') {
        co_text_printf(text, "the host %s was lost when others were in step %llu", ear->lost_node,
                       co_launch_furthest_step(launch));
    } else if (ear->lost_rank >= 0) {
        put_lost(text, launch, ear->lost_rank);
        co_text_printf(text, ": it ended with code %d", ended->code);
    } else {
        co_text_printf(text, "mpirun ended with code %d and does not say why", ended->code);
    }
}

/* All may be saved already: then the code of an mpirun that was killed as it ended, or crashed,
 * means nothing. */
static void judge_asked(const co_launch *launch, const co_ended *ended, co_verdict *out,
                        co_text *text)
{
    out->told = co_launch_run_preempted(launch);
    out->status = out->told                        ? CO_STOPPED
                  : co_launch_failure(launch) != 0 ? (co_status)co_launch_failure(launch)
                  : ended->code > 128              ? (co_status)ended->code
                                                   : (co_status)(128 + SIGTERM);
    co_text_put(text, "the workers were ended at once, before they had saved their last steps");
}

static bool told(const co_launch *launch)
{
    char word[16];
    co_launch_read_word(launch->folder, "told", word, sizeof(word));
    return word[0] != '\0' || co_launch_failure(launch) != 0 || launch->ear.said[0] != '\0' ||
           launch->workers == 1;
}

void co_launch_judge(co_launch *launch, const co_ended *ended, co_verdict *out)
{
    *out = (co_verdict){.status = (co_status)ended->code};
    co_text text = co_text_over(out->text, sizeof(out->text));
    const bool by_signal = ended->code > 128 && ended->code <= 128 + SIGRTMAX;
    if (ended->hung) {
        out->status = CO_PEER;
        out->lost = true;
        judge_hung(launch, ended, &text);
    } else if (ended->early) {
        out->status = CO_STOPPED;
        co_text_put(&text, "stopped by a signal before the workers began");
    } else if (ended->code == 0) {
        out->told = true;
    } else if (launch->asked > 1 || (launch->asked > 0 && co_launch_run_preempted(launch))) {
        judge_asked(launch, ended, out, &text);
    } else if (launch->ear.unread) { /* mpirun may crash as it ends for that */
        out->status = CO_PEER;
        co_text_put(&text,
                    "nobody reads the standard output any more (a pipe was closed), and mpirun "
                    "ended the workers: send it into a file, or use --quiet");
    } else if (ended->late) {
        if (launch->ear.held_length > 0) {
            (void)fputs(launch->ear.held, stderr);
        }
        co_text_printf(
            &text, "no worker began within %.0f s (--deadline, 30 s at least): mpirun was ended",
            co_launch_start_deadline(launch));
    } else if (by_signal && co_launch_failure(launch) == 0) {
        out->status = CO_PEER;
        out->lost = any_joined(launch) || launch->run[0] != '\0';
        judge_killed(launch, ended, &text);
    } else if (ended->code == 127 && launch->workers > 1) {
        out->status = CO_UNSUPPORTED;
        co_text_put(&text, "mpirun is not there: several workers need Open MPI (Debian: "
                           "openmpi-bin); run tools/setup.sh mpi");
    } else if (!told(launch)) {
        judge_mpirun(launch, ended, out, &text);
    } else {
        out->told = true;
        out->lost = ended->code == CO_PEER;
        co_text_put(&text, launch->ear.said[0] != '\0' ? launch->ear.said : "a worker was lost");
    }
}
