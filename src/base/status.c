#include "base/status.h"

#include <stdio.h>
#include <string.h>

#undef co_fail /* macros when an analyzer reads them, see status.h */
#undef co_fail_errno

static void CO_PRINTF(3, 0)
    write_text(co_error *err, co_status status, const char *format, va_list args)
{
    err->status = status;
    (void)vsnprintf(err->text, sizeof(err->text), format, args);
}

co_status co_fail(co_error *err, co_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_text(err, status, format, args);
    va_end(args);
    return status;
}

co_status co_fail_errno(co_error *err, co_status status, int error_number, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_text(err, status, format, args);
    va_end(args);
    char reason[128];
    size_t length = strlen(err->text);
    (void)snprintf(err->text + length, sizeof(err->text) - length, ": %s",
                   strerror_r(error_number, reason, sizeof(reason)));
    return status;
}

const char *co_status_name(co_status status)
{
    switch (status) {
#define CO_STATUS_NAME(name, code, text)                                                           \
    case CO_##name:                                                                                \
        return #name;
        CO_STATUS_MAP(CO_STATUS_NAME)
#undef CO_STATUS_NAME
    }
    return "?";
}

const char *co_status_meaning(co_status status)
{
    switch (status) {
#define CO_STATUS_MEANING(name, code, text)                                                        \
    case CO_##name:                                                                                \
        return text;
        CO_STATUS_MAP(CO_STATUS_MEANING)
#undef CO_STATUS_MEANING
    }
    return "?";
}
