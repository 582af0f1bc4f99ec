/* docs/reference.md, from the table. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "conf/layers.h"
#include "conf/string.h"

static void print_head(FILE *file)
{
    fprintf(file,
            "# Settings\n\n"
            "<!-- Written by `cohort reference`; change src/conf/options.def instead. -->\n\n"
            "Each setting is a flag (`--batch-size 64` or `--batch-size=64`; switches `--val` and "
            "`--no-val`),\n"
            "a key of a YAML file read with `--config FILE` (`batch_size: 64`) and an environment "
            "variable\n(`COHORT_BATCH_SIZE=64`). `-` and `_` are the same in names. What overrides "
            "what:\n\n"
            "    defaults < profile < file < environment < command line\n\n"
            "`--print-config` shows every value and where it came from. In a file, a key without "
            "a value keeps\nwhat the layers below say; `false` and `0` are values like others. "
            "Nested values are YAML on the\ncommand line too: `--model-config \"{'depth': 34}\"`. "
            "A file may have sections (top-level keys);\n`--config-section NAME` chooses one. S1's "
            "`--yaml-config FILE --config NAME` means the same, and S2's\n"
            "`--params \"batch_size=256;learning_rate=0.1\"` is a list of flags.\n\n"
            "Files are limited to 1 MiB, %d levels and %d values, without anchors, aliases and "
            "tags.\n",
            CO_YAML_MAX_DEPTH, CO_YAML_MAX_NODES);
}

static void print_commands(FILE *file, const co_option *option)
{
    co_row row = co_option_find(option->name);
    int count = 0;
    for (int c = 0; c < CO_COMMAND_COUNT; c++) {
        count += co_option_applies(row, (co_command)c);
    }
    if (count == CO_COMMAND_COUNT) {
        fprintf(file, "all");
        return;
    }
    for (int c = 0, written = 0; c < CO_COMMAND_COUNT; c++) {
        if (co_option_applies(row, (co_command)c)) {
            fprintf(file, "%s%s", written++ > 0 ? ", " : "", co_command_words((co_command)c));
        }
    }
}

static void print_values(FILE *file, const co_option *option)
{
    char range[96];
    co_option_range_text(option, range, sizeof(range));
    if (option->choices != NULL) {
        for (int i = 0; option->choices[i] != NULL; i++) {
            fprintf(file, "%s`%s`", i > 0 ? ", " : "", option->choices[i]);
        }
        return;
    }
    fprintf(file, "%s", co_option_type_text(option->type));
    if (range[0] != '\0') {
        fprintf(file, ", %s", range);
    } else if (co_option_unit(option)[0] != '\0') {
        fprintf(file, " (%s)", option->unit);
    }
}

/* `--a`, `--b` from "a b". */
static void print_flags(FILE *file, const char *names)
{
    for (const char *word = names; *word != '\0';) {
        size_t size = strcspn(word, " ");
        fprintf(file, "%s`%s%.*s`", word == names ? "" : ", ", word[0] == '-' ? "" : "--",
                (int)size, word);
        word += size;
        word += strspn(word, " ");
    }
}

static void print_section(FILE *file, co_section section)
{
    fprintf(file,
            "\n## %s\n\n| Flag | Values | Default | Commands | Meaning |\n"
            "|---|---|---|---|---|\n",
            co_section_title(section));
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = co_option_row((co_row)row);
        if (option->section != section) {
            continue;
        }
        char name[64];
        co_dashed(option->name, name, sizeof(name));
        fprintf(file, "| `--%s` | ", name);
        print_values(file, option);
        fprintf(file, " | %s%s%s | ", option->standard[0] != '\0' ? "`" : "", option->standard,
                option->standard[0] != '\0' ? "`" : "");
        print_commands(file, option);
        fprintf(file, " | %s.", option->help);
        if (option->aliases != NULL) {
            fprintf(file, " Also: ");
            print_flags(file, option->aliases);
            fprintf(file, ".");
        }
        fprintf(file, " |\n");
    }
}

static void print_profiles(FILE *file)
{
    fprintf(file, "\n## Profiles\n");
    for (int profile = 1; co_option_row(CO_ROW_profile)->choices[profile] != NULL; profile++) {
        co_row row = CO_ROW_COUNT;
        const char *text = NULL;
        fprintf(file, "\n`--profile %s`: %s.\n\n", co_option_row(CO_ROW_profile)->choices[profile],
                co_profile_summary((co_conf_profile)profile));
        for (int i = 0; co_profile_setting((co_conf_profile)profile, i, &row, &text); i++) {
            fprintf(file, "    %s: %s\n", co_option_row(row)->name, text);
        }
    }
    fprintf(file, "\nWith `s1`, data sets in colour are normalised with `imagenet`. With `s3`, "
                  "`cifar10` and `cifar100` take\n`resnet18`, and Adam's beta1 is the larger of "
                  "momentum and 0.99; its seed is fixed with `--seed` alone.\n");
}

static void print_later(FILE *file)
{
    fprintf(file, "\n## Flags that arrive later\n\nThese flags of the reference systems are known; "
                  "they are refused with what they arrive with, and\naccepted where their value "
                  "asks for nothing (`agent: base`).\n\n| Flags | Arrive with |\n|---|---|\n");
    for (size_t i = 0; co_later_row(i) != NULL; i++) {
        const co_later *later = co_later_row(i);
        fprintf(file, "| ");
        print_flags(file, later->names);
        fprintf(file, " | %s |\n", later->feature);
    }
}

void co_conf_print_reference(FILE *file)
{
    print_head(file);
    fprintf(file, "\n## Commands\n\n| Command | What it does |\n|---|---|\n");
    for (int c = 0; c < CO_COMMAND_COUNT; c++) {
        fprintf(file, "| `cohort %s` | %s |\n", co_command_words((co_command)c),
                co_command_summary((co_command)c));
    }
    for (int section = 0; section < CO_SECTION_COUNT; section++) {
        print_section(file, (co_section)section);
    }
    print_profiles(file);
    print_later(file);
}
