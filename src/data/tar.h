/* The members of a tar archive that lies in memory (already unpacked), in their order.
 *
 * Strict: a member whose path leads out of the archive ("..", "/..."), or whose header promises
 * more bytes than there are, is a fault of the whole archive, whether anyone wants that member or
 * not. One thread uses a reader; the content is borrowed and must stay until co_tar_close.
 */
#ifndef CO_DATA_TAR_H
#define CO_DATA_TAR_H

#include "data/source.h"

typedef struct co_tar co_tar;

typedef struct co_tar_member {
    const char *path; /* borrowed, until the next call */
    bool is_file;
    uint64_t bytes; /* of a file */
} co_tar_member;

/* An absolute path, or one with a component "..". */
bool co_tar_leads_out(const char *path);

/* path: of the archive, for messages; borrowed. */
CO_MUST_CHECK co_status co_tar_open(const char *path, const co_bytes *content, co_tar **out,
                                    co_error *err);
void co_tar_close(co_tar *tar); /* NULL is allowed */

/* Steps to the next member; *more = false after the last one. */
CO_MUST_CHECK co_status co_tar_next(co_tar *tar, bool *more, co_tar_member *out, co_error *err);

/* The content of the member that co_tar_next gave, which must be a file of at least one byte. */
CO_MUST_CHECK co_status co_tar_read(co_tar *tar, const co_tar_member *member, co_bytes *out,
                                    co_error *err);

#endif
