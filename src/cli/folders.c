/* Which folder a run writes to, as its settings say. */
#include <stdio.h>

#include "cli/cli.h"

int co_cli_run_folder(const co_settings *settings, char *out, size_t size)
{
    if (settings->run_dir != NULL) {
        return snprintf(out, size, "%s", settings->run_dir);
    }
    if (settings->save_dir == NULL) {
        return snprintf(out, size, "%s", "");
    }
    if (settings->subfolder != NULL) {
        return snprintf(out, size, "%s/%s/%s", settings->results_dir, settings->subfolder,
                        settings->save_dir);
    }
    return snprintf(out, size, "%s/%s", settings->results_dir, settings->save_dir);
}

const char *co_cli_results_folder(const co_settings *settings, char *buffer, size_t size)
{
    if (settings->subfolder == NULL) {
        return settings->results_dir;
    }
    int length = snprintf(buffer, size, "%s/%s", settings->results_dir, settings->subfolder);
    return length >= 0 && (size_t)length < size ? buffer : settings->results_dir;
}
