/* The timeline of several workers: a lane each, in one file that the first worker writes.
 *
 * Every worker records its own; the clocks of their hosts are compared once, at the start. At the
 * end the lanes go to the first worker piece by piece, so that it never holds a whole one.
 */
#ifndef CO_TRAIN_LANES_H
#define CO_TRAIN_LANES_H

#include "comm/comm.h"
#include "event/timeline.h"

/* Spans that the training thread of each worker has room for: 200 steps of a network of a hundred
 * layers, less where there are very many workers. */
size_t co_lanes_room(const co_comm *comm);

/* All workers together: *start_ns, of the first worker's clock, becomes the same moment of one's
 * own, as near as messages tell (half the shortest time that one took there and back). Clocks that
 * are not further apart than that are taken for the same one. */
CO_MUST_CHECK co_status co_lanes_align(co_comm *comm, uint64_t *start_ns, co_error *err);

/* All workers together. *dropped: spans of all lanes that found no room; known to the first worker,
 * as is whether the file could be written. */
CO_MUST_CHECK co_status co_lanes_save(co_comm *comm, const co_timeline *timeline,
                                      const co_files *files, const char *path, uint64_t *dropped,
                                      co_error *err);

#endif
