/* The manifest of a checkpoint folder: which files it has, and what is in each.
 *
 *     cohort checkpoint 1
 *     step 800
 *     file model.safetensors
 *     0 1216 7f..2a (header)
 *     1216 1816 03..ee conv1.weight
 *     file rank-0000.state
 *     0 812 55..01 (all)
 *     end c1..9d
 *
 * After a file's line come the ranges that it is made of, from byte 0 without holes: begin, end,
 * XXH3-128 of these bytes, name. The last line has the hash of all that stands before it. The text
 * is UTF-8; every line ends with a newline. Names of files have letters, digits, '.', '-' and '_'
 * only, and no '.' at their start, so that a manifest cannot lead out of its folder.
 *
 * The reader takes nothing else and costs memory in proportion to the text. Whoever parses frees.
 */
#ifndef CO_STATE_MANIFEST_H
#define CO_STATE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"

enum {
    CO_MANIFEST_VERSION = 1,
    CO_MANIFEST_BYTES_MAX = 1 << 24,
    CO_MANIFEST_NAME_MAX = 1024, /* bytes of a name */
};

typedef struct co_manifest_range {
    uint64_t begin; /* bytes of the file */
    uint64_t end;
    co_hash hash;
    const char *name; /* "conv1.weight" */
} co_manifest_range;

typedef struct co_manifest_file {
    const char *name;
    uint64_t bytes;
    size_t first; /* of its ranges */
    size_t count;
} co_manifest_file;

typedef struct co_manifest {
    uint64_t step;
    co_manifest_file *files;
    size_t file_count;
    co_manifest_range *ranges;
    size_t range_count;
    char *text; /* what the names point into */
} co_manifest;

/* CO_FILE names `label` and the line, or says what else is wrong: another version, a hash that does
 * not fit. */
CO_MUST_CHECK co_status co_manifest_parse(const char *text, size_t bytes, const char *label,
                                          co_manifest *out, co_error *err);
void co_manifest_free(co_manifest *manifest); /* a zeroed one is allowed */

/* The text of a manifest, freed by co_free; CO_INTERNAL for a name that cannot stand in it. */
CO_MUST_CHECK co_status co_manifest_write(const co_manifest *manifest, char **out, size_t *bytes,
                                          co_error *err);

#endif
