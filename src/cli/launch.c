/* The front process: starts the workers, and starts them again when one is lost. */
#include "cli/launch.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/threads.h"
#include "cli/launch_parts.h"

static void warn_of_crowd(const co_launch *launch)
{
    const int threads = co_launch_threads_each(launch);
    if (launch->hosts == NULL && launch->workers > co_cpu_count()) {
        (void)fprintf(stderr,
                      "cohort: warning: %d workers share %d processor%s: they slow each other "
                      "down\n",
                      launch->workers, co_cpu_count(), co_cpu_count() == 1 ? "" : "s");
    }
    if (launch->hosts == NULL && launch->workers <= co_cpu_count() &&
        launch->workers > co_cpu_count() / threads) {
        (void)fprintf(
            stderr,
            "cohort: warning: %d worker%s with %d threads each share %d processor%s: they "
            "slow each other down\n",
            launch->workers, launch->workers == 1 ? "" : "s", threads, co_cpu_count(),
            co_cpu_count() == 1 ? "" : "s");
    }
    if (launch->hosts != NULL && launch->workers > co_conf_places(launch->hosts)) {
        (void)fprintf(
            stderr,
            "cohort: warning: %d workers on hosts that have places for %ld (%.300s): they "
            "may slow each other down\n",
            launch->workers, co_conf_places(launch->hosts), launch->hosts);
    }
    (void)fflush(NULL);
}

static co_status run_once(co_launch *launch, co_verdict *out, co_error *err)
{
    co_words *words = NULL;
    co_ended ended = {0};
    CO_TRY(co_launch_open_place(launch, err));
    CO_TRY(co_launch_words(launch, &words, err));
    co_status status = co_launch_run(launch, co_words_list(words), launch->workers > 1, &ended,
                                     err);
    co_free(words);
    co_launch_find_run(launch);
    if (status == CO_OK) {
        co_launch_judge(launch, &ended, out);
    }
    co_launch_sweep_place(launch);
    return status;
}

static bool may_start_again(const co_launch *launch, const co_verdict *verdict)
{
    /* A host that died takes the start after its death with it. */
    bool lost = verdict->lost || (launch->restarts > 0 && verdict->status == CO_PEER);
    return lost && launch->asked == 0 && !co_launch_run_finished(launch) &&
           launch->restarts < launch->cli->conf.values.max_restarts;
}

/* "restart 1 of 3: rank 2 (host) was lost in step 17 (backward); resuming from step 10" */
static void tell_restart(co_launch *launch, const co_verdict *verdict)
{
    char line[CO_ERROR_SIZE];
    unsigned long long step = 0;
    co_text text = co_text_over(line, sizeof(line));
    co_text_printf(&text, "restart %d of %d: %.700s; ", launch->restarts,
                   launch->cli->conf.values.max_restarts, verdict->text);
    if (co_launch_newest_step(launch, &step)) {
        co_text_printf(&text, "resuming from step %llu", step);
    } else {
        co_text_put(&text, "there is no checkpoint yet: starting from the beginning");
    }
    (void)fprintf(stderr, "cohort: %s\n", line);
    co_launch_log(launch, line);
    size_t used = strlen(launch->reasons);
    co_text reasons = co_text_over(launch->reasons + used, sizeof(launch->reasons) - used);
    co_text_printf(&reasons, "%s%.300s", used > 0 ? " | " : "", verdict->text);
}

/* A start that did not come as far as the workers is not tried again at once. */
static bool pause_before_next(co_launch *launch)
{
    return co_launch_pause(launch,
                           co_launch_failure(launch) == 0 && launch->run[0] == '\0' ? 2.0 : 0.0);
}

static co_status give_verdict(const co_launch *launch, const co_verdict *verdict, co_error *err)
{
    const int most = launch->cli->conf.values.max_restarts;
    if (verdict->lost && launch->restarts > 0 && launch->restarts == most) {
        char line[CO_ERROR_SIZE];
        (void)snprintf(line, sizeof(line), "given up after %d restart%s: %.900s", most,
                       most == 1 ? "" : "s", verdict->text);
        co_launch_log(launch, line);
        return co_fail(err, verdict->status, "%s", line);
    }
    err->text[0] = '\0';
    return verdict->told ? verdict->status : co_fail(err, verdict->status, "%s", verdict->text);
}

static co_status run(co_launch *launch, co_error *err)
{
    co_verdict verdict = {0};
    CO_TRY(co_launch_block_signals(launch, err));
    co_launch_sweep_dead_jobs();
    CO_TRY(co_launch_open_folder(launch, err));
    CO_TRY(co_launch_watch(launch, err));
    CO_TRY(run_once(launch, &verdict, err));
    while (may_start_again(launch, &verdict)) {
        launch->restarts++;
        tell_restart(launch, &verdict);
        if (pause_before_next(launch)) {
            return co_fail(err, CO_STOPPED, "stopped by a signal before restart %d",
                           launch->restarts);
        }
        CO_TRY(run_once(launch, &verdict, err));
    }
    return give_verdict(launch, &verdict, err);
}

co_status co_launch_workers(const co_cli *cli, co_error *err)
{
    co_launch launch = {
        .cli = cli,
        .workers = cli->conf.values.workers,
        .hosts = cli->conf.values.hosts,
        .ear = {.fd = -1},
        .signals = -1,
        .held = -1,
    };
    warn_of_crowd(&launch);
    co_status status = run(&launch, err);
    co_launch_close_run(&launch);
    co_launch_close_folder(&launch);
    co_launch_end_watch(&launch);
    return status;
}
