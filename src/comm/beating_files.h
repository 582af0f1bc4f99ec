/* Files whose every call that succeeds is a beat of a rank's pulse: who looks at the pulse sees
 * that saving gets on, however slow the disk is.
 */
#ifndef CO_COMM_BEATING_FILES_H
#define CO_COMM_BEATING_FILES_H

#include "base/file.h"
#include "comm/pulse.h"

typedef struct co_beating_files {
    co_files files; /* what is used; any thread */
    const co_files *under;
    co_pulse *pulse;
} co_beating_files;

/* `under` and the pulse are borrowed; *out stays where it is. */
void co_beating_files_open(const co_files *under, co_pulse *pulse, co_beating_files *out);

#endif
