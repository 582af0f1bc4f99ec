/* The user's own platform and host file, looked at before SimGrid does, which would stop with a
 * list of addresses. */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/sim.h"

enum { MOST = 64 << 20, NAME_SIZE = 256 };

/* Whether the platform may have a host of this name: those of a <cluster> or <cabinet> are counted,
 * not named, and a platform in C++ names none. */
static bool may_have(const char *platform, const char *name)
{
    const size_t length = strlen(name);
    bool found = strstr(platform, "<cluster") != NULL || strstr(platform, "<cabinet") != NULL ||
                 platform[strspn(platform, " \t\r\n\xef\xbb\xbf")] != '<';
    for (const char *at = strstr(platform, name); at != NULL && !found; at = strstr(at + 1, name)) {
        const char quote = at > platform ? at[-1] : ' ';
        found = (quote == '"' || quote == '\'') && at[length] == quote;
    }
    return found;
}

/* The next line without its end; false after the last one. */
static bool next_line(const char **text, char name[NAME_SIZE])
{
    const size_t length = strcspn(*text, "\r\n");
    const size_t kept = length < NAME_SIZE - 1 ? length : NAME_SIZE - 1;
    if (**text == '\0') {
        return false;
    }
    memcpy(name, *text, kept);
    name[kept] = '\0';
    *text += length;
    *text += **text == '\r';
    *text += **text == '\n';
    return true;
}

static co_status check_form(const char *path, const char *text, int workers, co_error *err)
{
    char name[NAME_SIZE];
    int hosts = 0;
    while (hosts < workers && next_line(&text, name)) {
        hosts++;
        if (name[0] == '\0' || strpbrk(name, " \t:#") != NULL) {
            return co_fail(err, CO_USAGE,
                           "%s:%d: '%.60s': SimGrid takes the name of one host from each line, "
                           "without comments, blank lines or numbers; a host of several workers "
                           "has several lines",
                           path, hosts, name);
        }
    }
    if (hosts < workers) {
        return co_fail(err, CO_USAGE,
                       "%s names %d hosts for %d workers: it needs a line for each worker (a host "
                       "may be named more than once)",
                       path, hosts, workers);
    }
    return CO_OK;
}

static co_status check_names(const char *path, const char *text, int workers, const char *platform,
                             const char *xml, co_error *err)
{
    char name[NAME_SIZE];
    for (int line = 1; line <= workers && next_line(&text, name); line++) {
        if (!may_have(xml, name)) {
            return co_fail(err, CO_USAGE, "%s:%d: %s has no host '%.60s'", path, line, platform,
                           name);
        }
    }
    return CO_OK;
}

co_status co_cli_sim_check_hosts(const char *platform, const char *hostfile, int workers,
                                 co_error *err)
{
    char *xml = NULL;
    char *text = NULL;
    size_t bytes = 0;
    CO_TRY(co_file_read(platform, MOST, CO_USAGE, &xml, &bytes, err));
    co_status status = co_file_read(hostfile, MOST, CO_USAGE, &text, &bytes, err);
    if (status == CO_OK) {
        status = check_form(hostfile, text, workers, err);
    }
    if (status == CO_OK) {
        status = check_names(hostfile, text, workers, platform, xml, err);
    }
    co_free(text);
    co_free(xml);
    return status;
}
