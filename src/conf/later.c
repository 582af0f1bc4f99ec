/* Flags of the reference systems whose features this version does not have. */
#include <string.h>

#include "conf/layers.h"
#include "conf/string.h"

#define CONTINUAL  "continual learning"
#define SERVERS    "parameter servers"
#define DELAYS     "delayed and slow workers"
#define DUAL_BATCH "dual batch sizes"
#define LANDSCAPE  "the loss landscape"
#define KFOLD      "k-fold grid search"
#define REPORTS    "test reports"
#define PRECISION  "half precision and CUDA"
#define SINKS      "the live page and its kin"

static const co_later later_rows[] = {
    {"tasksets-config", CONTINUAL, ""},
    {"agent", CONTINUAL, "base"},
    {"agent-config buffer-config backbone backbone-config", CONTINUAL, ""},
    {"world world-size", SERVERS, "1"},
    {"strategy", SERVERS, "local allreduce"},
    {"dist-url dist-backend", "its own launcher (use --workers, mpirun or srun)", "env:// mpi"},
    {"rank server port scheme", SERVERS, ""},
    {"-a -w -r -p -s", SERVERS, ""}, /* S4 has short flags only */
    {"delay slow-worker-1 delay-intensity delay-type delay-ms", DELAYS, ""},
    {"compensation comp", "delay compensation", ""},
    {"small-batch-size small-workers time-ratio num-small schedule comments temp", DUAL_BATCH, ""},
    {"grid-size", LANDSCAPE, ""},
    {"k-splits", KFOLD, ""},
    {"classification-report training-time pics worker-accuracy", REPORTS, ""},
    {"tensorwatch tensorwatch-port", SINKS, "0"},
    {"influx influx-url prometheus-port http-port live", SINKS, ""},
    {"use-amp use-dali xla amp", PRECISION, ""},
    {"log-level", "log levels (use --quiet or --verbose)", "info INFO"},
};

const co_later *co_later_row(size_t index)
{
    return index < sizeof(later_rows) / sizeof(later_rows[0]) ? &later_rows[index] : NULL;
}

const co_later *co_later_find(const char *name)
{
    for (size_t i = 0; co_later_row(i) != NULL; i++) {
        if (co_in_list(later_rows[i].names, name)) {
            return &later_rows[i];
        }
    }
    return NULL;
}

bool co_later_is_neutral(const co_later *later, const char *text)
{
    bool truth = true;
    if (co_is_null_text(text) || co_in_list(later->neutral, text)) {
        return true;
    }
    /* "0" asks for nothing only where the row says so: a rank may be 0. */
    return strcmp(text, "0") != 0 && co_parse_bool(text, &truth) && !truth;
}

co_status co_later_fail(const co_later *later, const char *where, const char *name, co_error *err)
{
    if (where[0] == '-') { /* a flag names itself */
        return co_fail(err, CO_USAGE, "%s arrives with %s; this version does not have it", where,
                       later->feature);
    }
    return co_fail(err, CO_USAGE, "%s: '%.60s' arrives with %s; this version does not have it",
                   where, name, later->feature);
}

co_status co_unknown_flag_fail(const char *flag, const char *name, co_error *err)
{
    co_nearest best = {0};
    co_option_offer_names(&best, name, true);
    if (best.name == NULL) {
        return co_fail(err, CO_USAGE, "unknown flag '%.60s'; --help lists the flags", flag);
    }
    char nearest[64];
    co_dashed(best.name, nearest, sizeof(nearest));
    return co_fail(err, CO_USAGE, "unknown flag '%.60s'; did you mean '--%s'?", flag, nearest);
}

co_status co_unknown_setting_fail(const char *where, const char *name, co_error *err)
{
    co_nearest best = {0};
    co_option_offer_names(&best, name, false);
    if (best.name == NULL) {
        return co_fail(err, CO_USAGE, "%s: unknown setting '%.60s'; --help lists what there is",
                       where, name);
    }
    return co_fail(err, CO_USAGE, "%s: unknown setting '%.60s'; did you mean '%s'?", where, name,
                   best.name);
}
