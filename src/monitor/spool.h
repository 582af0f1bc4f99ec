/* An append-only file behind a bounded buffer: how sinks write records (private to monitor/).
 *
 * Adding a record never fails and never touches the disk. Writing hands everything to the system;
 * while that fails (a full disk, a pipe whose reader sleeps) records wait in the buffer, and the
 * oldest make room for new ones and are counted. The file always holds whole records, so it can be
 * cut back to any length that it once had. Used by one thread at a time.
 */
#ifndef CO_MONITOR_SPOOL_H
#define CO_MONITOR_SPOOL_H

#include <stdbool.h>

#include "base/file.h"

typedef struct co_spool co_spool;

/* `room`: bytes of buffer. `keep`: as for co_line_file_open. */
CO_MUST_CHECK co_status co_spool_open(const co_files *files, const char *path, uint64_t keep,
                                      size_t room, co_spool **out, co_error *err);
/* Tries once more to write what is left; NULL is allowed. */
void co_spool_close(co_spool *spool);

void co_spool_add(co_spool *spool, const void *record, size_t bytes);
/* Whether a good part of the buffer is in use. */
bool co_spool_is_filling(const co_spool *spool);
CO_MUST_CHECK co_status co_spool_write(co_spool *spool, co_error *err);
/* Writes, and waits until the disk has it. */
CO_MUST_CHECK co_status co_spool_sync(co_spool *spool, co_error *err);

/* The file's name without its folder; borrowed. */
const char *co_spool_name(const co_spool *spool);
uint64_t co_spool_offset(const co_spool *spool); /* bytes in the file */
uint64_t co_spool_lost(const co_spool *spool);   /* records that were dropped */
size_t co_spool_waiting(const co_spool *spool);  /* bytes not written yet */

#endif
