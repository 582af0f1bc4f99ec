/* The option table itself: one co_option per row of options.def, in its order. Constant data. */
#ifndef CO_CONF_OPTION_H
#define CO_CONF_OPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "conf/hint.h"
#include "conf/yaml.h"

typedef enum co_option_type {
    CO_TYPE_BOOL,
    CO_TYPE_INT,
    CO_TYPE_UINT64,
    CO_TYPE_FLOAT,
    CO_TYPE_STRING,
    CO_TYPE_PATH,
    CO_TYPE_CHOICE,
    CO_TYPE_LIST,
    CO_TYPE_YAML
} co_option_type;

typedef enum co_section {
    CO_SECTION_GENERAL,
    CO_SECTION_DATA,
    CO_SECTION_MODEL,
    CO_SECTION_TRAINING,
    CO_SECTION_CHECKPOINTS,
    CO_SECTION_OPTIMIZER,
    CO_SECTION_SCHEDULE,
    CO_SECTION_EVALUATION,
    CO_SECTION_OUTPUT,
    CO_SECTION_MACHINE,
    CO_SECTION_COMPATIBILITY,
    CO_SECTION_COUNT
} co_section;

#define CO_OPEN_MIN 1u /* the lower bound itself is excluded */
#define CO_OPEN_MAX 2u /* the upper bound itself is excluded */

typedef struct co_option {
    const char *name; /* as in YAML: with '_' */
    co_option_type type;
    size_t offset; /* of the field in co_settings */
    co_section section;
    unsigned commands;    /* bit 1 << co_command for each that has the setting */
    const char *standard; /* the default, as text; "" is not set */
    const char *help;

    const char *const *choices; /* CHOICE: the words, ended by NULL */
    const char *words;          /* CHOICE: other spellings, "other=word other=word" */
    const char *aliases;        /* other names, separated by blanks */
    const char *unit;           /* numbers; "factor" and "number" go without saying */
    const char *alone;          /* the value when the flag has none */
    double min;                 /* numbers: no range when min == max */
    double max;
    unsigned open;
    bool may_change;  /* may differ when a run is resumed: its results do not depend on it */
    bool invocation;  /* belongs to one call of the program, not to the record of a run */
    bool flag_only;   /* neither in files nor in the environment */
    bool not_in_file; /* says what to read, so a file cannot */
    /* names a file ending so (".yaml"): a relative one in a settings file is looked for beside
     * that file first, so that a run folder can be moved */
    const char *beside;
    /* YAML: refuses what has the wrong shape; `where` names the setting for the message */
    co_status (*check)(const co_yaml_node *node, const char *name, co_error *err);
} co_option;

const co_option *co_option_row(co_row row);
/* By name or alias, '-' and '_' alike; CO_ROW_COUNT when there is none. */
co_row co_option_find(const char *name);
void co_option_offer_names(co_nearest *best, const char *name, bool flags);
bool co_option_applies(co_row row, co_command command);
/* The unit as text, "" when it goes without saying. */
const char *co_option_unit(const co_option *option);
const char *co_section_title(co_section section);
/* "a whole number", "true or false", ... */
const char *co_option_type_text(co_option_type type);
/* "1 to 65536 samples", "above 0, at most 1"; "" without a range. */
void co_option_range_text(const co_option *option, char *buffer, size_t size);

/* The checks named in the table (check_yaml.c). */
co_status co_check_is_map(const co_yaml_node *node, const char *name, co_error *err);
co_status co_check_lr_points(const co_yaml_node *node, const char *name, co_error *err);
co_status co_check_regime(const co_yaml_node *node, const char *name, co_error *err);

#endif
