/* What a resumed run's settings have other than those of its checkpoint. */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "conf/option.h"

static co_status compare_row(const co_settings *then, const co_settings *now, co_row row,
                             co_text *text, co_error *err)
{
    char *before = NULL;
    char *after = NULL;
    CO_TRY(co_conf_value_text(then, row, &before, err));
    co_status status = co_conf_value_text(now, row, &after, err);
    if (status == CO_OK && strcmp(before, after) != 0) {
        co_text_printf(text, "%s%s: %.100s then, %.100s now", text->length > 0 ? "; " : "",
                       co_option_row(row)->name, before, after);
    }
    co_free(before);
    co_free(after);
    return status;
}

co_status co_conf_compare(const co_settings *then, const co_settings *now, bool may_change,
                          char *out, size_t size, co_error *err)
{
    co_text text = co_text_over(out, size);
    out[0] = '\0';
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = co_option_row((co_row)row);
        if (!option->invocation && option->may_change == may_change &&
            co_option_applies((co_row)row, CO_COMMAND_TRAIN)) {
            CO_TRY(compare_row(then, now, (co_row)row, &text, err));
        }
    }
    return CO_OK;
}
