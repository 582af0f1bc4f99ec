#include "train/checkpoint.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "comm/beating_files.h"
#include "train/environment.h"

enum { PATH_SIZE = 4096, LOW_PRIORITY = 10, SPANS = 1 << 12 };

#define MARK_SECONDS 60.0 /* for the sinks to bring their files to the disk */

typedef enum order { ORDER_NONE, ORDER_CHECKPOINT, ORDER_MODEL } order;

/* What the thread is told, and what came of it. */
typedef struct task {
    order order;
    uint64_t step;
    uint64_t mark;
    char path[PATH_SIZE]; /* of the checkpoint's folder, or the model's file */
    char old[PATH_SIZE];  /* a model's file to remove afterwards; "": none */
    co_status status;
    co_error fault;
    co_status prune_status;
    co_error prune_fault;
    uint64_t bytes;
    double seconds;
} task;

struct co_checkpoints {
    co_checkpoint_options options;
    co_beating_files files;
    char *folder;
    char *config;
    char *environment;
    char *workers;         /* what there is to say of several; NULL with one */
    co_job *job;           /* borrowed */
    co_progress *progress; /* borrowed */
    co_snapshot *snapshot;
    uint64_t marks;      /* made so far */
    uint64_t saved_step; /* of the newest one; valid when `saved` */
    bool saved;
    double saved_seconds; /* when the last one was begun */
    int failures;         /* in a row */
    task task;            /* the thread's while `busy`, else ours */
    bool thread_started;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ordered;    /* under mutex */
    bool closing;    /* under mutex */
    co_track *track; /* the thread's, else ours; NULL without a timeline */
    atomic_bool busy;
    bool unread; /* the task's outcome has not been told yet */
};

/* --- writing: in the thread, or in the caller ------------------------------------------ */

static co_status fill_commit(co_checkpoints *c, co_commit *commit, co_error *err)
{
    co_mark_files files = {0};
    CO_TRY(co_commit_bytes(commit, "config.yaml", c->config, strlen(c->config), err));
    if (c->job->network != NULL) { /* which the settings name */
        CO_TRY(
            co_commit_bytes(commit, CO_NETWORK_FILE, c->job->network, c->job->network_bytes, err));
    }
    CO_TRY(co_commit_bytes(commit, "environment", c->environment, strlen(c->environment), err));
    if (c->workers != NULL) {
        CO_TRY(co_commit_bytes(commit, CO_WORKERS_FILE, c->workers, strlen(c->workers), err));
    }
    uint64_t begin = co_track_now(c->track);
    CO_TRY(co_announce_collect(c->options.announcer, c->task.mark, MARK_SECONDS, &files, err));
    co_track_end(c->track, begin, "checkpoint", "wait for the sinks");
    return co_snapshot_write(c->snapshot, commit, &files, err);
}

static co_status write_checkpoint(co_checkpoints *c, co_error *err)
{
    co_commit *commit = NULL;
    CO_TRY(co_commit_begin(&c->files.files, c->task.path, &commit, err));
    co_status status = fill_commit(c, commit, err);
    if (status != CO_OK) {
        co_commit_abandon(commit);
        return status;
    }
    return co_commit_finish(commit, c->task.step, &c->task.bytes, err);
}

static void do_task(co_checkpoints *c)
{
    task *t = &c->task;
    double start = co_announce_seconds(c->options.announcer);
    uint64_t begin = co_track_now(c->track);
    if (t->order == ORDER_MODEL) {
        t->status = co_snapshot_write_model(c->snapshot, &c->files.files, t->path, &t->fault);
        if (t->status == CO_OK && t->old[0] != '\0') {
            (void)c->files.files.unlink(c->files.files.context, t->old);
        }
    } else {
        t->status = write_checkpoint(c, &t->fault);
        t->prune_status = CO_OK;
        if (t->status == CO_OK) {
            t->prune_status = co_checkpoint_prune(&c->files.files, c->folder, t->step,
                                                  c->options.keep_last - 1, &t->prune_fault);
        }
    }
    co_track_end_value(c->track, begin, "checkpoint",
                       t->order == ORDER_MODEL ? "write model" : "write", "step", t->step);
    t->seconds = co_announce_seconds(c->options.announcer) - start;
}

/* The training must not wait for the processor because of us. */
static void lower_priority(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), LOW_PRIORITY);
}

static void *writer_main(void *context)
{
    co_checkpoints *c = context;
    lower_priority();
    pthread_mutex_lock(&c->mutex);
    for (;;) {
        while (!c->ordered && !c->closing) {
            pthread_cond_wait(&c->changed, &c->mutex);
        }
        if (!c->ordered) {
            break;
        }
        pthread_mutex_unlock(&c->mutex);
        do_task(c);
        pthread_mutex_lock(&c->mutex);
        c->ordered = false;
        atomic_store(&c->busy, false);
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

/* --- the training thread's side -------------------------------------------------------- */

static void start_task(co_checkpoints *c)
{
    c->unread = true;
    if (!c->thread_started) {
        do_task(c);
        return;
    }
    atomic_store(&c->busy, true);
    pthread_mutex_lock(&c->mutex);
    c->ordered = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mutex);
}

static void wait_idle(co_checkpoints *c)
{
    if (!c->thread_started) {
        return;
    }
    pthread_mutex_lock(&c->mutex);
    while (c->ordered) {
        pthread_cond_wait(&c->changed, &c->mutex);
    }
    pthread_mutex_unlock(&c->mutex);
}

/* Until the thread is idle (true), for a second at most: much shorter than the deadline. */
static bool wait_a_little(co_checkpoints *c)
{
    const double deadline = c->job->comm->deadline;
    const double seconds = deadline > 0.0 && deadline < 4.0 ? deadline / 4.0 : 1.0;
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    const double end = (double)until.tv_nsec / 1e9 + seconds;
    until.tv_sec += (time_t)end;
    until.tv_nsec = (long)((end - floor(end)) * 1e9);
    int error = 0;
    pthread_mutex_lock(&c->mutex);
    while (c->ordered && error == 0) {
        error = pthread_cond_timedwait(&c->changed, &c->mutex, &until);
    }
    bool idle = !c->ordered;
    pthread_mutex_unlock(&c->mutex);
    return idle;
}

/* The first worker: until the thread is idle (true), or has got on. While it does not (a disk that
 * answers no more) the others hear nothing, and their deadline counts. */
static bool wait_for_a_word(co_checkpoints *c, uint64_t *beats, uint64_t *beat_ns)
{
    co_comm *comm = c->job->comm;
    while (c->thread_started && !wait_a_little(c)) {
        const uint64_t now = atomic_load(&comm->pulse->beats);
        const uint64_t now_ns = co_clock_ns(&comm->clock);
        *beat_ns = now != *beats || *beat_ns == 0 ? now_ns : *beat_ns;
        *beats = now;
        if (comm->deadline <= 0.0 || (double)(now_ns - *beat_ns) < comm->deadline * 1e9) {
            return false;
        }
    }
    return true;
}

/* A slow disk is waited for longer than --deadline: the first worker says again and again that it
 * gets on. */
static co_status wait_together(co_checkpoints *c, co_error *err)
{
    co_comm *comm = c->job->comm;
    uint64_t beats = 0;
    uint64_t beat_ns = 0;
    uint8_t idle = 0;
    co_comm_at(comm, c->progress->step, "checkpoint");
    if (co_comm_alone(comm) || comm->simulated) { /* virtual time knows no disks */
        wait_idle(c);
        return CO_OK;
    }
    while (idle == 0) {
        idle = comm->rank != 0 || wait_for_a_word(c, &beats, &beat_ns);
        CO_TRY(co_comm_broadcast(comm, &idle, sizeof(idle), 0, err));
    }
    return CO_OK;
}

static co_status tell_failure(co_checkpoints *c, co_error *err)
{
    const task *t = &c->task;
    const char *what = t->order == ORDER_MODEL ? "the best model" : "the checkpoint";
    c->failures++;
    c->saved = c->saved && t->order == ORDER_MODEL;
    if (c->options.failures_max > 0 && c->failures >= c->options.failures_max) {
        return co_fail(err, t->status, "%s could not be saved, %d times in a row: %s", what,
                       c->failures, t->fault.text);
    }
    co_announce_note(c->options.announcer, CO_LEVEL_WARNING,
                     "%s of step %llu could not be saved, the training goes on: %s", what,
                     (unsigned long long)t->step, t->fault.text);
    return CO_OK;
}

/* Says what came of the last task; the thread is idle. */
static co_status tell_outcome(co_checkpoints *c, co_error *err)
{
    const task *t = &c->task;
    const co_announcer *announcer = c->options.announcer;
    if (!c->unread) {
        return CO_OK;
    }
    c->unread = false;
    if (t->status != CO_OK) {
        return tell_failure(c, err);
    }
    c->failures = 0;
    if (t->order == ORDER_MODEL) {
        return CO_OK;
    }
    co_announce_note(announcer, CO_LEVEL_DEBUG, "checkpoint of step %llu: %.1f MB in %.3f s",
                     (unsigned long long)t->step, (double)t->bytes / 1e6, t->seconds);
    if (t->prune_status != CO_OK) {
        co_announce_note(announcer, CO_LEVEL_WARNING, "older checkpoints stay: %s",
                         t->prune_fault.text);
    }
    return CO_OK;
}

/* The first worker's answer is everybody's. */
static co_status ask_first(const co_checkpoints *c, bool *yes, co_error *err)
{
    uint8_t answer = *yes;
    CO_TRY(co_comm_broadcast(c->job->comm, &answer, sizeof(answer), 0, err));
    *yes = answer != 0;
    return CO_OK;
}

static co_status begin_checkpoint(co_checkpoints *c, co_error *err)
{
    task *t = &c->task;
    uint64_t step = c->progress->step;
    co_comm_at(c->job->comm, step, "checkpoint");
    if (c->job->comm->rank != 0) {
        return co_snapshot_take(c->snapshot, err);
    }
    int length = snprintf(t->path, sizeof(t->path), "%s/step-%06llu", c->folder,
                          (unsigned long long)step);
    if (length < 0 || (size_t)length >= sizeof(t->path)) {
        return co_fail(err, CO_FILE, "%s: the path is too long", c->folder);
    }
    uint64_t begin = co_track_now(c->options.announcer->track);
    CO_TRY(co_snapshot_take(c->snapshot, err));
    co_track_end_value(c->options.announcer->track, begin, "checkpoint", "copy", "step", step);
    t->order = ORDER_CHECKPOINT;
    t->step = step;
    c->saved_seconds = co_announce_seconds(c->options.announcer);
    if (!co_announce_mark(c->options.announcer, c->marks + 1)) {
        co_announce_note(c->options.announcer, CO_LEVEL_WARNING,
                         "step %llu is not saved: the metrics are not written fast enough",
                         (unsigned long long)step);
        return CO_OK;
    }
    t->mark = ++c->marks;
    c->saved = true;
    c->saved_step = step;
    start_task(c);
    return CO_OK;
}

static bool is_due(const co_checkpoints *c, uint64_t step)
{
    const co_checkpoint_options *options = &c->options;
    if (c->saved && c->saved_step == step) {
        return false;
    }
    if (options->every > 0 && step % options->every == 0) {
        return true;
    }
    return options->minutes > 0.0 &&
           co_announce_seconds(options->announcer) - c->saved_seconds >= 60.0 * options->minutes;
}

bool co_checkpoints_wish(co_checkpoints *c)
{
    uint64_t step = c->progress->step + 1;
    if (c->job->comm->rank != 0 || !is_due(c, step)) {
        return false;
    }
    if (!atomic_load(&c->busy) || c->options.wait) {
        return true;
    }
    if (c->options.every > 0 && step % c->options.every == 0) {
        co_announce_note(c->options.announcer, CO_LEVEL_NOTE,
                         "step %llu is not saved: the checkpoint of step %llu is still being "
                         "written",
                         (unsigned long long)step, (unsigned long long)c->saved_step);
    }
    return false;
}

co_status co_checkpoints_step(co_checkpoints *c, bool wished, co_error *err)
{
    if (wished) {
        CO_TRY(co_checkpoints_wait(c, err));
        CO_TRY(begin_checkpoint(c, err));
    }
    return atomic_load(&c->busy) ? CO_OK : tell_outcome(c, err);
}

co_status co_checkpoints_wait(co_checkpoints *c, co_error *err)
{
    CO_TRY(wait_together(c, err));
    return tell_outcome(c, err);
}

static bool is_saved(const co_checkpoints *c)
{
    return c->saved && c->saved_step == c->progress->step;
}

co_status co_checkpoints_save(co_checkpoints *c, co_error *err)
{
    CO_TRY(co_checkpoints_wait(c, err));
    bool needed = !is_saved(c);
    CO_TRY(ask_first(c, &needed, err));
    if (!needed) {
        return CO_OK;
    }
    CO_TRY(begin_checkpoint(c, err));
    CO_TRY(wait_together(c, err));
    if (c->unread && c->task.status != CO_OK) {
        *err = c->task.fault;
        c->unread = false;
        return c->task.status;
    }
    return tell_outcome(c, err);
}

co_status co_checkpoints_last(co_checkpoints *c, co_error *err)
{
    CO_TRY(co_checkpoints_wait(c, err));
    bool needed = (c->options.every > 0 || c->options.minutes > 0.0) && !is_saved(c);
    CO_TRY(ask_first(c, &needed, err));
    if (!needed) {
        return CO_OK;
    }
    CO_TRY(begin_checkpoint(c, err));
    return co_checkpoints_wait(c, err);
}

void co_checkpoints_loaded(co_checkpoints *c)
{
    c->saved = true;
    c->saved_step = c->progress->step;
}

co_status co_checkpoints_save_model(co_checkpoints *c, const char *path, const char *old,
                                    co_error *err)
{
    wait_idle(c);
    CO_TRY(tell_outcome(c, err));
    task *t = &c->task;
    int length = snprintf(t->path, sizeof(t->path), "%s", path);
    int old_length = snprintf(t->old, sizeof(t->old), "%s", old);
    if (length < 0 || (size_t)length >= sizeof(t->path) || old_length < 0 ||
        (size_t)old_length >= sizeof(t->old)) {
        return co_fail(err, CO_FILE, "%s: the path is too long", path);
    }
    uint64_t begin = co_track_now(c->options.announcer->track);
    co_snapshot_take_model(c->snapshot);
    co_track_end(c->options.announcer->track, begin, "checkpoint", "copy model");
    t->order = ORDER_MODEL;
    t->step = c->progress->step;
    start_task(c);
    return atomic_load(&c->busy) ? CO_OK : tell_outcome(c, err);
}

const char *co_checkpoints_folder(const co_checkpoints *c)
{
    return c->folder;
}

/* --- life ------------------------------------------------------------------------------ */

static co_status start_thread(co_checkpoints *c, co_error *err)
{
    /* Signals are for the main thread. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&c->thread, NULL, writer_main, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        return co_fail_errno(err, CO_MEMORY, error, "cannot start the thread of checkpoints");
    }
    c->thread_started = true;
    return CO_OK;
}

static co_status open_checkpoints(co_checkpoints *c, co_error *err)
{
    /* Together, so first: what follows may fail on the first worker alone. */
    CO_TRY(co_snapshot_create(c->job, c->progress, c->options.background, &c->snapshot, err));
    if (c->job->comm->rank != 0) {
        return CO_OK;
    }
    CO_TRY(co_strdup(c->options.folder, &c->folder, err));
    CO_TRY(co_strdup(c->options.config, &c->config, err));
    CO_TRY(co_environment_text(c->job, &c->environment, err));
    CO_TRY(co_environment_workers(c->job, &c->workers, err));
    c->track = c->options.announcer->track;
    /* While the thread writes, the first of several workers has time to tell the others so. */
    if (!c->options.background && (co_comm_alone(c->job->comm) || c->job->comm->simulated)) {
        return CO_OK;
    }
    if (c->track != NULL) {
        CO_TRY(co_timeline_add_track(co_track_timeline(c->track), "checkpoints", SPANS, &c->track,
                                     err));
    }
    return start_thread(c, err);
}

co_status co_checkpoints_create(const co_checkpoint_options *options, co_job *job,
                                co_progress *progress, co_checkpoints **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_checkpoints), "checkpoints", &block, err));
    co_checkpoints *c = block;
    c->options = *options;
    co_beating_files_open(options->files, job->comm->pulse, &c->files);
    c->job = job;
    c->progress = progress;
    atomic_init(&c->busy, false);
    pthread_mutex_init(&c->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    c->saved_seconds = co_announce_seconds(options->announcer);
    co_status status = open_checkpoints(c, err);
    if (status != CO_OK) {
        co_checkpoints_destroy(c);
        return status;
    }
    *out = c;
    return CO_OK;
}

void co_checkpoints_destroy(co_checkpoints *c)
{
    if (c == NULL) {
        return;
    }
    if (c->thread_started) {
        pthread_mutex_lock(&c->mutex);
        c->closing = true;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->mutex);
        pthread_join(c->thread, NULL);
    }
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mutex);
    co_snapshot_destroy(c->snapshot);
    co_free(c->workers);
    co_free(c->environment);
    co_free(c->config);
    co_free(c->folder);
    co_free(c);
}
