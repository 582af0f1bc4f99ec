/* The simulated cluster: what a user says of it, and the files that SimGrid reads.
 *
 * The same numbers make the platform (hosts, links), the host file (who runs where) and the speed
 * that computing time is declared for; see CO_REFERENCE_FLOPS.
 */
#ifndef CO_COMM_PLATFORM_H
#define CO_COMM_PLATFORM_H

#include <stdint.h>

#include "base/status.h"

enum { CO_CLUSTER_SPEEDS = 64 };

/* Hosts `first` to `last` have this speed, relative to the reference host. */
typedef struct co_cluster_speed {
    uint32_t first;
    uint32_t last;
    double speed;
} co_cluster_speed;

typedef struct co_cluster {
    uint32_t per_host;     /* workers on each host */
    uint32_t per_rack;     /* hosts below one switch; 0: all below one */
    double bandwidth;      /* bytes/s of a host's link, each way */
    double latency;        /* seconds of a host's link: two of them lie between two hosts */
    double rack_bandwidth; /* of a rack's link upwards */
    double rack_latency;
    co_cluster_speed speeds[CO_CLUSTER_SPEEDS];
    int speed_count;
    char platform[1024]; /* a SimGrid platform of the user's own; "" for none */
    char hostfile[1024]; /* which goes with it */
} co_cluster;

/* The text of --cluster, a mapping: {bandwidth: 10Gbps, latency: 20us, per_host: 1, per_rack: 32,
 * rack_bandwidth: 40Gbps, rack_latency: 5us, speeds: {3: 0.5, 8-15: 0.8}} or {platform: FILE,
 * hostfile: FILE}. NULL: the defaults, one worker per host and 10 Gbps. CO_USAGE with
 * --cluster:line:column. */
CO_MUST_CHECK co_status co_cluster_read(const char *text, co_cluster *out, co_error *err);

/* What SimGrid reads for that many workers: the platform as XML, and the host file, a line for each
 * worker. Both are given back by co_free. */
CO_MUST_CHECK co_status co_cluster_describe(const co_cluster *cluster, uint32_t workers,
                                            char **platform, char **hostfile, co_error *err);

#endif
