/* The settings as TensorBoard's hyperparameters. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/cli.h"
#include "conf/option.h"

/* What says where results go, or how fast they come, is none. */
static bool is_hparam(const co_option *option, co_row row)
{
    return co_option_applies(row, CO_COMMAND_TRAIN) && !option->invocation &&
           (option->section == CO_SECTION_DATA || option->section == CO_SECTION_MODEL ||
            option->section == CO_SECTION_TRAINING || option->section == CO_SECTION_OPTIMIZER ||
            option->section == CO_SECTION_SCHEDULE);
}

static co_hparam as_hparam(const co_option *option, const char *text)
{
    co_hparam hparam = {.name = option->name, .type = CO_HPARAM_TEXT, .text = text};
    if (option->type == CO_TYPE_BOOL) {
        hparam.type = CO_HPARAM_BOOL;
        hparam.number = strcmp(text, "true") == 0;
    } else if (option->type == CO_TYPE_INT || option->type == CO_TYPE_UINT64 ||
               option->type == CO_TYPE_FLOAT) {
        hparam.type = CO_HPARAM_NUMBER;
        hparam.number = strtod(text, NULL);
    }
    return hparam;
}

static co_status collect(const co_settings *settings, co_hparam *out, size_t *count, co_error *err)
{
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = co_option_row((co_row)row);
        char *text = NULL;
        if (!is_hparam(option, (co_row)row)) {
            continue;
        }
        CO_TRY(co_conf_value_text(settings, (co_row)row, &text, err));
        out[*count] = as_hparam(option, text);
        (*count)++;
    }
    return CO_OK;
}

co_status co_cli_hparams(const co_settings *settings, co_hparam **out, size_t *count, co_error *err)
{
    void *block = NULL;
    size_t collected = 0;
    CO_TRY(co_alloc(CO_ROW_COUNT, sizeof(co_hparam), "hyperparameters", &block, err));
    co_status status = collect(settings, block, &collected, err);
    if (status != CO_OK) {
        co_cli_free_hparams(block, collected);
        return status;
    }
    *out = block;
    *count = collected;
    return CO_OK;
}

void co_cli_free_hparams(co_hparam *hparams, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        co_free((char *)(uintptr_t)hparams[i].text);
    }
    co_free(hparams);
}
