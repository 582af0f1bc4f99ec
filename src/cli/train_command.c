/* cohort train: opens the job, the run folder and the sinks, trains, and leaves a record. */
#include <math.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "cli/cli.h"
#include "cli/launch.h"
#include "cli/workers.h"
#include "co_build.h"
#include "monitor/monitor.h"
#include "monitor/rundir.h"
#include "monitor/sinks.h"
#include "train/weights.h"
#include "train/worker.h"

typedef struct train_command {
    co_cli *cli;
    const co_settings *settings;
    co_comm *comm;
    co_monitor *monitor;
    co_job *job;
    co_rundir *rundir;
    co_train_result result;
    co_outcome outcome;
} train_command;

static co_status open_run_folder(train_command *t, co_error *err)
{
    const co_settings *settings = t->settings;
    char path[4096];
    const char *chosen = settings->run_dir;
    if (chosen == NULL && settings->save_dir != NULL) {
        int length = snprintf(path, sizeof(path), "%s/%s", settings->results_dir,
                              settings->save_dir);
        if (length < 0 || (size_t)length >= sizeof(path)) {
            return co_fail(err, CO_USAGE, "--results-dir and --save-dir: the path is too long");
        }
        chosen = path;
    }
    const co_rundir_options options = {
        .path = chosen,
        .results_dir = settings->results_dir,
        .dataset = co_dataset_describe(t->job->dataset)->name,
        .model = t->job->graph->name,
        .files = &co_files_system,
        .clock = &t->comm->clock,
    };
    return co_rundir_create(&options, &t->rundir, err);
}

/* The hash of the tune file ("" without one): it decides kernels, so it is part of the record. */
static co_status tune_hash(const co_settings *settings, char out[CO_HASH_TEXT_SIZE], co_error *err)
{
    out[0] = '\0';
    if (settings->tune_file == NULL) {
        return CO_OK;
    }
    char *text = NULL;
    size_t bytes = 0;
    CO_TRY(co_file_read(settings->tune_file, (size_t)1 << 24, CO_USAGE, &text, &bytes, err));
    co_hash_text(co_hash_bytes(text, bytes), out);
    co_free(text);
    return CO_OK;
}

static co_status write_environment(train_command *t, co_error *err)
{
    char cpu[128];
    char tune[CO_HASH_TEXT_SIZE];
    struct utsname host;
    co_cli_cpu_name(cpu, sizeof(cpu));
    CO_TRY(tune_hash(t->settings, tune, err));
    if (uname(&host) != 0) {
        memset(&host, 0, sizeof(host));
    }
    const co_entry entries[] = {
        co_entry_text("cohort", CO_BUILD_VERSION),
        co_entry_text("commit", CO_BUILD_COMMIT),
        co_entry_text("compiler", CO_BUILD_COMPILER),
        co_entry_text("build_type", CO_BUILD_TYPE),
        co_entry_text("onednn", CO_BUILD_DNNL),
        co_entry_text("backend", t->job->backend->ops->name),
        co_entry_text("isa", t->job->backend->isa),
        co_entry_integer("threads", co_team_threads(t->job->team)),
        co_entry_text("thread_team", co_team_kind()),
        co_entry_text("tune_file_hash", tune),
        co_entry_text("cpu", cpu),
        co_entry_integer("cpus", co_cpu_count()),
        co_entry_text("system", host.sysname),
        co_entry_text("release", host.release),
        co_entry_text("host", host.nodename),
        co_entry_integer("workers", t->comm->size),
        co_entry_integer("hosts", t->comm->hosts),
        co_entry_text("engine", t->comm->ops->name),
    };
    return co_rundir_write_env(t->rundir, entries, sizeof(entries) / sizeof(entries[0]), err);
}

static co_status write_config(train_command *t, co_error *err)
{
    char *yaml = NULL;
    CO_TRY(co_conf_dump(&t->cli->conf, &yaml, err));
    co_status status = co_rundir_write_config(t->rundir, yaml, err);
    co_free(yaml);
    return status;
}

static co_console console_of(const co_settings *settings)
{
    co_verbosity verbosity = settings->quiet     ? CO_QUIET
                             : settings->verbose ? CO_VERBOSE
                                                 : CO_NORMAL;
    co_console console = co_console_detect(stdout, verbosity);
    if (settings->progress == CO_CONF_PROGRESS_OFF) {
        console.terminal = false;
    }
    if (settings->progress == CO_CONF_PROGRESS_ON) {
        console.terminal = true;
    }
    console.log_interval = (uint64_t)settings->log_interval;
    return console;
}

static co_status add_sinks(train_command *t, co_error *err)
{
    const co_console console = console_of(t->settings);
    co_sink *sink = NULL;
    CO_TRY(co_jsonl_sink(&co_files_system, co_rundir_file(t->rundir, CO_RUN_METRICS), 0,
                         (uint64_t)t->settings->log_interval, &sink, err));
    CO_TRY(co_monitor_add(t->monitor, sink, err));
    CO_TRY(co_textlog_sink(&co_files_system, co_rundir_file(t->rundir, CO_RUN_LOG), &t->comm->clock,
                           &sink, err));
    CO_TRY(co_monitor_add(t->monitor, sink, err));
    CO_TRY(co_console_sink(&console, &sink, err));
    CO_TRY(co_monitor_add(t->monitor, sink, err));
    if (t->settings->quiet) {
        return CO_OK;
    }
    CO_TRY(co_curve_sink(&console, &sink, err));
    return co_monitor_add(t->monitor, sink, err);
}

static void announce_start(const train_command *t)
{
    const co_job *job = t->job;
    co_event event = {.kind = CO_EVENT_RUN_START};
    event.run_start = (co_event_run_start){
        .steps_total = job->steps_total,
        .steps_per_epoch = job->steps_per_epoch,
        .epochs = (uint32_t)t->settings->epochs,
        .batch_size = (uint32_t)t->settings->batch_size,
        .parameters = (uint32_t)co_graph_param_count(job->graph),
        .threads = (uint32_t)co_team_threads(job->team),
    };
    co_event_set_name(event.run_start.dataset, co_dataset_describe(job->dataset)->name);
    co_event_set_name(event.run_start.model, job->graph->name);
    co_announce(co_monitor_announcer(t->monitor), &event);
}

static double images_per_second(const co_train_result *result)
{
    return result->train_seconds > 0.0 ? (double)result->images / result->train_seconds
                                       : (double)NAN;
}

static void announce_end(const train_command *t)
{
    const co_train_result *result = &t->result;
    co_event event = {.kind = CO_EVENT_RUN_END};
    event.run_end = (co_event_run_end){
        .step = result->steps,
        .outcome = t->outcome,
        .epochs = result->epochs,
        .test_accuracy = co_score_accuracy(&result->test),
        .test_loss = co_score_loss(&result->test),
        .images_per_second = images_per_second(result),
    };
    co_announce(co_monitor_announcer(t->monitor), &event);
}

/* What a step waits for other workers and copies between them. */
static double communication_ms(const train_command *t)
{
    return t->result.steps > 0 ? 1e3 * t->job->strategy->exposed_seconds / (double)t->result.steps
                               : (double)NAN;
}

static co_status write_summary(train_command *t, co_error *err)
{
    const co_train_result *result = &t->result;
    const co_entry entries[] = {
        co_entry_text("outcome", co_outcome_name(t->outcome)),
        co_entry_text("dataset", co_dataset_describe(t->job->dataset)->name),
        co_entry_text("model", t->job->graph->name),
        co_entry_integer("parameters", (int64_t)co_graph_param_count(t->job->graph)),
        co_entry_integer("steps", (int64_t)result->steps),
        co_entry_integer("epochs", (int64_t)result->epochs),
        co_entry_integer("images", (int64_t)result->images),
        co_entry_integer("skipped_steps", (int64_t)result->skipped),
        co_entry_number("train_loss", co_score_loss(&result->train)),
        co_entry_number("train_accuracy", co_score_accuracy(&result->train)),
        co_entry_number("val_loss", co_score_loss(&result->validation)),
        co_entry_number("val_accuracy", co_score_accuracy(&result->validation)),
        co_entry_number("test_loss", co_score_loss(&result->test)),
        co_entry_number("test_accuracy", co_score_accuracy(&result->test)),
        co_entry_number("test_accuracy5", co_score_accuracy5(&result->test)),
        co_entry_number("train_seconds", result->train_seconds),
        co_entry_number("img_per_s", images_per_second(result)),
        co_entry_number("communication_ms_per_step", communication_ms(t)),
        co_entry_number("first_step_seconds", result->first_step_seconds),
        co_entry_integer("peak_memory_bytes", (int64_t)co_cli_peak_resident_bytes()),
        co_entry_integer("dropped_events", (int64_t)co_monitor_dropped(t->monitor)),
        co_entry_integer("failed_sinks", (int64_t)co_monitor_failed_sinks(t->monitor)),
    };
    return co_rundir_write_summary(t->rundir, entries, sizeof(entries) / sizeof(entries[0]), err);
}

static co_status save_weights(const train_command *t, co_run_file file, co_error *err)
{
    return co_weights_save(&co_files_system, co_rundir_file(t->rundir, file), t->job->model, err);
}

/* With an average of the weights that is the model, and the weights themselves lie beside it. */
static co_status save_model(const train_command *t, co_error *err)
{
    co_ema *ema = t->job->ema;
    if (ema == NULL) {
        return save_weights(t, CO_RUN_MODEL, err);
    }
    CO_TRY(save_weights(t, CO_RUN_MODEL_RAW, err));
    CO_TRY(co_ema_swap(ema, err));
    co_status status = save_weights(t, CO_RUN_MODEL, err);
    CO_TRY(status);
    return co_ema_swap(ema, err);
}

/* The weights of a run that ended, was stopped, or failed for something other than its numbers
 * (damaged test samples, say): those are good. */
static co_status keep_weights(train_command *t, co_status ended, co_error *err)
{
    if (ended == CO_FAILED || !t->settings->save_model) {
        return CO_OK;
    }
    CO_TRY(co_job_common_stats_begin(t->job, err));
    co_status status = t->comm->rank == 0 ? save_model(t, err) : CO_OK;
    co_job_common_stats_end(t->job);
    return status;
}

/* The rest of the record. It is tried to its end: a run folder must not say "running" for ever. */
static co_status save_record(train_command *t, co_error *err)
{
    announce_end(t);
    co_monitor_stop(t->monitor);
    if (t->comm->rank != 0) {
        return CO_OK; /* the first worker keeps the record */
    }
    co_error status_error = {0};
    co_status summary = write_summary(t, err);
    if (summary != CO_OK) {
        t->outcome = CO_OUTCOME_FAILED;
    }
    co_status status = co_rundir_set_status(t->rundir, t->outcome, &status_error);
    if (summary == CO_OK && status != CO_OK) {
        *err = status_error;
        return status;
    }
    return summary;
}

static co_outcome outcome_of(co_status status)
{
    return status == CO_OK        ? CO_OUTCOME_FINISHED
           : status == CO_STOPPED ? CO_OUTCOME_PREEMPTED
                                  : CO_OUTCOME_FAILED;
}

/* The first fault is the one that is reported; a stop is not a fault. */
static co_status first_fault(co_status before, co_status now, const co_error *now_error,
                             co_error *err)
{
    if (now == CO_OK || (before != CO_OK && before != CO_STOPPED)) {
        return before;
    }
    *err = *now_error;
    return now;
}

/* A worker that fails for what the others cannot know of ends them; it does not come back. Numbers
 * that are not finite and the wish to stop are known to all. */
static void fail_alone(train_command *t, co_status status, const co_error *err)
{
    if (status == CO_OK || status == CO_FAILED || status == CO_STOPPED || co_comm_alone(t->comm)) {
        return;
    }
    t->outcome = CO_OUTCOME_FAILED;
    if (t->comm->rank == 0) {
        co_error ignored = {0};
        (void)!save_record(t, &ignored);
    }
    co_workers_fail_alone(t->comm, err);
}

static co_status train_and_save(train_command *t, co_error *err)
{
    const co_announcer *announcer = co_monitor_announcer(t->monitor);
    announce_start(t);
    co_status status = co_train(t->job, announcer, t->cli->stop, &t->result, err);
    fail_alone(t, status, err);
    co_error later = {0};
    status = first_fault(status, keep_weights(t, status, &later), &later, err);
    t->outcome = outcome_of(status);
    if (t->outcome == CO_OUTCOME_FAILED) {
        co_announce_note(announcer, CO_LEVEL_ERROR, "%s", err->text);
    }
    return first_fault(status, save_record(t, &later), &later, err);
}

static void print_result(const train_command *t)
{
    if (t->comm->rank != 0) {
        return;
    }
    if (t->result.test.rows > 0 && t->outcome == CO_OUTCOME_FINISHED) {
        printf("test accuracy %.2f %%\n", 100.0 * co_score_accuracy(&t->result.test));
    }
    printf("run folder    %s\n", co_rundir_path(t->rundir));
}

static co_status begin_record(train_command *t, co_error *err)
{
    CO_TRY(write_config(t, err));
    CO_TRY(write_environment(t, err));
    return add_sinks(t, err);
}

/* Workers other than the first leave a log of their own beside its: log.3.txt. */
static co_status begin_worker_log(train_command *t, co_error *err)
{
    char path[4096] = "";
    if (t->comm->rank == 0) {
        (void)snprintf(path, sizeof(path), "%s", co_rundir_path(t->rundir));
    }
    CO_TRY(co_comm_broadcast(t->comm, path, sizeof(path), 0, err));
    if (t->comm->rank == 0 || t->comm->simulated) {
        return CO_OK;
    }
    char file[4200];
    co_sink *sink = NULL;
    (void)snprintf(file, sizeof(file), "%s/log.%d.txt", path, t->comm->rank);
    CO_TRY(co_textlog_sink(&co_files_system, file, &t->comm->clock, &sink, err));
    return co_monitor_add(t->monitor, sink, err);
}

static co_status open_record(train_command *t, co_error *err)
{
    co_status status = CO_OK;
    if (t->comm->rank == 0) {
        status = open_run_folder(t, err);
        if (status == CO_OK) {
            co_launch_report_folder(co_rundir_path(t->rundir));
            status = begin_record(t, err);
        }
    }
    CO_TRY(co_comm_agree(t->comm, status, err));
    CO_TRY(co_comm_agree(t->comm, begin_worker_log(t, err), err));
    return co_monitor_start(t->monitor, err);
}

static co_status run(train_command *t, co_error *err)
{
    enum { EVENTS_OF_OTHERS = 64 };
    const co_monitor_options options = {
        .clock = &t->comm->clock,
        .start_ns = t->comm->simulated ? 0 : t->cli->start_ns,
        .rank = (uint32_t)t->comm->rank,
        .inline_drain = t->comm->simulated,
        .events = t->comm->rank > 0 ? EVENTS_OF_OTHERS : 0,
    };
    co_status status = co_monitor_create(&options, &t->monitor, err);
    CO_TRY(co_comm_agree(t->comm, status, err));
    status = co_job_open_worker(t->settings, t->comm, &t->job, err);
    CO_TRY(co_comm_agree(t->comm, status, err));
    status = open_record(t, err);
    if (status != CO_OK) {
        co_error later = {0}; /* the first fault counts, also where this fails the same way */
        if (t->rundir != NULL) {
            (void)!co_rundir_set_status(t->rundir, CO_OUTCOME_FAILED, &later);
        }
        return status;
    }
    status = train_and_save(t, err);
    print_result(t);
    return status;
}

co_status co_cli_train(co_cli *cli, co_error *err)
{
    train_command t = {.cli = cli, .settings = &cli->conf.values};
    bool front = false;
    co_status status = co_workers_join(cli, &t.comm, &front, err);
    if (front) {
        return co_workers_start(cli, err);
    }
    if (status == CO_OK) {
        cli->stop = co_comm_alone(t.comm) || t.comm->simulated
                        ? cli->stop
                        : co_cli_catch_worker_signals(t.comm, co_launch_folder());
        status = run(&t, err);
    }
    co_monitor_destroy(t.monitor);
    co_rundir_destroy(t.rundir);
    co_job_close(t.job);
    if (t.comm != NULL && status != CO_OK) {
        co_workers_tell(t.comm, err);
    }
    co_comm_close(t.comm);
    return status;
}
