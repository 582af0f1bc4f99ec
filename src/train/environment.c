#include "train/environment.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "co_build.h"

co_status co_environment_tune_hash(const co_settings *settings, char out[CO_HASH_TEXT_SIZE],
                                   co_error *err)
{
    out[0] = '\0';
    if (settings->tune_file == NULL) {
        return CO_OK;
    }
    char *text = NULL;
    size_t bytes = 0;
    CO_TRY(co_file_read(settings->tune_file, (size_t)1 << 24, CO_USAGE, &text, &bytes, err));
    co_hash_text(co_hash_bytes(text, bytes), out);
    co_free(text);
    return CO_OK;
}

static void put(co_text *text, const co_job *job, const char *tune)
{
    co_text_printf(text, "cohort: %s\ncommit: %s\ncompiler: %s\nbuild: %s\n", CO_BUILD_VERSION,
                   CO_BUILD_COMMIT, CO_BUILD_COMPILER, CO_BUILD_TYPE);
    co_text_printf(text, "oneDNN: %s\nbackend: %s\nisa: %s\n", CO_BUILD_DNNL,
                   job->backend->ops->name, job->backend->isa);
    co_text_printf(text, "threads: %d\nthread team: %s\ntune file: %s\n",
                   co_team_threads(job->team), co_team_kind(), tune);
}

co_status co_environment_text(const co_job *job, char **out, co_error *err)
{
    char tune[CO_HASH_TEXT_SIZE];
    void *block = NULL;
    co_text sized = co_text_over(NULL, 0);
    CO_TRY(co_environment_tune_hash(job->settings, tune, err));
    put(&sized, job, tune);
    CO_TRY(co_alloc(sized.length + 1, 1, "environment", &block, err));
    co_text text = co_text_over(block, sized.length + 1);
    put(&text, job, tune);
    *out = text.data;
    return CO_OK;
}

static co_status put_setting(co_text *text, const co_job *job, const char *name, co_row row,
                             co_error *err)
{
    char *value = NULL;
    CO_TRY(co_conf_value_text(job->settings, row, &value, err));
    co_text_printf(text, "%s: %s\n", name, value);
    co_free(value);
    return CO_OK;
}

co_status co_environment_workers(const co_job *job, char **out, co_error *err)
{
    char lines[512];
    co_text text = co_text_over(lines, sizeof(lines));
    if (co_comm_alone(job->comm)) {
        *out = NULL;
        return CO_OK;
    }
    co_text_printf(&text, "workers: %d\nhosts: %d\n", job->comm->size, job->comm->hosts);
    CO_TRY(put_setting(&text, job, "partition", CO_ROW_partition, err));
    CO_TRY(put_setting(&text, job, "uneven", CO_ROW_uneven, err));
    CO_TRY(put_setting(&text, job, "sums", CO_ROW_reduce, err));
    CO_TRY(put_setting(&text, job, "batch norm", CO_ROW_bn_workers, err));
    return co_strdup(lines, out, err);
}

/* The value of the line that begins with these `length` characters; its length in *value_length. */
static const char *find_value(const char *text, const char *key, size_t length,
                              size_t *value_length)
{
    while (*text != '\0') {
        size_t line = strcspn(text, "\n");
        if (line >= length && strncmp(text, key, length) == 0) {
            *value_length = line - length;
            return text + length;
        }
        text += line + (text[line] == '\n');
    }
    *value_length = 1;
    return "?";
}

void co_environment_compare(const char *then, const char *now, char *out, size_t size)
{
    co_text text = co_text_over(out, size);
    out[0] = '\0';
    while (*now != '\0') {
        size_t line = strcspn(now, "\n");
        size_t key = strcspn(now, ":") + 2;
        size_t length = 0;
        const char *value = find_value(then, now, key, &length);
        if (length != line - key || strncmp(value, now + key, length) != 0) {
            co_text_printf(&text, "%s%.*s %.*s then, %.*s now", text.length > 0 ? "; " : "",
                           (int)key - 1, now, (int)(length < 80 ? length : 80), value,
                           (int)(line - key), now + key);
        }
        now += line + (now[line] == '\n');
    }
}
