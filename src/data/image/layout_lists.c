#include "data/image/layout_lists.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/image/lines.h"
#include "data/image/walk.h"

enum { LIST_BYTES_MAX = 1 << 28 };

/* A list that is read line by line. */
typedef struct list_reader {
    char *text; /* owned */
    co_lines lines;
    co_image_faults *faults;
    co_image_list *list;
} list_reader;

static co_status open_list(const char *path, co_line_kind kind, list_reader *out, co_error *err)
{
    size_t bytes = 0;
    CO_TRY(co_file_read(path, LIST_BYTES_MAX, CO_DATA, &out->text, &bytes, err));
    out->lines = (co_lines){.name = path, .text = out->text, .size = bytes, .kind = kind};
    return CO_OK;
}

/* ---- wnids.txt ---- */

static co_status add_words(list_reader *reader, co_dataset_findings *findings, co_names *out,
                           co_error *err)
{
    for (bool more = true; more;) {
        co_line line;
        co_error fault = {0};
        co_status status = co_lines_next(&reader->lines, &more, &line, &fault);
        if (status == CO_OK && more && strchr(line.file, '/') != NULL) {
            status = co_fail(&fault, CO_DATA, "%s: line %d: '%.80s' is no name of a folder",
                             reader->lines.name, line.line, line.file);
        }
        bool good = status == CO_OK;
        CO_TRY(co_findings_note(findings, status, &fault, err));
        if (good && more) {
            CO_TRY(co_names_add(out, line.file, err));
        }
    }
    return CO_OK;
}

co_status co_lists_classes(const char *path, co_dataset_findings *findings, co_names *out,
                           co_error *err)
{
    list_reader reader = {0};
    CO_TRY(open_list(path, CO_LINES_WORDS, &reader, err));
    co_status status = add_words(&reader, findings, out, err);
    co_free(reader.text);
    co_names_sort(out);
    for (uint32_t i = 1; i < out->count && status == CO_OK; i++) {
        if (strcmp(co_names_get(out, i - 1), co_names_get(out, i)) == 0) {
            status = co_fail(err, CO_DATA, "%s: names class %s twice", path, co_names_get(out, i));
        }
    }
    return status;
}

/* ---- lists of images ---- */

static co_status check_there(const list_reader *reader, const char *file, int line, co_error *err)
{
    char path[CO_WALK_PATH];
    CO_TRY(co_walk_join(reader->list->root, file, path, err));
    return co_walk_is_file(path) ? CO_OK
                                 : co_fail(err, CO_DATA, "%s: line %d: names %s, which is missing",
                                           reader->lines.name, line, path);
}

/* Adds the image unless it is missing, which the policy for bad samples covers. */
static co_status add_image(list_reader *reader, const char *file, int32_t label, int line,
                           co_split split, co_error *err)
{
    co_error fault = {0};
    co_status status = check_there(reader, file, line, &fault);
    bool there = status == CO_OK;
    CO_TRY(co_image_bad(reader->faults, status, &fault, err));
    return there ? co_image_part_add(&reader->list->part[split], file, label, err) : CO_OK;
}

static co_status annotated_class(const list_reader *reader, const co_line *line, int32_t *label,
                                 co_error *err)
{
    int64_t found = co_names_find(&reader->list->classes, line->label);
    if (found < 0) {
        return co_fail(err, CO_DATA, "%s: line %d: '%.80s' is none of the %u classes",
                       reader->lines.name, line->line, line->label, reader->list->classes.count);
    }
    *label = (int32_t)found;
    return CO_OK;
}

static co_status add_annotated(list_reader *reader, const char *folder, co_error *err)
{
    for (bool more = true; more;) {
        co_line line;
        co_error fault = {0};
        int32_t label = 0;
        char file[CO_WALK_PATH];
        co_status status = co_lines_next(&reader->lines, &more, &line, &fault);
        if (status == CO_OK && more) {
            status = annotated_class(reader, &line, &label, &fault);
        }
        bool good = status == CO_OK;
        CO_TRY(co_findings_note(reader->faults->findings, status, &fault, err));
        if (good && more) {
            CO_TRY(co_walk_join(folder, line.file, file, err));
            CO_TRY(add_image(reader, file, label, line.line, CO_SPLIT_TEST, err));
        }
    }
    return CO_OK;
}

co_status co_lists_annotations(const char *path, const char *folder, co_image_faults *faults,
                               co_image_list *list, co_error *err)
{
    list_reader reader = {.faults = faults, .list = list};
    CO_TRY(open_list(path, CO_LINES_ANNOTATIONS, &reader, err));
    co_status status = add_annotated(&reader, folder, err);
    co_free(reader.text);
    return status;
}

/* ---- "path label" ---- */

static co_status add_listed(list_reader *reader, co_split split, int *classes, co_error *err)
{
    for (bool more = true; more;) {
        co_line line;
        co_error fault = {0};
        co_status status = co_lines_next(&reader->lines, &more, &line, &fault);
        bool good = status == CO_OK;
        CO_TRY(co_findings_note(reader->faults->findings, status, &fault, err));
        if (good && more) {
            *classes = line.number >= *classes ? line.number + 1 : *classes;
            CO_TRY(add_image(reader, line.file, line.number, line.line, split, err));
        }
    }
    return CO_OK;
}

/* "n01440764" of "train/n01440764/x.JPEG"; the label's number when there is no folder. */
static co_status add_class_name(co_image_list *list, const char *file, int label, co_error *err)
{
    char name[CO_LINE_FIELD_MAX];
    co_text text = co_text_over(name, sizeof(name));
    const char *end = file != NULL ? strrchr(file, '/') : NULL;
    const char *start = end;
    while (start != NULL && start > file && start[-1] != '/') {
        start--;
    }
    if (start != NULL && end > start) {
        co_text_put_bytes(&text, start, (size_t)(end - start));
    } else {
        co_text_printf(&text, "%d", label);
    }
    return co_names_add(&list->classes, name, err);
}

static co_status name_classes(co_image_list *list, int classes, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc((size_t)classes, sizeof(const char *), "class names", &block, err));
    const char **first = block;
    for (int split = 0; split < CO_SPLITS; split++) {
        const co_image_part *part = &list->part[split];
        for (uint32_t i = 0; i < part->files.count; i++) {
            const char **place = &first[part->labels[i]];
            *place = *place == NULL ? co_names_get(&part->files, i) : *place;
        }
    }
    co_status status = CO_OK;
    for (int label = 0; label < classes && status == CO_OK; label++) {
        status = add_class_name(list, first[label], label, err);
    }
    co_free(block);
    return status;
}

co_status co_lists_labelled(const char *const names[CO_SPLITS], co_image_faults *faults,
                            co_image_list *list, co_error *err)
{
    int classes = 0;
    for (int split = 0; split < CO_SPLITS; split++) {
        char path[CO_WALK_PATH];
        list_reader reader = {.faults = faults, .list = list};
        CO_TRY(co_walk_join(list->root, names[split], path, err));
        CO_TRY(open_list(path, CO_LINES_LABELLED, &reader, err));
        co_status status = add_listed(&reader, (co_split)split, &classes, err);
        co_free(reader.text);
        CO_TRY(status);
    }
    return name_classes(list, classes, err);
}
