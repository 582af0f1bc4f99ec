/* --hosts: mpirun takes almost anything there, and ignores what it does not understand. */
#include <stdlib.h>
#include <string.h>

#include "conf/layers.h"

enum { MOST = 65536 };

/* "node1:4" or "node1", of this length: how many places it has; 0: it is nothing of the kind. */
static long places_of(const char *entry, size_t length)
{
    const size_t name = strcspn(entry, ":,");
    if (name == 0 || strcspn(entry, " \t") < length) {
        return 0;
    }
    if (name == length) {
        return 1;
    }
    const char *number = entry + name + 1;
    char *end = NULL;
    long places = *number >= '0' && *number <= '9' ? strtol(number, &end, 10) : 0;
    return places > 0 && places <= MOST && end == entry + length ? places : 0;
}

static const char *next_of(const char *entry)
{
    const char *comma = strchr(entry, ',');
    return comma != NULL ? comma + 1 : NULL;
}

long co_conf_places(const char *hosts)
{
    long places = 0;
    for (const char *entry = hosts; entry != NULL; entry = next_of(entry)) {
        places += places_of(entry, strcspn(entry, ","));
    }
    return places;
}

co_status co_conf_check_hosts(const char *hosts, const char *where, co_error *err)
{
    for (const char *entry = hosts; entry != NULL; entry = next_of(entry)) {
        const size_t length = strcspn(entry, ",");
        if (places_of(entry, length) == 0) {
            return co_fail(err, CO_USAGE,
                           "%s: '%.*s' is no host with its number of workers, such as node1:4; "
                           "between two there is a comma",
                           where, length < 60 ? (int)length : 60, entry);
        }
    }
    return CO_OK;
}
