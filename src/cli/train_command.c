/* cohort train: opens the job, the run folder and the sinks, trains, and leaves a record. */
#include <math.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/alloc.h"
#include "cli/launch.h"
#include "cli/train_parts.h"
#include "cli/workers.h"
#include "co_build.h"
#include "monitor/sinks.h"
#include "train/environment.h"
#include "train/lanes.h"
#include "train/resume.h"
#include "train/weights.h"

static co_status open_run_folder(train_command *t, co_error *err)
{
    const co_settings *settings = t->settings;
    const co_rundir_options options = {
        .path = t->run_path[0] != '\0' ? t->run_path : NULL,
        .results_dir = co_cli_results_folder(settings, t->results_path, sizeof(t->results_path)),
        .dataset = co_dataset_describe(t->job->dataset)->name,
        .model = t->job->graph->name,
        .reuse = t->continued || co_launch_restarts() > 0,
        .files = &t->disk.files,
        .clock = &t->comm->clock,
    };
    CO_TRY(co_rundir_create(&options, &t->rundir, err));
    if (co_rundir_previous_owner(t->rundir)[0] != '\0') {
        co_announce_note(co_monitor_announcer(t->monitor), CO_LEVEL_NOTE,
                         "process %s, which used the run folder, has died",
                         co_rundir_previous_owner(t->rundir));
    }
    return CO_OK;
}

/* Of the network file; "" without one. */
static void network_hash(const co_job *job, char out[CO_HASH_TEXT_SIZE])
{
    out[0] = '\0';
    if (job->network != NULL) {
        co_hash_text(co_hash_bytes(job->network, job->network_bytes), out);
    }
}

static co_status write_environment(train_command *t, co_error *err)
{
    char cpu[128];
    char tune[CO_HASH_TEXT_SIZE];
    char network[CO_HASH_TEXT_SIZE];
    struct utsname host;
    co_cli_cpu_name(cpu, sizeof(cpu));
    CO_TRY(co_environment_tune_hash(t->settings, tune, err));
    network_hash(t->job, network);
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
        co_entry_text("network_file", t->job->network != NULL ? t->settings->model : ""),
        co_entry_text("network_file_hash", network),
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

/* The run keeps a copy of its network file, so that it can be repeated when that has changed. */
static co_status write_network(train_command *t, co_error *err)
{
    const co_job *job = t->job;
    if (job->network == NULL) {
        return CO_OK;
    }
    return co_file_save(&t->disk.files, co_rundir_file(t->rundir, CO_RUN_NETWORK), job->network,
                        job->network_bytes, err);
}

static co_status write_config(train_command *t, co_error *err)
{
    char copy[] = CO_NETWORK_FILE;
    co_conf conf = t->cli->conf;
    CO_TRY(write_network(t, err));
    if (t->job->network != NULL) {
        conf.values.model = copy;
    }
    CO_TRY(co_conf_dump(&conf, &t->config, err));
    return co_rundir_write_config(t->rundir, t->config, err);
}

static co_console console_of(const co_settings *settings)
{
    co_verbosity verbosity = settings->quiet     ? CO_QUIET
                             : settings->verbose ? CO_VERBOSE
                                                 : CO_NORMAL;
    co_console console = co_console_detect(stdout, verbosity);
    if (console.terminal && !co_launch_on_terminal()) {
        console.terminal = console.color = false;
    }
    if (settings->progress == CO_CONF_PROGRESS_OFF) {
        console.terminal = false;
    }
    if (settings->progress == CO_CONF_PROGRESS_ON) {
        console.terminal = true;
    }
    console.log_interval = (uint64_t)settings->log_interval;
    return console;
}

/* The files that a resumed run cuts back and continues. */
static co_status add_metrics(train_command *t, co_error *err)
{
    const uint64_t interval = (uint64_t)t->settings->log_interval;
    co_sink *sink = NULL;
    CO_TRY(co_jsonl_sink(&t->disk.files, co_rundir_file(t->rundir, CO_RUN_METRICS),
                         co_cli_train_keep(t, CO_RUN_METRICS, "metrics.jsonl"), interval, &sink,
                         err));
    CO_TRY(co_monitor_add(t->monitor, sink, err));
    if (t->settings->csv) {
        CO_TRY(co_csv_sink(&t->disk.files, co_rundir_file(t->rundir, CO_RUN_CSV),
                           co_cli_train_keep(t, CO_RUN_CSV, "metrics.csv"), interval, &sink, err));
        CO_TRY(co_monitor_add(t->monitor, sink, err));
    }
    return CO_OK;
}

/* Room for all that is announced at once: the histograms of a step, the mistakes of an
 * evaluation. */
static co_status add_blobs(train_command *t, const co_blobs **out, co_error *err)
{
    const co_settings *settings = t->settings;
    uint32_t histograms = settings->tb_histograms_every > 0 ? co_histogram_blobs(t->job->graph) : 0;
    uint32_t images = (uint32_t)settings->tb_images;
    size_t image = images > 0 ? co_mistake_bytes(co_dataset_describe(t->job->dataset)) : 0;
    size_t histogram = histograms > 0 ? sizeof(co_histogram) : 0;
    if (histograms + images == 0) {
        return CO_OK;
    }
    return co_monitor_add_blobs(t->monitor, 2 * histograms + images,
                                image > histogram ? image : histogram, out, err);
}

static co_status add_tensorboard(train_command *t, co_error *err)
{
    const co_settings *settings = t->settings;
    const co_blobs *blobs = NULL;
    CO_TRY(add_blobs(t, &blobs, err));
    CO_TRY(co_cli_hparams(settings, &t->hparams, &t->hparam_count, err));
    const co_tensorboard_options options = {
        .files = &t->disk.files,
        .path = co_rundir_file(t->rundir, CO_RUN_TENSORBOARD),
        .clock = &t->comm->clock,
        .keep = co_cli_train_keep(t, CO_RUN_TENSORBOARD, "events.out.tfevents.cohort"),
        .log_interval = (uint64_t)settings->log_interval,
        .s1_names = settings->tensorboard_names == CO_CONF_TENSORBOARD_S1,
        .blobs = blobs,
        .hparams = t->hparams,
        .hparam_count = t->hparam_count,
    };
    co_sink *sink = NULL;
    CO_TRY(co_tensorboard_sink(&options, &sink, err));
    return co_monitor_add(t->monitor, sink, err);
}

static co_status add_sinks(train_command *t, co_error *err)
{
    const co_console console = console_of(t->settings);
    co_sink *sink = NULL;
    CO_TRY(add_metrics(t, err));
    if (t->settings->tensorboard && !t->settings->time_only) {
        CO_TRY(add_tensorboard(t, err));
    }
    CO_TRY(co_textlog_sink(&t->disk.files, co_rundir_file(t->rundir, CO_RUN_LOG), &t->comm->clock,
                           &sink, err));
    CO_TRY(co_monitor_add(t->monitor, sink, err));
    CO_TRY(co_console_sink(&console, &sink, err));
    CO_TRY(co_monitor_add(t->monitor, sink, err));
    if (t->settings->quiet || t->settings->time_only) {
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
        .first_step = t->progress.step,
        .epochs = (uint32_t)t->settings->epochs,
        .batch_size = (uint32_t)t->settings->batch_size,
        .parameters = (uint32_t)co_graph_param_count(job->graph),
        .threads = (uint32_t)co_team_threads(job->team),
    };
    co_event_set_name(event.run_start.dataset, co_dataset_describe(job->dataset)->name);
    co_event_set_name(event.run_start.model, job->graph->name);
    co_announce(co_monitor_announcer(t->monitor), &event);
}

/* What opening the data did, and what the run goes without (--bad-samples skip). */
static void announce_data(const train_command *t)
{
    const char *note = co_dataset_note(t->job->dataset);
    if (note[0] != '\0') {
        co_announce_note(co_monitor_announcer(t->monitor), CO_LEVEL_NOTE, "%s: %.900s",
                         co_dataset_describe(t->job->dataset)->name, note);
    }
    char told[CO_ERROR_SIZE - 64];
    co_text text = co_text_over(told, sizeof(told));
    co_bad_samples_tell(co_dataset_left_out(t->job->dataset), &text);
    if (text.length > 0) {
        co_announce_note(co_monitor_announcer(t->monitor), CO_LEVEL_WARNING, "%s: %s",
                         co_dataset_describe(t->job->dataset)->name, told);
    }
}

static double images_per_second(const co_train_result *result)
{
    return result->train_seconds > 0.0 ? (double)result->images / result->train_seconds
                                       : (double)NAN;
}

/* What a step waits for other workers and copies between them. */
static double communication_ms(const train_command *t)
{
    const co_train_result *result = &t->progress.result;
    return result->communication_steps > 0 && !co_comm_alone(t->comm)
               ? 1e3 * result->communication_seconds / (double)result->communication_steps
               : (double)NAN;
}

static void announce_end(const train_command *t)
{
    const co_train_result *result = &t->progress.result;
    co_event event = {.kind = CO_EVENT_RUN_END};
    event.run_end = (co_event_run_end){
        .step = result->steps,
        .outcome = t->outcome,
        .epochs = result->epochs,
        .test_accuracy = co_score_accuracy(&result->test),
        .test_loss = co_score_loss(&result->test),
        .images_per_second = images_per_second(result),
        .communication_ms = communication_ms(t),
    };
    co_announce(co_monitor_announcer(t->monitor), &event);
}

static co_status write_summary(train_command *t, co_error *err)
{
    const co_train_result *result = &t->progress.result;
    const co_entry entries[] = {
        co_entry_text("outcome", co_outcome_name(t->outcome)),
        co_entry_text("dataset", co_dataset_describe(t->job->dataset)->name),
        co_entry_text("model", t->job->graph->name),
        co_entry_integer("parameters", (int64_t)co_graph_param_count(t->job->graph)),
        co_entry_integer("steps", (int64_t)result->steps),
        co_entry_integer("epochs", (int64_t)result->epochs),
        co_entry_integer("images", (int64_t)result->images),
        co_entry_integer("skipped_steps", (int64_t)result->skipped),
        co_entry_integer("rollbacks", (int64_t)t->progress.rollbacks),
        co_entry_integer("restarts", co_launch_restarts() > 0 ? co_launch_restarts() : 0),
        co_entry_text("restart_reasons", co_launch_reasons()),
        co_entry_integer("left_out_samples", (int64_t)co_dataset_left_out(t->job->dataset)->count),
        co_entry_number("train_loss", co_score_loss(&result->train)),
        co_entry_number("train_accuracy", co_score_accuracy(&result->train)),
        co_entry_number("train_evaluated_loss", co_score_loss(&result->train_evaluated)),
        co_entry_number("train_evaluated_accuracy", co_score_accuracy(&result->train_evaluated)),
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

/* With the statistics that are evaluated; the first worker writes. */
static co_status save_weights(const train_command *t, co_run_file file, co_error *err)
{
    co_job *job = t->job;
    CO_TRY(co_job_common_stats_begin(job, err));
    co_status status = t->comm->rank == 0
                           ? co_weights_save(&t->disk.files, co_rundir_file(t->rundir, file),
                                             job->model, err)
                           : CO_OK;
    co_job_common_stats_end(job);
    return co_comm_agree(t->comm, status, err);
}

/* With an average of the weights that is the model, and the weights themselves lie beside it. */
static co_status save_model(const train_command *t, co_error *err)
{
    if (t->job->ema == NULL) {
        return save_weights(t, CO_RUN_MODEL, err);
    }
    CO_TRY(save_weights(t, CO_RUN_MODEL_RAW, err));
    CO_TRY(co_job_swap_average(t->job, err));
    CO_TRY(save_weights(t, CO_RUN_MODEL, err));
    return co_job_swap_average(t->job, err);
}

/* The weights of a run that ended, was stopped, or failed for something other than its numbers
 * (damaged test samples, say): those are good. */
static co_status keep_weights(train_command *t, co_status ended, co_error *err)
{
    if (ended == CO_FAILED || !t->settings->save_model || t->settings->time_only) {
        return CO_OK;
    }
    co_comm_at(t->comm, t->progress.step, "save");
    return save_model(t, err);
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

/* Whether the other workers do not know that this one ends: numbers that are not finite and the
 * wish to stop they do. */
static bool is_alone(const train_command *t, co_status status)
{
    return !co_comm_alone(t->comm) && status != CO_OK && status != CO_FAILED &&
           status != CO_STOPPED;
}

/* Every worker records; times count from the first one's start. */
static co_status open_timeline(train_command *t, co_track **track, co_error *err)
{
    if (t->settings->timeline == NULL) {
        return CO_OK;
    }
    uint64_t start_ns = t->comm->simulated ? 0 : t->cli->start_ns;
    CO_TRY(co_lanes_align(t->comm, &start_ns, err));
    CO_TRY(co_timeline_create(&t->comm->clock, start_ns, &t->timeline, err));
    return co_timeline_add_track(t->timeline, "training", co_lanes_room(t->comm), track, err);
}

/* A timeline that cannot be written costs the timeline, not the run. Where not all workers come
 * here the first one keeps its own lane. */
static void save_timeline(const train_command *t, co_status trained)
{
    const co_announcer *announcer = co_monitor_announcer(t->monitor);
    const char *path = t->settings->timeline;
    co_error err = {0};
    if (t->timeline == NULL || (is_alone(t, trained) && t->comm->rank > 0)) {
        return;
    }
    co_timeline_stop(t->timeline);
    uint64_t dropped = co_timeline_dropped(t->timeline);
    co_status status = is_alone(t, trained) || co_comm_alone(t->comm)
                           ? co_timeline_save(t->timeline, &co_files_system, path, &err)
                           : co_lanes_save(t->comm, t->timeline, &co_files_system, path, &dropped,
                                           &err);
    if (status != CO_OK) {
        co_announce_note(announcer, CO_LEVEL_WARNING, "no timeline: %s", err.text);
    } else if (dropped > 0 && t->comm->rank == 0) {
        co_announce_note(announcer, CO_LEVEL_WARNING,
                         "the timeline is not complete: %llu spans found no room; see "
                         "--timeline-steps",
                         (unsigned long long)dropped);
    }
}

/* A worker that fails for what the others cannot know of ends them; it does not come back. */
static void fail_alone(train_command *t, co_status status, const co_error *err)
{
    if (!is_alone(t, status)) {
        return;
    }
    t->outcome = CO_OUTCOME_FAILED;
    if (t->comm->rank == 0) {
        co_error ignored = {0};
        (void)!save_record(t, &ignored);
    }
    co_workers_fail_alone(t->comm, err);
}

/* Only the first worker has the console. */
static void tell_slow(void *user, const char *text)
{
    const train_command *t = user;
    co_announce_note(co_monitor_announcer(t->monitor), CO_LEVEL_WARNING, "%s", text);
    if (t->comm->rank > 0) {
        (void)fprintf(stderr, "cohort: warning: %s\n", text);
        (void)fflush(stderr);
    }
}

static co_status train_and_save(train_command *t, co_error *err)
{
    const co_announcer *announcer = co_monitor_announcer(t->monitor);
    announce_start(t);
    announce_data(t);
    const co_train_options options = {
        .announcer = announcer,
        .stop = t->cli->stop,
        .checkpoints = t->settings->time_only ? NULL : t->checkpoints, /* of what? */
        .trace = t->trace,
        .files = &co_files_system,
        .run_dir = t->rundir != NULL ? co_rundir_path(t->rundir) : NULL,
    };
    t->comm->on_slow = tell_slow;
    t->comm->slow_user = t;
    co_status status = co_train_from(t->job, &options, &t->progress, err);
    save_timeline(t, status);
    fail_alone(t, status, err);
    co_error later = {0};
    status = first_fault(status, keep_weights(t, status, &later), &later, err);
    if (t->settings->base_names && t->rundir != NULL) {
        status = first_fault(status, co_cli_train_base_names(t, &later), &later, err);
    }
    t->comm->on_slow = NULL;
    t->outcome = outcome_of(status);
    if (t->outcome == CO_OUTCOME_FAILED) {
        co_announce_note(announcer, CO_LEVEL_ERROR, "%s", err->text);
    }
    return first_fault(status, save_record(t, &later), &later, err);
}

static void print_result(const train_command *t)
{
    const co_score *train = &t->progress.result.train_evaluated;
    if (t->rundir == NULL) {
        return; /* the first worker prints it */
    }
    if (t->settings->time_only) {
        printf("run folder    %s\n", co_rundir_path(t->rundir));
        return;
    }
    if (train->rows > 0 && t->outcome == CO_OUTCOME_FINISHED && t->settings->model_accuracy) {
        printf("train accuracy %.2f %%\n", 100.0 * co_score_accuracy(train));
    }
    if (t->progress.result.test.rows > 0 && t->outcome == CO_OUTCOME_FINISHED) {
        printf("test accuracy %.2f %%\n", 100.0 * co_score_accuracy(&t->progress.result.test));
    }
    printf("run folder    %s\n", co_rundir_path(t->rundir));
    if (t->outcome == CO_OUTCOME_PREEMPTED && t->checkpoints != NULL) {
        printf("go on with    cohort %s --resume %s\n", t->comm->simulated ? "sim" : "train",
               co_rundir_path(t->rundir));
    }
}

/* What the run needs to save itself. All workers together; the first one has the folder. Helper
 * threads know no virtual time. */
static co_status open_checkpoints(train_command *t, co_error *err)
{
    const co_settings *settings = t->settings;
    char folder[CO_TRAIN_PATH_SIZE + 32] = "";
    bool regular = settings->checkpoint_every > 0 || settings->checkpoint_minutes > 0.0;
    if (t->rundir != NULL) {
        (void)snprintf(folder, sizeof(folder), "%s/" CO_CHECKPOINTS_FOLDER,
                       co_rundir_path(t->rundir));
    }
    const co_checkpoint_options options = {
        .files = &co_files_system,
        .announcer = co_monitor_announcer(t->monitor),
        .folder = folder,
        .config = t->config,
        .every = settings->checkpoint_every,
        .minutes = settings->checkpoint_minutes,
        .keep_last = settings->keep_last,
        .failures_max = settings->checkpoint_failures,
        .wait = settings->checkpoint_wait,
        .background = (regular || settings->keep_best > 0) && !t->comm->simulated,
    };
    CO_TRY(co_checkpoints_create(&options, t->job, &t->progress, &t->checkpoints, err));
    if (t->continued && t->progress.step > 0) {
        co_checkpoints_loaded(t->checkpoints);
    }
    if (t->continued && t->rundir != NULL) {
        CO_TRY(co_checkpoint_set_aside(options.files, folder, t->progress.step, options.announcer,
                                       err));
    }
    if (settings->saves_per_epoch == 0 || t->rundir == NULL) {
        return CO_OK;
    }
    return co_trace_open(&co_files_system, co_rundir_file(t->rundir, CO_RUN_WEIGHTS), t->job->model,
                         t->progress.trace_rows, &t->trace, err);
}

static co_status begin_record(train_command *t, co_error *err)
{
    CO_TRY(write_config(t, err));
    return write_environment(t, err);
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
    CO_TRY(co_file_make_folders(&co_files_system, path, err)); /* on a host that has it not */
    CO_TRY(co_textlog_sink(&t->disk.files, file, &t->comm->clock, &sink, err));
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
    CO_TRY(co_comm_agree(t->comm, open_checkpoints(t, err), err));
    CO_TRY(co_comm_agree(t->comm, t->comm->rank == 0 ? add_sinks(t, err) : CO_OK, err));
    CO_TRY(co_comm_agree(t->comm, begin_worker_log(t, err), err));
    return co_comm_agree(t->comm, co_monitor_start(t->monitor, err), err);
}

static co_status run(train_command *t, co_error *err)
{
    enum { EVENTS_OF_OTHERS = 64 };
    co_track *track = NULL;
    co_status status = open_timeline(t, &track, err);
    CO_TRY(co_comm_agree(t->comm, status, err));
    const co_monitor_options options = {
        .clock = &t->comm->clock,
        .start_ns = t->comm->simulated ? 0 : t->cli->start_ns,
        .rank = (uint32_t)t->comm->rank,
        .inline_drain = t->comm->simulated,
        .events = t->comm->rank > 0 ? EVENTS_OF_OTHERS : 0,
        .track = track,
    };
    status = co_monitor_create(&options, &t->monitor, err);
    CO_TRY(co_comm_agree(t->comm, status, err));
    status = co_job_open_worker(t->settings, t->comm, &t->job, err);
    CO_TRY(co_comm_agree(t->comm, status, err));
    status = co_cli_train_begin(t, err);
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
        co_beating_files_open(&co_files_system, t.comm->pulse, &t.disk);
        bool started = !co_comm_alone(t.comm) || co_launch_restarts() >= 0;
        cli->stop = started && !t.comm->simulated ? co_cli_catch_worker_signals(t.comm) : cli->stop;
        status = run(&t, err);
    }
    co_checkpoints_destroy(t.checkpoints); /* its thread may wait for the monitor */
    co_monitor_destroy(t.monitor);
    co_cli_free_hparams(t.hparams, t.hparam_count);
    co_trace_close(t.trace);
    co_rundir_destroy(t.rundir);
    co_free(t.config);
    co_job_close(t.job);
    co_timeline_destroy(t.timeline); /* the job's threads may have used it */
    if (t.comm != NULL && status != CO_OK) {
        co_workers_tell(t.comm, err);
    }
    co_cli_release_worker_signals();
    co_comm_close(t.comm);
    return status;
}
