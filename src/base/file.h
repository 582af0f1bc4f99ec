/* Files: bounded reading, saves that are complete or not there at all, append-only line files,
 * folders, and the lock that keeps two runs out of one folder.
 *
 * Everything that changes the disk goes through a co_files, a table of the system calls: tests
 * and simulations pass one whose n-th call fails. Messages name the operation and the path.
 * Objects belong to whoever opened them and are used by one thread at a time.
 */
#ifndef CO_BASE_FILE_H
#define CO_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

/* Each behaves like the system call of its name: -1 and errno on failure. */
typedef struct co_files {
    int (*open)(void *context, const char *path, int flags, mode_t mode);
    ssize_t (*write)(void *context, int fd, const void *data, size_t bytes);
    int (*fsync)(void *context, int fd);
    int (*close)(void *context, int fd);
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    int (*mkdir)(void *context, const char *path, mode_t mode);
    int (*rmdir)(void *context, const char *path);
    void (*progress)(void *context); /* a part of a long reading is done; NULL: nobody is told */
    void *context;                   /* handed to each function */
} co_files;

extern const co_files co_files_system;

/* *out = the whole file and one zero byte after it (so text needs no copy), freed by co_free.
 * More than `limit` bytes is an error, as is anything that is not a regular file. Failures have
 * the status `kind`: CO_FILE, CO_DATA or CO_USAGE, after what the file is for. */
CO_MUST_CHECK co_status co_file_read(const char *path, size_t limit, co_status kind, char **out,
                                     size_t *bytes, co_error *err);

/* Creates the folder and those above it; one that exists is fine. */
CO_MUST_CHECK co_status co_file_make_folders(const co_files *files, const char *path,
                                             co_error *err);

/* What reading or writing past the page cache needs: O_DIRECT takes whole, aligned blocks. */
enum { CO_FILE_LARGE = 1 << 22, CO_FILE_BLOCK_ALIGNMENT = 4096, CO_FILE_BLOCK = 1 << 20 };
/* From now on the descriptor goes through the page cache. */
void co_file_use_cache(int fd);

/* Waits until the disk has the names in the folder that `path` lies in. */
CO_MUST_CHECK co_status co_file_sync_folder_of(const co_files *files, const char *path,
                                               co_error *err);

/* Removes a folder and the files in it; folders in it are removed likewise. One that is not there
 * is fine. */
CO_MUST_CHECK co_status co_file_remove_folder(const co_files *files, const char *path,
                                              co_error *err);

/* Writes the file in one go: see co_file_writer for what that promises. */
CO_MUST_CHECK co_status co_file_save(const co_files *files, const char *path, const void *data,
                                     size_t bytes, co_error *err);

/* An atomic save in pieces: data go to `<path>.tmp`; commit does fsync, rename over `path` and
 * fsync of the folder. Until the rename the old file is untouched; on any failure the temporary
 * file is removed. A leftover of a killed process is overwritten by the next save. Two processes
 * that save the same path at once: the second is refused. */
typedef struct co_file_writer co_file_writer;
CO_MUST_CHECK co_status co_file_writer_open(const co_files *files, const char *path,
                                            co_file_writer **out, co_error *err);
/* For a large file that nobody reads soon: its data go to the disk past the page cache where the
 * system can do that. That costs hardly any processor time, and no system call is long, so that
 * threads which compute are not disturbed. */
CO_MUST_CHECK co_status co_file_writer_open_large(const co_files *files, const char *path,
                                                  co_file_writer **out, co_error *err);
/* After a failure only abandon is allowed. */
CO_MUST_CHECK co_status co_file_writer_add(co_file_writer *writer, const void *data, size_t bytes,
                                           co_error *err);
/* Frees the writer, whether it succeeds or not. */
CO_MUST_CHECK co_status co_file_writer_commit(co_file_writer *writer, co_error *err);
/* Removes the temporary file and frees the writer; NULL is allowed. */
void co_file_writer_abandon(co_file_writer *writer);

/* An append-only file of lines. A line is there as a whole or not at all: what a full disk cut
 * short is taken back. */
typedef struct co_line_file co_line_file;
#define CO_LINE_FILE_KEEP_ALL UINT64_MAX
/* Creates the file, or opens it and cuts it to its first `keep` bytes (0: empty it). */
CO_MUST_CHECK co_status co_line_file_open(const co_files *files, const char *path, uint64_t keep,
                                          co_line_file **out, co_error *err);
/* Writes `bytes` characters, which end with a newline, in one call; no allocation. */
CO_MUST_CHECK co_status co_line_file_append(co_line_file *file, const char *lines, size_t bytes,
                                            co_error *err);
/* As far as the system takes them: *taken is always set. A regular file takes all or nothing; a
 * pipe without a reader, or with one that is late, may take a part and is not waited for. */
CO_MUST_CHECK co_status co_line_file_write(co_line_file *file, const char *data, size_t bytes,
                                           size_t *taken, co_error *err);
/* CO_FILE when the file has no name any more: what is written would be lost. */
CO_MUST_CHECK co_status co_line_file_check(const co_line_file *file, co_error *err);
/* Bytes in the file: what a checkpoint records and a resumed run passes as `keep`. */
uint64_t co_line_file_offset(const co_line_file *file);
/* Waits until the disk has it all. */
CO_MUST_CHECK co_status co_line_file_sync(co_line_file *file, co_error *err);
void co_line_file_close(co_line_file *file); /* NULL is allowed */

/* A lock held by a file with "pid@host". The system drops it when its owner dies, so a file that
 * a killed run left behind is taken over. Where the file system has no locks, the text decides:
 * a process of this host that no longer exists owns nothing. */
typedef struct co_file_lock co_file_lock;
/* CO_FILE, naming the owner, when another process holds it. */
CO_MUST_CHECK co_status co_file_lock_take(const char *path, co_file_lock **out, co_error *err);
/* Whether the lock's owner seems to be alive, without taking the lock: by the file's text. A
 * process of another host is taken to be. */
bool co_file_lock_is_held(const char *path);
/* "pid@host" of a dead owner that the lock was taken over from; "" when there was none. */
const char *co_file_lock_previous(const co_file_lock *lock);
void co_file_lock_release(co_file_lock *lock); /* removes the file; NULL is allowed */

#endif
