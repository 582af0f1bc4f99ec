/* Small helpers of the commands: rows of text, facts about the process. */
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"

enum { NAME_COLUMNS = 28 };

void co_cli_print_row(FILE *file, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fprintf(file, "  %-*s ", NAME_COLUMNS, name);
    (void)vfprintf(file, format, args);
    (void)fputc('\n', file);
    va_end(args);
}

void co_cli_print_size(FILE *file, const char *name, size_t bytes)
{
    char text[32];
    co_text size = co_text_over(text, sizeof(text));
    co_text_size(&size, bytes);
    co_cli_print_row(file, name, "%12s", text);
}

void co_cli_cpu_name(char *out, size_t size)
{
    (void)snprintf(out, size, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (file == NULL) {
        return;
    }
    char line[256];
    while (fgets(line, sizeof(line), file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            line[strcspn(line, "\n")] = '\0';
            (void)snprintf(out, size, "%s", colon + 2);
            break;
        }
    }
    (void)fclose(file);
}

size_t co_cli_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) {
        return 0;
    }
    unsigned long total = 0;
    unsigned long resident = 0;
    int fields = fscanf(file, "%lu %lu", &total, &resident);
    (void)fclose(file);
    return fields == 2 ? resident * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

size_t co_cli_peak_resident_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return 0;
    }
    return (size_t)usage.ru_maxrss * 1024;
}
