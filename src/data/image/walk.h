/* What lies in folders, in the order that torchvision's ImageFolder has. */
#ifndef CO_DATA_IMAGE_WALK_H
#define CO_DATA_IMAGE_WALK_H

#include "data/image/list.h"

enum { CO_WALK_PATH = 4096 };

bool co_walk_is_folder(const char *path);
bool co_walk_is_file(const char *path);

/* "a/b" into `out`; CO_DATA when it is too long for a path. */
CO_MUST_CHECK co_status co_walk_join(const char *a, const char *b, char out[CO_WALK_PATH],
                                     co_error *err);

/* Adds the names of the sub-folders of `path`, sorted, to the empty `out`. Hidden ones do not
 * count. CO_DATA when the folder cannot be read. */
CO_MUST_CHECK co_status co_walk_folders(const char *path, co_names *out, co_error *err);

/* Adds every image below root/sub to the empty `out`, as "sub/..." relative to the root: folders
 * sorted by their paths, the files in each by their names. Images are told by the endings that
 * torchvision knows, so that the numbering is the same; which of them can be read is another
 * matter. */
CO_MUST_CHECK co_status co_walk_images(const char *root, const char *sub, co_names *out,
                                       co_error *err);

#endif
