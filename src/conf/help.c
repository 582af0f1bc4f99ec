/* --help and the reference page. */
#include <stdio.h>
#include <string.h>

#include "conf/layers.h"
#include "conf/string.h"

#define HELP_COLUMN 26
#define HELP_WIDTH  98

/* "--batch-size N", "--[no-]val", "--profile WORD". */
static void flag_text(const co_option *option, char *buffer, size_t size)
{
    static const char *const values[] = {
        [CO_TYPE_BOOL] = "",        [CO_TYPE_INT] = " N",       [CO_TYPE_UINT64] = " N",
        [CO_TYPE_FLOAT] = " X",     [CO_TYPE_STRING] = " NAME", [CO_TYPE_PATH] = " PATH",
        [CO_TYPE_CHOICE] = " WORD", [CO_TYPE_LIST] = " LIST",   [CO_TYPE_YAML] = " YAML",
    };
    char name[64];
    co_dashed(option->name, name, sizeof(name));
    bool both = option->type == CO_TYPE_BOOL && !option->flag_only;
    if (option->alone != NULL) {
        snprintf(buffer, size, "--%s [%s]", name, values[option->type] + 1);
    } else {
        snprintf(buffer, size, "--%s%s%s", both ? "[no-]" : "", name, values[option->type]);
    }
}

/* The help with what else a reader needs: words, range, default. */
static void describe(co_string *text, const co_option *option)
{
    char range[96];
    co_option_range_text(option, range, sizeof(range));
    co_string_add(text, option->help);
    for (int i = 0; option->choices != NULL && option->choices[i] != NULL; i++) {
        co_string_format(text, "%s%s", i == 0 ? " {" : ", ", option->choices[i]);
    }
    co_string_add(text, option->choices != NULL ? "}" : "");
    if (range[0] != '\0') {
        co_string_format(text, " (%s)", range);
    } else if (co_option_unit(option)[0] != '\0') {
        co_string_format(text, " (%s)", option->unit);
    }
    if (option->standard[0] != '\0' && option->type != CO_TYPE_BOOL) {
        co_string_format(text, " [%s]", option->standard);
    } else if (option->type == CO_TYPE_BOOL && strcmp(option->standard, "true") == 0) {
        co_string_add(text, " [on]");
    }
}

static void print_wrapped(FILE *file, const char *text, int column)
{
    int width = HELP_WIDTH - column;
    for (;;) {
        int length = (int)strlen(text);
        if (length <= width) {
            fprintf(file, "%s\n", text);
            return;
        }
        int cut = width;
        while (cut > 0 && text[cut] != ' ') {
            cut--;
        }
        cut = cut > 0 ? cut : width;
        fprintf(file, "%.*s\n%*s", cut, text, column, "");
        text += cut;
        text += *text == ' ';
    }
}

static void print_option(FILE *file, const co_option *option)
{
    char flag[80];
    co_string text = {0};
    flag_text(option, flag, sizeof(flag));
    describe(&text, option);
    fprintf(file, "  %-*s", HELP_COLUMN - 2, flag);
    if (strlen(flag) + 3 > HELP_COLUMN) {
        fprintf(file, "\n%*s", HELP_COLUMN, "");
    }
    print_wrapped(file, text.data != NULL ? text.data : "", HELP_COLUMN);
    co_string_free(&text);
}

void co_conf_print_help(co_command command, FILE *file)
{
    fprintf(file, "Usage: cohort %s [settings]\n\n%s\n", co_command_words(command),
            co_command_summary(command));
    for (int section = 0; section < CO_SECTION_COUNT; section++) {
        bool begun = false;
        for (int row = 0; row < CO_ROW_COUNT; row++) {
            const co_option *option = co_option_row((co_row)row);
            if ((int)option->section != section || !co_option_applies((co_row)row, command)) {
                continue;
            }
            if (!begun) {
                fprintf(file, "\n%s\n", co_section_title((co_section)section));
                begun = true;
            }
            print_option(file, option);
        }
    }
    fprintf(file, "\nEvery setting is also a key of a YAML file (--config) and a variable "
                  "COHORT_NAME.\n'-' and '_' are the same. Defaults < profile < file < environment "
                  "< command line.\n");
}
