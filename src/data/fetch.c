#include "data/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "data/digest.h"
#include "data/fetch_sets.h"
#include "data/transfer.h"
#include "data/unpack.h"

enum { URL_MAX = 4096, TREE_DEPTH = 16, MEMBERS_MAX = 1000000, SAID_MAX = 2048 };

typedef struct fetcher {
    const co_fetch_set *set;
    const co_fetch_options *options;
    const char *dir;
    char work[PATH_MAX]; /* what is unfinished */
    co_file_lock *lock;
    co_error *err;
} fetcher;

/* What one file is called in this and that place. */
typedef struct fetched_file {
    const char *name;
    const char *sum;      /* to compare with; NULL: none */
    char part[PATH_MAX];  /* while it is unfinished */
    char final[PATH_MAX]; /* where it goes; "" when it is unpacked instead */
} fetched_file;

static void say(const fetcher *f, const char *format, ...) CO_PRINTF(2, 3);

static void say(const fetcher *f, const char *format, ...)
{
    char text[SAID_MAX];
    va_list arguments;
    if (f->options->listener.say != NULL) {
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        f->options->listener.say(f->options->listener.context, text);
    }
}

static co_status join(const fetcher *f, const char *folder, const char *name, const char *ending,
                      char out[PATH_MAX])
{
    int length = snprintf(out, PATH_MAX, "%s/%s%s", folder, name, ending);
    if (length < 0 || length >= PATH_MAX) {
        return co_fail(f->err, CO_FILE, "%s: the path is too long", folder);
    }
    return CO_OK;
}

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* false when something of it is left. */
static bool remove_tree(const char *path)
{
    return access(path, F_OK) != 0 || nftw(path, remove_one, TREE_DEPTH, FTW_DEPTH | FTW_PHYS) == 0;
}

/* Waits until the disk has all that was written to the file system of `path`. */
static co_status sync_disk(const fetcher *f, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) != 0) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return co_fail_errno(f->err, CO_FILE, error, "%s: cannot be written to the disk", path);
    }
    close(fd);
    return CO_OK;
}

static co_status move(const fetcher *f, const char *from, const char *to)
{
    if (rename(from, to) != 0) {
        return co_fail_errno(f->err, CO_FILE, errno, "%s: cannot be renamed to %s", from, to);
    }
    return CO_OK;
}

/* ---- checksums ---- */

/* *same: the file at `path` is what its checksum says. `found`: the checksum it has. */
static co_status compare(const fetcher *f, const char *path, const char *sum, bool *same,
                         char found[CO_DIGEST_TEXT_SIZE])
{
    co_digest_kind kind = CO_DIGEST_SHA256;
    const char *digits = "";
    if (sum != NULL && !co_digest_parse(sum, &kind, &digits)) {
        return co_fail(f->err, CO_USAGE,
                       "checksum '%.80s': is neither md5: with 32 nor sha256: with 64 "
                       "hexadecimal digits (in lower case)",
                       sum);
    }
    CO_TRY(co_digest_file(path, kind, found, f->err));
    *same = sum == NULL || strcmp(digits, found) == 0;
    return CO_OK;
}

/* A file that is there already, from an earlier fetch or by hand: is it the published one? */
static co_status already_there(const fetcher *f, const fetched_file *file, const char *path,
                               bool *there)
{
    char found[CO_DIGEST_TEXT_SIZE];
    *there = false;
    if (path[0] == '\0' || access(path, F_OK) != 0) {
        return CO_OK;
    }
    if (file->sum == NULL) {
        *there = path == file->final; /* a part without a checksum may be a part indeed */
        return CO_OK;
    }
    return compare(f, path, file->sum, there, found);
}

/* ---- one file ---- */

static void pass_progress(void *context, uint64_t done, uint64_t total)
{
    const fetcher *f = context;
    if (f->options->listener.progress != NULL) {
        f->options->listener.progress(f->options->listener.context, f->set->name, done, total);
    }
}

/* An address the user named may be without TLS: the checksum still tells. */
static bool plain_allowed(const fetcher *f)
{
    const char *from = f->options->from;
    return from != NULL && (strncmp(from, "http://", 7) == 0 || strncmp(from, "file://", 7) == 0);
}

static const char *slash_after(const char *address)
{
    size_t length = strlen(address);
    return length > 0 && address[length - 1] == '/' ? "" : "/";
}

static co_status get_from(fetcher *f, const fetched_file *file, const char *mirror,
                          co_transferred *got)
{
    char url[URL_MAX];
    int size = snprintf(url, sizeof(url), "%s%s%s", mirror, slash_after(mirror), file->name);
    if (size < 0 || (size_t)size >= sizeof(url)) {
        return co_fail(f->err, CO_USAGE, "--from: the address is too long");
    }
    const co_transfer transfer = {
        .url = url,
        .path = file->part,
        .cacert = f->options->cacert,
        .most_bytes = f->set->most_bytes,
        .plain_allowed = plain_allowed(f),
        .stop = f->options->stop,
        .progress = pass_progress,
        .context = f,
    };
    say(f, "getting %s", url);
    return co_transfer_run(&transfer, got, f->err);
}

/* Gets the file and compares it. A file that was pieced together from two visits and is wrong is
 * got once more as a whole: the first piece may have been at fault. */
static co_status get_checked(fetcher *f, const fetched_file *file, const char *mirror)
{
    char found[CO_DIGEST_TEXT_SIZE];
    for (int turn = 0;; turn++) {
        bool same = false;
        co_transferred got = {0};
        CO_TRY(get_from(f, file, mirror, &got));
        CO_TRY(compare(f, file->part, file->sum, &same, found));
        if (same && file->sum == NULL) {
            say(f, "%s: no checksum is published; its SHA-256 is %s", file->name, found);
        }
        if (same) {
            return CO_OK;
        }
        co_transfer_forget(file->part);
        if (got.resumed == 0 || turn > 0) {
            return co_fail(
                f->err, CO_DATA,
                "%s%s%s: has the checksum %s, not the published %s: it was damaged on the "
                "way or is another file; nothing was kept. Try again, or name another "
                "mirror with --from",
                mirror, slash_after(mirror), file->name, found, file->sum);
        }
        say(f, "%s: the continued file has a wrong checksum; getting all of it", file->name);
    }
}

/* Faults of one mirror that the next one may not have. */
static co_status get_from_any(fetcher *f, const fetched_file *file)
{
    if (f->options->from != NULL) {
        return get_checked(f, file, f->options->from);
    }
    co_status status = CO_OK;
    for (int i = 0; i < CO_FETCH_MIRRORS_MAX && f->set->mirrors[i] != NULL; i++) {
        if (i > 0) {
            say(f, "%s", f->err->text);
        }
        status = get_checked(f, file, f->set->mirrors[i]);
        if (status != CO_DATA) {
            break;
        }
    }
    return status;
}

static co_status name_file(const fetcher *f, const co_fetch_file *known, fetched_file *out)
{
    *out = (fetched_file){.name = known->name, .sum = known->sum};
    if (f->options->checksum != NULL) {
        out->sum = f->options->checksum;
    }
    CO_TRY(join(f, f->work, known->name, ".part", out->part));
    if (!f->set->unpack) {
        char folder[PATH_MAX];
        CO_TRY(join(f, f->dir, f->set->product, "", folder));
        CO_TRY(join(f, folder, known->name, "", out->final));
    }
    return CO_OK;
}

static co_status get_file(fetcher *f, const fetched_file *file)
{
    bool there = false;
    CO_TRY(already_there(f, file, file->final, &there));
    if (there) {
        say(f, "%s: is there already", file->final);
        return CO_OK;
    }
    CO_TRY(already_there(f, file, file->part, &there));
    if (!there) {
        CO_TRY(get_from_any(f, file));
    }
    return CO_OK;
}

/* ---- sets ---- */

static co_status place_files(fetcher *f)
{
    char folder[PATH_MAX];
    CO_TRY(join(f, f->dir, f->set->product, "", folder));
    CO_TRY(co_file_make_folders(&co_files_system, folder, f->err));
    for (int i = 0; i < CO_FETCH_FILES_MAX && f->set->files[i].name != NULL; i++) {
        fetched_file file;
        CO_TRY(name_file(f, &f->set->files[i], &file));
        if (access(file.part, F_OK) == 0) {
            CO_TRY(move(f, file.part, file.final));
        }
    }
    return sync_disk(f, folder);
}

static co_status place_unpacked(fetcher *f)
{
    fetched_file file;
    char folder[PATH_MAX];
    char from[PATH_MAX];
    char to[PATH_MAX];
    const co_unpack_limits limits = {.bytes = f->set->most_bytes, .members = MEMBERS_MAX};
    CO_TRY(name_file(f, &f->set->files[0], &file));
    CO_TRY(join(f, f->work, "unpacked", "", folder));
    CO_TRY(join(f, folder, f->set->product, "", from));
    CO_TRY(join(f, f->dir, f->set->product, "", to));
    if (!remove_tree(folder)) {
        return co_fail_errno(f->err, CO_FILE, errno, "%s: cannot be removed", folder);
    }
    say(f, "unpacking %s", file.name);
    co_status status = co_unpack(file.part, folder, &limits, f->options->stop, f->err);
    struct stat info;
    if (status == CO_OK && (lstat(from, &info) != 0 || !S_ISDIR(info.st_mode))) {
        status = co_fail(f->err, CO_DATA, "%s: has no folder '%s'; it is not what its name says",
                         file.part, f->set->product);
    }
    if (status == CO_DATA) { /* the next fetch shall get it anew, not find it again */
        co_transfer_forget(file.part);
        (void)remove_tree(folder);
    }
    CO_TRY(status);
    CO_TRY(sync_disk(f, from));
    return move(f, from, to);
}

static co_status get_set(fetcher *f)
{
    char product[PATH_MAX];
    CO_TRY(join(f, f->dir, f->set->product, "", product));
    if (f->set->unpack && access(product, F_OK) == 0) {
        say(f, "%s: is there already; to get it anew, remove it first", product);
        return CO_OK;
    }
    for (int i = 0; i < CO_FETCH_FILES_MAX && f->set->files[i].name != NULL; i++) {
        fetched_file file;
        CO_TRY(name_file(f, &f->set->files[i], &file));
        CO_TRY(get_file(f, &file));
    }
    return f->set->unpack ? place_unpacked(f) : place_files(f);
}

static co_status find_set(const char *name, const co_fetch_options *options, fetcher *out)
{
    const char *by_hand = co_fetch_by_hand(name);
    out->set = co_fetch_set_find(name);
    if (out->set == NULL) {
        char list[256];
        co_text text = co_text_over(list, sizeof(list));
        for (size_t i = 0; co_fetch_set_at(i) != NULL; i++) {
            co_text_printf(&text, "%s%s", i > 0 ? ", " : "", co_fetch_set_at(i)->name);
        }
        return co_fail(out->err, CO_USAGE, "'%.60s' cannot be fetched%s%s; there are: %s", name,
                       by_hand != NULL ? ": " : "", by_hand != NULL ? by_hand : "", list);
    }
    if (options->checksum != NULL && out->set->files[1].name != NULL) {
        return co_fail(out->err, CO_USAGE,
                       "--checksum: %s is several files; it is for sets of one archive",
                       out->set->name);
    }
    return CO_OK;
}

static co_status prepare(fetcher *f)
{
    char lock[PATH_MAX];
    char ending[64];
    (void)snprintf(ending, sizeof(ending), ".fetch-%s", f->set->name);
    CO_TRY(join(f, f->dir, ending, "", f->work));
    CO_TRY(join(f, f->work, "lock", "", lock));
    CO_TRY(co_file_make_folders(&co_files_system, f->work, f->err));
    return co_file_lock_take(lock, &f->lock, f->err);
}

co_status co_fetch(const char *name, const char *dir, const co_fetch_options *options,
                   co_error *err)
{
    fetcher f = {.options = options, .dir = dir, .err = err};
    co_digest_kind kind = CO_DIGEST_MD5;
    const char *digits = NULL;
    CO_TRY(find_set(name, options, &f));
    if (options->checksum != NULL && !co_digest_parse(options->checksum, &kind, &digits)) {
        return co_fail(err, CO_USAGE,
                       "--checksum: '%.80s' is neither md5: with 32 nor sha256: with 64 "
                       "hexadecimal digits (in lower case)",
                       options->checksum);
    }
    CO_TRY(prepare(&f));
    co_status status = get_set(&f);
    if (status == CO_OK && !remove_tree(f.work)) {
        status = co_fail_errno(err, CO_FILE, errno, "%s: cannot be removed", f.work);
    }
    co_file_lock_release(f.lock);
    if (status == CO_OK) {
        say(&f, "%s: in %s (%s)", f.set->name, dir, f.set->terms);
    }
    return status;
}
