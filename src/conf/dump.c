/* The settings as text: config.yaml of a run folder, and --print-config. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "conf/option.h"
#include "conf/string.h"
#include "conf/value.h"

co_status co_conf_value_text(const co_settings *settings, co_row row, char **out, co_error *err)
{
    co_string text = {0};
    co_value_write(&text, settings, row);
    return co_string_take(&text, out, err);
}

co_status co_conf_dump(const co_conf *conf, char **out, co_error *err)
{
    co_string text = {0};
    co_string_add(&text, "# The settings of this run, complete: 'cohort train --config' with this "
                         "file repeats it.\n");
    co_section section = CO_SECTION_COUNT;
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = co_option_row((co_row)row);
        if (option->invocation) {
            continue;
        }
        if (option->section != section) {
            section = option->section;
            co_string_format(&text, "\n# %s\n", co_section_title(section));
        }
        co_string_format(&text, "%s: ", option->name);
        co_value_write(&text, &conf->values, (co_row)row);
        co_string_add(&text, "\n");
    }
    return co_string_take(&text, out, err);
}

co_status co_conf_print_sources(const co_conf *conf, FILE *file, co_error *err)
{
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = co_option_row((co_row)row);
        const co_source *source = &conf->sources[row];
        if (!co_option_applies((co_row)row, conf->command) || option->flag_only) {
            continue;
        }
        char *value = NULL;
        CO_TRY(co_conf_value_text(&conf->values, (co_row)row, &value, err));
        fprintf(file, "%-20s %-28s %s\n", option->name, value,
                source->where != NULL ? source->where : "default");
        co_free(value);
    }
    return CO_OK;
}
