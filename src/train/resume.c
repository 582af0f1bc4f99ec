#include "train/resume.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "train/environment.h"

enum { PATH_SIZE = 4096, DIFFERENCES_SIZE = 700 };

static co_status join(char out[PATH_SIZE], const char *folder, const char *name, co_error *err)
{
    int length = snprintf(out, PATH_SIZE, "%s/%s", folder, name);
    if (length < 0 || length >= PATH_SIZE) {
        return co_fail(err, CO_FILE, "%s: the path is too long", folder);
    }
    return CO_OK;
}

static bool exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* Also a checkpoint whose manifest is missing: that is to be told as it is. */
static bool is_checkpoint(const char *target, const char *manifest)
{
    size_t length = strlen(target);
    while (length > 1 && target[length - 1] == '/') {
        length--;
    }
    size_t start = length;
    while (start > 0 && target[start - 1] != '/') {
        start--;
    }
    return exists(manifest) || (length - start > 5 && strncmp(target + start, "step-", 5) == 0);
}

co_status co_resume_find(const char *target, bool fall_back, const co_announcer *announcer,
                         co_committed **out, co_error *err)
{
    char manifest[PATH_SIZE];
    char folder[PATH_SIZE];
    CO_TRY(join(manifest, target, CO_COMMIT_MANIFEST, err));
    CO_TRY(join(folder, target, CO_CHECKPOINTS_FOLDER, err));
    if (is_checkpoint(target, manifest)) {
        return co_checkpoint_open(target, out, err);
    }
    co_committed *found = NULL;
    CO_TRY(co_checkpoint_newest(folder, fall_back, announcer, &found, err));
    if (found == NULL && !fall_back) {
        return co_fail(err, CO_FILE, "%s: there is no checkpoint to resume from: neither %s nor %s",
                       target, manifest, folder);
    }
    *out = found;
    return CO_OK;
}

co_status co_resume_run_folder(const char *target, char *out, size_t size, co_error *err)
{
    char manifest[PATH_SIZE];
    CO_TRY(join(manifest, target, CO_COMMIT_MANIFEST, err));
    if (!is_checkpoint(target, manifest)) {
        int length = snprintf(out, size, "%s", target);
        return length >= 0 && (size_t)length < size
                   ? CO_OK
                   : co_fail(err, CO_FILE, "%s: the path is too long", target);
    }
    /* RUN/checkpoints/step-000800, as far as the path says so itself */
    size_t length = strlen(target);
    const char middle[] = "/" CO_CHECKPOINTS_FOLDER "/";
    const char *found = NULL;
    for (const char *at = target; (at = strstr(at, middle)) != NULL; at++) {
        found = at;
    }
    size_t rest = found == NULL ? 0 : (size_t)(found - target) + sizeof(middle) - 1;
    size_t kept = found == NULL ? 0 : (size_t)(found - target);
    bool direct = found != NULL && strcspn(target + rest, "/") >= length - rest - 1;
    if (!direct || kept == 0 || kept >= size) {
        kept = 0;
    }
    memcpy(out, target, kept);
    out[kept] = '\0';
    return CO_OK;
}

/* --- does it fit? ---------------------------------------------------------------------- */

static co_status compare_settings(const co_committed *committed, const co_settings *then,
                                  const co_settings *now, const co_announcer *announcer,
                                  co_error *err)
{
    char decisive[DIFFERENCES_SIZE];
    char others[DIFFERENCES_SIZE];
    CO_TRY(co_conf_compare(then, now, false, decisive, sizeof(decisive), err));
    CO_TRY(co_conf_compare(then, now, true, others, sizeof(others), err));
    if (decisive[0] != '\0') {
        return co_fail(err, CO_FILE, "%s: this run has other settings than its checkpoint: %s",
                       co_committed_folder(committed), decisive);
    }
    if (others[0] != '\0') {
        co_announce_note(announcer, CO_LEVEL_NOTE, "resumed with other settings: %s", others);
    }
    return CO_OK;
}

/* The settings to compare with the checkpoint's. A network file goes by the name of its copy there:
 * what is in it counts, see check_network. */
static co_settings comparable(const co_job *job, const co_settings *then)
{
    const char copy[] = "/" CO_NETWORK_FILE;
    co_settings settings = *job->settings;
    size_t length = strlen(then->model);
    if (job->network != NULL && length >= sizeof(copy) - 1 &&
        strcmp(then->model + length - (sizeof(copy) - 1), copy) == 0) {
        settings.model = then->model;
    }
    if (then->workers != settings.workers) { /* check_workers */
        settings.workers = then->workers;
        settings.batch_size = then->batch_size;
        settings.accumulate = then->accumulate;
    }
    return settings;
}

/* Another number of workers: where each has samples of its own there is nothing to go on with. */
static co_status check_workers(const co_committed *committed, const co_job *job,
                               const co_settings *then, co_run_before *before, co_error *err)
{
    const co_settings *now = job->settings;
    *before = (co_run_before){
        .workers = then->workers,
        .batch_size = then->batch_size,
        .accumulate = then->accumulate,
        .sampler = now->partition == CO_CONF_PARTITION_SAMPLER,
    };
    if (then->workers == now->workers || before->sampler || now->repartition) {
        return CO_OK;
    }
    return co_fail(err, CO_FILE,
                   "%s: is of %d workers, each with samples of its own (--partition), and this run "
                   "has %d: go on with %d, or add --repartition, which deals them out anew and "
                   "begins the epoch again",
                   co_committed_folder(committed), then->workers, now->workers, then->workers);
}

/* The settings that it was made with. *out is freed by co_conf_free and co_free. */
static co_status read_settings(const co_committed *committed, co_conf **out, co_error *err)
{
    char *text = NULL;
    size_t bytes = 0;
    char name[PATH_SIZE];
    void *block = NULL;
    CO_TRY(join(name, co_committed_folder(committed), "config.yaml", err));
    CO_TRY(co_alloc(1, sizeof(co_conf), "settings", &block, err));
    co_status status = co_committed_read(committed, "config.yaml", &text, &bytes, err);
    if (status == CO_OK) {
        status = co_conf_read(block, CO_COMMAND_TRAIN, name, text, bytes, err);
        co_free(text);
    }
    if (status == CO_USAGE) { /* its settings are not this version's: not the user's mistake */
        err->status = CO_FILE;
        status = CO_FILE;
    }
    if (status != CO_OK) {
        co_free(block);
        return status;
    }
    *out = block;
    return CO_OK;
}

static co_status check_settings(const co_committed *committed, const co_job *job,
                                const co_announcer *announcer, co_run_before *before, co_error *err)
{
    co_conf *then = NULL;
    CO_TRY(read_settings(committed, &then, err));
    const co_settings now = comparable(job, &then->values);
    co_status status = check_workers(committed, job, &then->values, before, err);
    if (status == CO_OK) {
        status = compare_settings(committed, &then->values, &now, announcer, err);
    }
    co_conf_free(then);
    co_free(then);
    return status;
}

/* What a checkpoint of this run was made with: settings fit, but before it was resumed the number
 * of workers may have been another one. */
static co_status look_back(const co_committed *committed, const co_job *job, co_run_before *before,
                           co_error *err)
{
    co_conf *then = NULL;
    CO_TRY(read_settings(committed, &then, err));
    co_status status = check_workers(committed, job, &then->values, before, err);
    co_conf_free(then);
    co_free(then);
    return status;
}

/* A network file may have any name; what is in it counts. */
static co_status check_network(const co_committed *committed, const co_job *job, co_error *err)
{
    char *then = NULL;
    size_t bytes = 0;
    if (job->network == NULL) {
        return CO_OK;
    }
    CO_TRY(co_committed_read(committed, CO_NETWORK_FILE, &then, &bytes, err));
    bool same = bytes == job->network_bytes && memcmp(then, job->network, bytes) == 0;
    co_free(then);
    if (!same) {
        return co_fail(err, CO_FILE,
                       "%s: its network file, " CO_NETWORK_FILE ", is not what %s is now",
                       co_committed_folder(committed), job->settings->model);
    }
    return CO_OK;
}

static co_status check_environment(const co_committed *committed, const co_job *job,
                                   const co_announcer *announcer, co_error *err)
{
    char *then = NULL;
    char *now = NULL;
    size_t bytes = 0;
    char differences[DIFFERENCES_SIZE];
    CO_TRY(co_committed_read(committed, "environment", &then, &bytes, err));
    co_status status = co_environment_text(job, &now, err);
    CO_TRY_GOTO(status, status, free_then);
    co_environment_compare(then, now, differences, sizeof(differences));
    if (differences[0] != '\0' && job->settings->deterministic) {
        status = co_fail(err, CO_FILE,
                         "%s: the environment differs, so that the result would not be the same "
                         "to the bit: %s; restore it, or resume without --deterministic",
                         co_committed_folder(committed), differences);
    } else if (differences[0] != '\0') {
        co_announce_note(announcer, CO_LEVEL_WARNING,
                         "resumed in another environment, the result may differ in its last bits: "
                         "%s",
                         differences);
    }
    co_free(now);
free_then:
    co_free(then);
    return status;
}

/* Sums that the MPI library adds up have no order that could be repeated. */
static void tell_order(const co_job *job, const co_announcer *announcer)
{
    if (!job->strategy->repeatable) {
        co_announce_note(announcer, CO_LEVEL_NOTE,
                         "the MPI library adds the gradients up: the result may differ in its last "
                         "bits from that of a run that was not stopped; --reduce ordered promises "
                         "the same bits");
    }
}

static co_status check(const co_committed *committed, const co_job *job,
                       const co_announcer *announcer, co_run_before *before, co_error *err)
{
    CO_TRY(check_settings(committed, job, announcer, before, err));
    CO_TRY(check_network(committed, job, err));
    CO_TRY(check_environment(committed, job, announcer, err));
    tell_order(job, announcer);
    return CO_OK;
}

/* status: of the first worker, who knows what was before. */
static co_status load(const co_committed *committed, co_status status, co_run_before *before,
                      co_job *job, const co_announcer *announcer, co_progress *progress,
                      co_mark_files *files, co_error *err)
{
    CO_TRY(co_comm_agree(job->comm, status, err));
    CO_TRY(co_comm_broadcast(job->comm, before, sizeof(*before), 0, err));
    return before->workers == job->settings->workers
               ? co_snapshot_load(committed, job, progress, files, err)
               : co_snapshot_regroup(committed, before, job, announcer, progress, files, err);
}

co_status co_resume_load(const co_committed *committed, co_job *job, const co_announcer *announcer,
                         co_progress *progress, co_mark_files *files, co_error *err)
{
    co_run_before before = {0};
    co_status status = job->comm->rank == 0 ? check(committed, job, announcer, &before, err)
                                            : CO_OK;
    CO_TRY(load(committed, status, &before, job, announcer, progress, files, err));
    if (progress->step > job->steps_total) {
        return co_fail(err, CO_FILE,
                       "%s is of step %llu, but this run ends with step %llu: raise --epochs or "
                       "--max-steps",
                       committed != NULL ? co_committed_folder(committed) : "the checkpoint",
                       (unsigned long long)progress->step, (unsigned long long)job->steps_total);
    }
    return CO_OK;
}

co_status co_resume_back(const co_committed *committed, co_job *job, const co_announcer *announcer,
                         co_progress *progress, co_error *err)
{
    co_run_before before = {0};
    co_mark_files files;
    co_status status = job->comm->rank == 0 ? look_back(committed, job, &before, err) : CO_OK;
    return load(committed, status, &before, job, announcer, progress, &files, err);
}
