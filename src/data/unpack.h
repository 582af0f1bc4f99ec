/* Unpacks an archive that is not trusted (tar, plain or packed with gzip or xz; zip) into a new
 * folder.
 *
 * Files and folders only: a link, a device, a path that leads out of the folder, a file that comes
 * twice, a size that is a lie, or more than the limits is a fault of the whole archive, with the
 * member's name. As there are no links in the new folder, no path can lead through one. What was
 * unpacked before the fault stays where it is: the caller removes the folder. One thread.
 */
#ifndef CO_DATA_UNPACK_H
#define CO_DATA_UNPACK_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/status.h"

typedef struct co_unpack_limits {
    uint64_t bytes; /* of all files together */
    uint64_t members;
} co_unpack_limits;

/* `folder` is made and must not be there before. CO_DATA: the archive is at fault; CO_FILE: the
 * disk is. Ends early with CO_STOPPED when *stop is not 0 (stop may be NULL). */
CO_MUST_CHECK co_status co_unpack(const char *archive, const char *folder,
                                  const co_unpack_limits *limits, const atomic_int *stop,
                                  co_error *err);

#endif
