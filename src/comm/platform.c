#include "comm/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "comm/engine.h"
#include "conf/yaml.h"

/* ---- reading ---- */

typedef struct suffix {
    const char *word;
    double factor;
} suffix;

static const suffix rates[] = {
    {"Gbps", 1e9 / 8}, {"Mbps", 1e6 / 8}, {"kbps", 1e3 / 8}, {"bps", 1.0 / 8}, {"GBps", 1e9},
    {"MBps", 1e6},     {"kBps", 1e3},     {"Bps", 1.0},      {NULL, 0},
};
static const suffix times[] = {{"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}, {"s", 1.0}, {NULL, 0}};

static co_status read_measure(const co_yaml_node *node, const char *what, const suffix *suffixes,
                              const char *example, double *out, co_error *err)
{
    char *end = NULL;
    double value = node->text != NULL ? strtod(node->text, &end) : -1.0;
    while (end != NULL && *end == ' ') {
        end++;
    }
    for (int i = 0; end != NULL && end != node->text && suffixes[i].word != NULL; i++) {
        if (strcmp(end, suffixes[i].word) == 0 && value > 0.0 && value < 1e15) {
            *out = value * suffixes[i].factor;
            return CO_OK;
        }
    }
    return co_yaml_fail(err, CO_USAGE, node,
                        "%s must be a number above 0 with its unit, such as %s", what, example);
}

static co_status read_count(const co_yaml_node *node, const char *what, uint32_t *out,
                            co_error *err)
{
    int64_t value = 0;
    CO_TRY(co_yaml_integer(node, what, &value, err));
    if (value < 1 || value > 1000000) {
        return co_yaml_fail(err, CO_USAGE, node, "%s must be 1 to 1000000", what);
    }
    *out = (uint32_t)value;
    return CO_OK;
}

static co_status read_path(const co_yaml_node *node, const char *what, char *out, size_t size,
                           co_error *err)
{
    if (node->text == NULL || strlen(node->text) >= size || node->text[0] == '\0') {
        return co_yaml_fail(err, CO_USAGE, node, "%s must be the path of a file", what);
    }
    memcpy(out, node->text, strlen(node->text) + 1);
    return CO_OK;
}

/* "3" or "8-15": hosts that the key names. */
static co_status read_speed(const co_yaml_node *value, co_cluster *cluster, co_error *err)
{
    const co_yaml_node *key = value->key;
    char *end = NULL;
    co_cluster_speed speed = {0};
    if (cluster->speed_count == CO_CLUSTER_SPEEDS) {
        return co_yaml_fail(err, CO_USAGE, key, "more than %d speeds", CO_CLUSTER_SPEEDS);
    }
    unsigned long first = strtoul(key->text, &end, 10);
    unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
    if (end == key->text || *end != '\0' || last < first || last > 1000000) {
        return co_yaml_fail(err, CO_USAGE, key,
                            "'%.40s' names no hosts; they are counted from 0, such as 3 or 8-15",
                            key->text);
    }
    speed.first = (uint32_t)first;
    speed.last = (uint32_t)last;
    CO_TRY(co_yaml_number(value, "a speed", &speed.speed, err));
    if (!(speed.speed > 0.0 && speed.speed <= 1e6)) {
        return co_yaml_fail(err, CO_USAGE, value,
                            "a speed is a factor above 0, relative to the reference host");
    }
    cluster->speeds[cluster->speed_count++] = speed;
    return CO_OK;
}

static co_status read_speeds(const co_yaml_node *node, co_cluster *cluster, co_error *err)
{
    if (node->kind != CO_YAML_MAP) {
        return co_yaml_fail(err, CO_USAGE, node,
                            "speeds must be a mapping from hosts to factors, such as {3: 0.5}");
    }
    for (const co_yaml_node *value = node->first; value != NULL; value = value->next) {
        CO_TRY(read_speed(value, cluster, err));
    }
    return CO_OK;
}

static co_status read_key(const co_yaml_node *value, co_cluster *c, co_error *err)
{
    const char *key = value->key->text;
    if (strcmp(key, "bandwidth") == 0) {
        return read_measure(value, key, rates, "10Gbps", &c->bandwidth, err);
    }
    if (strcmp(key, "latency") == 0) {
        return read_measure(value, key, times, "20us", &c->latency, err);
    }
    if (strcmp(key, "rack_bandwidth") == 0) {
        return read_measure(value, key, rates, "40Gbps", &c->rack_bandwidth, err);
    }
    if (strcmp(key, "rack_latency") == 0) {
        return read_measure(value, key, times, "5us", &c->rack_latency, err);
    }
    if (strcmp(key, "per_host") == 0) {
        return read_count(value, key, &c->per_host, err);
    }
    if (strcmp(key, "per_rack") == 0) {
        return read_count(value, key, &c->per_rack, err);
    }
    if (strcmp(key, "speeds") == 0) {
        return read_speeds(value, c, err);
    }
    if (strcmp(key, "platform") == 0) {
        return read_path(value, key, c->platform, sizeof(c->platform), err);
    }
    if (strcmp(key, "hostfile") == 0) {
        return read_path(value, key, c->hostfile, sizeof(c->hostfile), err);
    }
    return co_yaml_fail(err, CO_USAGE, value->key,
                        "a cluster has no '%.40s'; it has bandwidth, latency, per_host, per_rack, "
                        "rack_bandwidth, rack_latency, speeds, platform, hostfile",
                        key);
}

static co_status read_keys(const co_yaml_node *root, co_cluster *cluster, co_error *err)
{
    for (const co_yaml_node *value = root->first; value != NULL; value = value->next) {
        CO_TRY(read_key(value, cluster, err));
    }
    if ((cluster->platform[0] == '\0') != (cluster->hostfile[0] == '\0')) {
        return co_yaml_fail(err, CO_USAGE, root,
                            "a platform of your own needs its hostfile: give "
                            "both");
    }
    for (const co_yaml_node *value = root->first; value != NULL && cluster->platform[0] != '\0';
         value = value->next) {
        const char *key = value->key->text;
        if (strcmp(key, "platform") != 0 && strcmp(key, "hostfile") != 0) {
            return co_yaml_fail(err, CO_USAGE, value->key,
                                "%s has no effect beside a platform of your own, which says it "
                                "itself",
                                key);
        }
    }
    if (cluster->per_rack > 0 && cluster->rack_bandwidth <= 0.0) {
        cluster->rack_bandwidth = cluster->bandwidth * (double)cluster->per_rack;
    }
    return CO_OK;
}

co_status co_cluster_read(const char *text, co_cluster *out, co_error *err)
{
    co_cluster cluster = {
        .per_host = 1,
        .bandwidth = 10e9 / 8,
        .latency = 20e-6,
        .rack_latency = 5e-6,
    };
    if (text != NULL) {
        co_yaml *document = NULL;
        CO_TRY(co_yaml_parse("--cluster", text, strlen(text), &document, err));
        co_status status = read_keys(co_yaml_root(document), &cluster, err);
        co_yaml_free(document);
        CO_TRY(status);
    }
    *out = cluster;
    return CO_OK;
}

/* ---- writing ---- */

static double speed_of(const co_cluster *cluster, uint32_t host)
{
    double speed = 1.0;
    for (int i = 0; i < cluster->speed_count; i++) {
        const co_cluster_speed *s = &cluster->speeds[i];
        speed = host >= s->first && host <= s->last ? s->speed : speed;
    }
    return speed;
}

static void write_host(co_text *text, const co_cluster *c, uint32_t host)
{
    co_text_printf(text, "      <host id=\"host-%u\" speed=\"%.17gf\" core=\"%u\"/>\n", host,
                   speed_of(c, host) * CO_REFERENCE_FLOPS, c->per_host);
    co_text_printf(text,
                   "      <link id=\"link-%u\" bandwidth=\"%.17gBps\" latency=\"%.17gs\" "
                   "sharing_policy=\"SPLITDUPLEX\"/>\n",
                   host, c->bandwidth, c->latency);
    co_text_printf(text,
                   "      <host_link id=\"host-%u\" up=\"link-%u_UP\" down=\"link-%u_DOWN\"/>\n",
                   host, host, host);
}

static void write_rack(co_text *text, const co_cluster *c, uint32_t rack, uint32_t first,
                       uint32_t end)
{
    co_text_printf(text, "    <zone id=\"rack-%u\" routing=\"Cluster\">\n", rack);
    for (uint32_t host = first; host < end; host++) {
        write_host(text, c, host);
    }
    co_text_printf(text, "      <router id=\"router-%u\"/>\n    </zone>\n", rack);
}

/* Every pair of racks by the links of both upwards. */
static void write_routes(co_text *text, const co_cluster *c, uint32_t racks)
{
    for (uint32_t rack = 0; rack < racks; rack++) {
        co_text_printf(text,
                       "    <link id=\"up-%u\" bandwidth=\"%.17gBps\" latency=\"%.17gs\" "
                       "sharing_policy=\"SPLITDUPLEX\"/>\n",
                       rack, c->rack_bandwidth, c->rack_latency);
    }
    for (uint32_t a = 0; a < racks; a++) {
        for (uint32_t b = a + 1; b < racks; b++) {
            co_text_printf(text,
                           "    <zoneRoute src=\"rack-%u\" dst=\"rack-%u\" gw_src=\"router-%u\" "
                           "gw_dst=\"router-%u\"><link_ctn id=\"up-%u\" direction=\"UP\"/>"
                           "<link_ctn id=\"up-%u\" direction=\"DOWN\"/></zoneRoute>\n",
                           a, b, a, b, a, b);
        }
    }
}

static void write_platform(co_text *text, const co_cluster *c, uint32_t hosts)
{
    const uint32_t per_rack = c->per_rack > 0 ? c->per_rack : hosts;
    const uint32_t racks = (hosts + per_rack - 1) / per_rack;
    co_text_put(text, "<?xml version='1.0'?>\n"
                      "<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n"
                      "<platform version=\"4.1\">\n  <zone id=\"all\" routing=\"Full\">\n");
    for (uint32_t rack = 0; rack < racks; rack++) {
        uint32_t end = (rack + 1) * per_rack;
        write_rack(text, c, rack, rack * per_rack, end < hosts ? end : hosts);
    }
    if (racks > 1) {
        write_routes(text, c, racks);
    }
    co_text_put(text, "  </zone>\n</platform>\n");
}

static void write_hostfile(co_text *text, const co_cluster *c, uint32_t workers)
{
    for (uint32_t worker = 0; worker < workers; worker++) {
        co_text_printf(text, "host-%u\n", worker / c->per_host);
    }
}

static void write_hosts(co_text *text, const co_cluster *c, uint32_t workers)
{
    write_platform(text, c, (workers + c->per_host - 1) / c->per_host);
}

typedef void write_func(co_text *text, const co_cluster *cluster, uint32_t workers);

static co_status write_text(write_func *write, const co_cluster *cluster, uint32_t workers,
                            char **out, co_error *err)
{
    void *block = NULL;
    co_text text = co_text_over(NULL, 0);
    write(&text, cluster, workers); /* to know its length */
    const size_t size = text.length + 1;
    CO_TRY(co_alloc(size, 1, "platform", &block, err));
    text = co_text_over(block, size);
    write(&text, cluster, workers);
    *out = block;
    return CO_OK;
}

co_status co_cluster_describe(const co_cluster *cluster, uint32_t workers, char **platform,
                              char **hostfile, co_error *err)
{
    char *text = NULL;
    CO_TRY(write_text(write_hosts, cluster, workers, &text, err));
    co_status status = write_text(write_hostfile, cluster, workers, hostfile, err);
    if (status != CO_OK) {
        co_free(text);
        return status;
    }
    *platform = text;
    return CO_OK;
}
