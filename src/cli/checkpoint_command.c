/* cohort checkpoint show | verify */
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "cli/cli.h"
#include "train/resume.h"

static const co_announcer *nobody(void)
{
    static const co_announcer announcer = {.clock = &co_clock_system};
    return &announcer;
}

static co_status open_given(const co_cli *cli, co_committed **out, co_error *err)
{
    const char *path = cli->conf.values.checkpoint_path;
    if (path == NULL) {
        return co_fail(err, CO_USAGE, "give a checkpoint: its folder, or a run folder");
    }
    return co_resume_find(path, false, nobody(), out, err);
}

/* The state of another run cannot be visited here; its form tells names and values by itself. */
static void print_lines(const co_committed *committed, const char *name)
{
    char *text = NULL;
    size_t bytes = 0;
    co_error ignored;
    if (co_committed_read(committed, name, &text, &bytes, &ignored) != CO_OK) {
        return; /* of one worker there is nothing to say */
    }
    for (char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        size_t key = strcspn(line, ":");
        bool more = line[length] == '\n';
        line[length] = '\0';
        if (key < length) {
            line[key] = '\0';
            co_cli_print_row(stdout, line, "%s", line + key + 1 + (line[key + 1] == ' '));
        }
        line += length + more;
    }
    co_free(text);
}

static void print_files(const co_committed *committed)
{
    const co_manifest *manifest = co_committed_manifest(committed);
    for (size_t i = 0; i < manifest->file_count; i++) {
        const co_manifest_file *file = &manifest->files[i];
        char text[32];
        co_text size = co_text_over(text, sizeof(text));
        co_text_size(&size, file->bytes);
        printf("\n%s, %s\n", file->name, text);
        for (size_t k = 0; k < file->count; k++) {
            const co_manifest_range *range = &manifest->ranges[file->first + k];
            char hash[CO_HASH_TEXT_SIZE];
            co_hash_text(range->hash, hash);
            printf("  %10llu %12llu  %s  %s\n", (unsigned long long)range->begin,
                   (unsigned long long)(range->end - range->begin), hash, range->name);
        }
    }
}

co_status co_cli_checkpoint_show(co_cli *cli, co_error *err)
{
    co_committed *committed = NULL;
    CO_TRY(open_given(cli, &committed, err));
    printf("%s\n", co_committed_folder(committed));
    co_cli_print_row(stdout, "step", "%llu",
                     (unsigned long long)co_committed_manifest(committed)->step);
    print_lines(committed, CO_WORKERS_FILE);
    print_lines(committed, "environment");
    printf("\n       begin        bytes  XXH3-128                          part\n");
    print_files(committed);
    co_committed_close(committed);
    return CO_OK;
}

co_status co_cli_checkpoint_verify(co_cli *cli, co_error *err)
{
    co_committed *committed = NULL;
    CO_TRY(open_given(cli, &committed, err));
    const co_manifest *manifest = co_committed_manifest(committed);
    printf("%s: step %llu, %zu files, %zu parts: whole\n", co_committed_folder(committed),
           (unsigned long long)manifest->step, manifest->file_count, manifest->range_count);
    co_committed_close(committed);
    return CO_OK;
}
