/* Which command the first words name. */
#include <stdio.h>
#include <string.h>

#include "conf/option.h"

/* Commands of later versions, so that nobody is told that they do not exist. */
static const char *const later_commands[][2] = {
    {"launch", "many workers (0.4)"},
    {"landscape", "the loss landscape"},
    {"kfold", "k-fold grid search"},
    {"sweep", "studies"},
    {"study", "studies"},
    {"report", "test reports"},
    {"experiment", "experiments"},
    {"deploy", "experiments"},
    {"serve", "the live page"},
    {"sim", "simulated clusters"},
    {"plan", "dual batch sizes"},
};

static co_status fail_subcommand(const char *first, const char *second, co_error *err)
{
    char list[120] = "";
    co_nearest best = {0};
    size_t length = strlen(first);
    for (int c = 0; c < CO_COMMAND_COUNT; c++) {
        const char *words = co_command_words((co_command)c);
        if (strncmp(words, first, length) == 0 && words[length] == ' ') {
            size_t used = strlen(list);
            snprintf(list + used, sizeof(list) - used, "%s%s", used > 0 ? ", " : "", words);
            co_nearest_offer(&best, second, words + length + 1);
        }
    }
    if (best.name != NULL) {
        return co_fail(err, CO_USAGE, "'cohort %s' has no '%.40s'; did you mean '%s %s'?", first,
                       second, first, best.name);
    }
    return co_fail(err, CO_USAGE, "'cohort %s' needs one of: %s", first, list);
}

static co_status fail_unknown(const char *word, co_error *err)
{
    for (size_t i = 0; i < sizeof(later_commands) / sizeof(later_commands[0]); i++) {
        if (strcmp(word, later_commands[i][0]) == 0) {
            return co_fail(err, CO_USAGE,
                           "'cohort %s' arrives with %s; this version does not "
                           "have it",
                           word, later_commands[i][1]);
        }
    }
    if (strcmp(word, "resume") == 0) {
        return co_fail(err, CO_USAGE, "a run is resumed with 'cohort train --resume PATH'");
    }
    co_nearest best = {0};
    for (int c = 0; c < CO_COMMAND_COUNT; c++) {
        co_nearest_offer(&best, word, co_command_words((co_command)c));
    }
    return co_fail(err, CO_USAGE, "unknown command '%.40s'%s%s%s", word,
                   best.name != NULL ? "; did you mean 'cohort " : "; 'cohort --help' lists them",
                   best.name != NULL ? best.name : "", best.name != NULL ? "'?" : "");
}

co_status co_conf_find_command(int count, char *const arguments[], co_command *out, int *used,
                               co_error *err)
{
    if (count < 1) {
        return co_fail(err, CO_USAGE, "no command; 'cohort --help' lists them");
    }
    bool begins = false;
    for (int c = 0; c < CO_COMMAND_COUNT; c++) {
        const char *words = co_command_words((co_command)c);
        size_t length = strcspn(words, " ");
        if (strlen(arguments[0]) != length || strncmp(words, arguments[0], length) != 0) {
            continue;
        }
        bool two = words[length] == ' ';
        begins = true;
        if (!two || (count > 1 && strcmp(words + length + 1, arguments[1]) == 0)) {
            *out = (co_command)c;
            *used = two ? 2 : 1;
            return CO_OK;
        }
    }
    return begins ? fail_subcommand(arguments[0], count > 1 ? arguments[1] : "", err)
                  : fail_unknown(arguments[0], err);
}
