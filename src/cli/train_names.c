/* S3's file names, as links (docs/METHODS.md 1):
 * {dataset}_classic_0_{10 train_split}_{lr}_{momentum}_{batch}_{epochs}_{optimizer}... */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/train_parts.h"

/* Python's str() of a float, without its point: 0.005 -> 0005, 10.0 -> 100. */
static void put_number(co_text *text, double value)
{
    char buffer[40];
    co_text digits = co_text_over(buffer, sizeof(buffer));
    co_text_json_f64(&digits, value);
    if (strpbrk(buffer, ".e") == NULL) {
        co_text_put(&digits, ".0");
    }
    for (const char *c = buffer; *c != '\0'; c++) {
        if (*c != '.') {
            co_text_put_bytes(text, c, 1);
        }
    }
}

static void put_base_name(co_text *text, const co_settings *settings, const char *dataset)
{
    static const char *const schedules[] = {
        [CO_CONF_SCHEDULE_CONSTANT] = "",
        [CO_CONF_SCHEDULE_STEP] = "_step",
        [CO_CONF_SCHEDULE_EXPONENTIAL] = "_exponential",
        [CO_CONF_SCHEDULE_COSINE] = "_cosine_annealing",
        [CO_CONF_SCHEDULE_PIECEWISE_LINEAR] = "_piecewise_linear",
    };
    co_text_printf(text, "%s_classic_0_", dataset);
    put_number(text, 10.0 * settings->train_split);
    co_text_put(text, "_");
    put_number(text, settings->lr);
    co_text_put(text, "_");
    put_number(text, settings->momentum);
    co_text_printf(text, "_%d_%d_%s%s", settings->batch_size, settings->epochs,
                   settings->optimizer == CO_CONF_OPTIMIZER_SGD ? "SGD" : "ADAM",
                   schedules[settings->lr_schedule]);
    if (settings->saves_per_epoch > 0) {
        co_text_printf(text, "_spe%d", settings->saves_per_epoch);
    }
    co_text_put(text, settings->val ? "_val" : "");
    co_text_put(text, settings->alt_model ? "_alt_model" : "");
}

static co_status link_file(const train_command *t, const char *base, const char *ending,
                           co_run_file file, co_error *err)
{
    char path[CO_TRAIN_PATH_SIZE + 320];
    const char *target = co_rundir_file(t->rundir, file);
    const char *name = strrchr(target, '/') + 1;
    if (access(target, F_OK) != 0) {
        return CO_OK;
    }
    (void)snprintf(path, sizeof(path), "%s/%s%s", co_rundir_path(t->rundir), base, ending);
    if (symlink(name, path) != 0 && errno != EEXIST) {
        return co_fail_errno(err, CO_FILE, errno, "cannot make the link %s", path);
    }
    return CO_OK;
}

co_status co_cli_train_base_names(const train_command *t, co_error *err)
{
    char base[240];
    co_text text = co_text_over(base, sizeof(base));
    put_base_name(&text, t->settings, co_dataset_describe(t->job->dataset)->name);
    if (!co_text_complete(&text)) {
        return co_fail(err, CO_FILE, "--base-names: the name is too long: %s...", base);
    }
    CO_TRY(link_file(t, base, "_model.safetensors", CO_RUN_MODEL, err));
    CO_TRY(link_file(t, base, "_log.log", CO_RUN_LOG, err));
    return link_file(t, base, "_weights.npy", CO_RUN_WEIGHTS, err);
}
