/* A checkpoint folder that is there as a whole or not at all.
 *
 * Writing: files go into `<folder>.tmp`, each followed to the disk; finish writes the manifest
 * (state/manifest.h), reads everything back and compares, and renames the folder. Until then
 * nothing of that name exists, whatever happens. Nothing is removed before that but leftovers of
 * the same name.
 *
 * Reading: the manifest is the proof: a folder without one, or whose files do not have the sizes
 * and hashes in it, is refused with the file, the range (a tensor's name) and its bytes.
 *
 * Objects belong to whoever opened them; one thread at a time. Errors are CO_FILE or CO_MEMORY.
 */
#ifndef CO_STATE_COMMIT_H
#define CO_STATE_COMMIT_H

#include "base/file.h"
#include "state/manifest.h"
#include "state/safetensors.h"

#define CO_COMMIT_MANIFEST "manifest"
#define CO_COMMIT_TEMP     ".tmp"

typedef struct co_commit co_commit;

/* Makes the folders above as needed. `files` is borrowed. */
CO_MUST_CHECK co_status co_commit_begin(const co_files *files, const char *folder, co_commit **out,
                                        co_error *err);
/* After a failure of these only abandon is allowed. */
CO_MUST_CHECK co_status co_commit_tensors(co_commit *commit, const char *name,
                                          const co_tensor_source *tensors, size_t count,
                                          const co_metadata *metadata, size_t metadata_count,
                                          co_error *err);
CO_MUST_CHECK co_status co_commit_bytes(co_commit *commit, const char *name, const void *data,
                                        size_t bytes, co_error *err);
/* Frees the commit, whether it succeeds or not; *bytes: of all files. */
CO_MUST_CHECK co_status co_commit_finish(co_commit *commit, uint64_t step, uint64_t *bytes,
                                         co_error *err);
void co_commit_abandon(co_commit *commit); /* removes what is there; NULL is allowed */

typedef struct co_committed co_committed;

/* Reads the manifest; the files are not looked at yet. */
CO_MUST_CHECK co_status co_committed_open(const char *folder, co_committed **out, co_error *err);
void co_committed_close(co_committed *committed); /* NULL is allowed */
const co_manifest *co_committed_manifest(const co_committed *committed);
const char *co_committed_folder(const co_committed *committed);
/* Reads every file and compares. `told` (or NULL) hears of its progress. */
CO_MUST_CHECK co_status co_committed_verify(const co_committed *committed, const co_files *told,
                                            co_error *err);
/* folder/name; CO_FILE when the manifest has no such file. Freed by co_free. */
CO_MUST_CHECK co_status co_committed_path(const co_committed *committed, const char *name,
                                          char **out, co_error *err);
/* A whole small file, followed by a zero byte; freed by co_free. */
CO_MUST_CHECK co_status co_committed_read(const co_committed *committed, const char *name,
                                          char **out, size_t *bytes, co_error *err);

#endif
