/* The environment: COHORT_ and the name of the setting in capitals. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "conf/layers.h"
#include "conf/string.h"

#define PREFIX    "COHORT_"
#define NAME_MAX_ 80

/* Variables of the tests and tools, which are no settings. */
static const char *const other_variables = "test_data bench";

static co_status read_variable(co_layer *layer, const char *variable, const char *name,
                               const char *value, co_error *err)
{
    co_row row = co_option_find(name);
    if (row != CO_ROW_COUNT && co_option_row(row)->flag_only) {
        return CO_OK;
    }
    if (row != CO_ROW_COUNT) {
        return co_layer_add(layer, row, value, NULL, variable, err);
    }
    const co_later *later = co_later_find(name);
    if (later != NULL) {
        return co_later_is_neutral(later, value) ? CO_OK
                                                 : co_later_fail(later, variable, name, err);
    }
    /* Others may have variables that begin like ours; only what looks like a slip is refused. */
    co_nearest best = {0};
    co_option_offer_names(&best, name, false);
    if (best.name == NULL || co_in_list(other_variables, name)) {
        return CO_OK;
    }
    return co_unknown_setting_fail(variable, name, err);
}

co_status co_layer_read_environment(co_layer *layer, char *const environment[], co_error *err)
{
    for (int i = 0; environment != NULL && environment[i] != NULL; i++) {
        const char *entry = environment[i];
        const char *equals = strchr(entry, '=');
        if (strncmp(entry, PREFIX, strlen(PREFIX)) != 0 || equals == NULL || equals[1] == '\0') {
            continue; /* an empty variable is one that is not set */
        }
        size_t length = (size_t)(equals - entry);
        char variable[NAME_MAX_];
        char name[NAME_MAX_];
        if (length >= sizeof(variable)) {
            continue;
        }
        snprintf(variable, sizeof(variable), "%.*s", (int)length, entry);
        snprintf(name, sizeof(name), "%s", variable + strlen(PREFIX));
        for (char *c = name; *c != '\0'; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
        CO_TRY(read_variable(layer, variable, name, equals + 1, err));
    }
    return CO_OK;
}
