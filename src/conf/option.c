#include "conf/option.h"

#include <stdio.h>
#include <string.h>

#include "conf/string.h"

#define BIT(command)   (1u << CO_COMMAND_##command)
#define CO_FOR_ALL     (~0u)
#define CO_FOR_TRAIN   BIT(TRAIN)
#define CO_FOR_RUN     (BIT(TRAIN) | BIT(EVAL))
#define CO_FOR_DATA    (BIT(TRAIN) | BIT(EVAL) | BIT(DATA_CHECK) | BIT(DATA_INFO) | BIT(MODELS))
#define CO_FOR_NAMED   (CO_FOR_DATA | BIT(DATA_GENERATE) | BIT(DATA_FETCH))
#define CO_FOR_FOLDERS (CO_FOR_NAMED | BIT(DOCTOR))
#define CO_FOR_MODEL   (BIT(TRAIN) | BIT(EVAL) | BIT(MODELS) | BIT(TUNE))
#define CO_FOR_BATCH   (BIT(TRAIN) | BIT(EVAL) | BIT(MODELS) | BIT(TUNE))
#define CO_FOR_COMPUTE (BIT(TRAIN) | BIT(EVAL) | BIT(MODELS) | BIT(TUNE) | BIT(DOCTOR))
#define CO_FOR_SHOWN   (BIT(TRAIN) | BIT(EVAL) | BIT(DATA_CHECK) | BIT(DATA_FETCH) | BIT(TUNE))
#define CO_WORDS(list) ((const char *const[]){list(CO_CHOICE_WORD) NULL})

static const co_option option_rows[CO_ROW_COUNT] = {
#define CO_OPTION(type_, field, section_, commands_, standard_, ...)                               \
    [CO_ROW_##field] = {.name = #field,                                                            \
                        .type = CO_TYPE_##type_,                                                   \
                        .offset = offsetof(co_settings, field),                                    \
                        .section = CO_SECTION_##section_,                                          \
                        .commands = commands_,                                                     \
                        .standard = standard_,                                                     \
                        __VA_ARGS__},
#include "conf/options.def"
#undef CO_OPTION
};

const co_option *co_option_row(co_row row)
{
    return &option_rows[row];
}

co_row co_option_find(const char *name)
{
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = &option_rows[row];
        if (co_same_name(option->name, name) || co_in_list(option->aliases, name)) {
            return (co_row)row;
        }
    }
    return CO_ROW_COUNT;
}

void co_option_offer_names(co_nearest *best, const char *name, bool flags)
{
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        if (flags || !option_rows[row].flag_only) {
            co_nearest_offer(best, name, option_rows[row].name);
        }
    }
}

bool co_option_applies(co_row row, co_command command)
{
    return (option_rows[row].commands >> command & 1u) != 0;
}

const char *co_section_title(co_section section)
{
    static const char *const titles[CO_SECTION_COUNT] = {
        [CO_SECTION_GENERAL] = "General",
        [CO_SECTION_DATA] = "Data",
        [CO_SECTION_MODEL] = "Model",
        [CO_SECTION_TRAINING] = "Training",
        [CO_SECTION_CHECKPOINTS] = "Checkpoints and resume",
        [CO_SECTION_OPTIMIZER] = "Optimizer",
        [CO_SECTION_SCHEDULE] = "Learning rate over time",
        [CO_SECTION_EVALUATION] = "Evaluation",
        [CO_SECTION_OUTPUT] = "Run folder and display",
        [CO_SECTION_MACHINE] = "Machine",
        [CO_SECTION_COMPATIBILITY] = "Accepted for compatibility",
    };
    return titles[section];
}

const char *co_option_type_text(co_option_type type)
{
    static const char *const texts[] = {
        [CO_TYPE_BOOL] = "true or false",
        [CO_TYPE_INT] = "a whole number",
        [CO_TYPE_UINT64] = "a whole number, 0 or more",
        [CO_TYPE_FLOAT] = "a number",
        [CO_TYPE_STRING] = "a text",
        [CO_TYPE_PATH] = "a path",
        [CO_TYPE_CHOICE] = "one of its words",
        [CO_TYPE_LIST] = "a list of numbers",
        [CO_TYPE_YAML] = "YAML",
    };
    return texts[type];
}

const char *co_option_unit(const co_option *option)
{
    const char *unit = option->unit;
    bool silent = unit == NULL || strcmp(unit, "factor") == 0 || strcmp(unit, "number") == 0;
    return silent ? "" : unit;
}

void co_option_range_text(const co_option *option, char *buffer, size_t size)
{
    buffer[0] = '\0';
    if (option->min >= option->max) {
        return;
    }
    char low[32];
    char high[32];
    const char *unit = co_option_unit(option);
    co_format_double(option->min, low);
    co_format_double(option->max, high);
    if (option->open == 0) {
        snprintf(buffer, size, "%s to %s%s%s", low, high, unit[0] != '\0' ? " " : "", unit);
    } else {
        snprintf(buffer, size, "%s %s, %s %s%s%s",
                 option->open & CO_OPEN_MIN ? "above" : "at least", low,
                 option->open & CO_OPEN_MAX ? "below" : "at most", high, unit[0] != '\0' ? " " : "",
                 unit);
    }
}

static const struct {
    const char *words;
    const char *summary;
} command_rows[CO_COMMAND_COUNT] = {
#define CO_COMMAND_ROW(name, words, positional, text) [CO_COMMAND_##name] = {words, text},
    CO_COMMAND_MAP(CO_COMMAND_ROW)
#undef CO_COMMAND_ROW
};

const char *co_command_words(co_command command)
{
    return command_rows[command].words;
}

const char *co_command_summary(co_command command)
{
    return command_rows[command].summary;
}
