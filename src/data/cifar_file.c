#include "data/cifar_file.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/threads.h"
#include "data/tar.h"

/* Six times the largest real file: the rest is damage (and keeps counts within 32 bits). */
static const size_t file_bytes_max = (size_t)1 << 30;

/* ---- a folder ---- */

typedef struct folder_reader {
    const co_cifar_place *place;
    co_cifar_files *files;
    atomic_int next; /* role that nobody has taken yet */
} folder_reader;

static co_status read_file(const char *path, co_cifar_file *file, co_error *err)
{
    co_source source = CO_SOURCE_NONE;
    CO_TRY(co_strdup(path, &file->path, err));
    CO_TRY(co_source_open(path, &source, err));
    co_status status = co_source_read_all(&source, file_bytes_max, &file->content, err);
    co_source_close(&source);
    return status;
}

static void *read_files(void *arg)
{
    folder_reader *reader = arg;
    int roles = co_cifar_roles(reader->files->family);
    int role = 0;
    while ((role = atomic_fetch_add(&reader->next, 1)) < roles) {
        co_cifar_file *file = &reader->files->file[role];
        if (reader->place->file[role][0] != '\0') {
            file->status = read_file(reader->place->file[role], file, &file->fault);
        }
    }
    return NULL;
}

/* Who gets no thread reads alone: the caller takes part. */
static void read_folder(const co_cifar_place *place, bool threaded, co_cifar_files *files)
{
    pthread_t helper[CO_CIFAR_FILES_MAX];
    folder_reader reader = {.place = place, .files = files};
    atomic_init(&reader.next, 0);
    int wanted = threaded ? co_cpu_count() - 1 : 0;
    int started = 0;
    while (started < wanted && started < CO_CIFAR_FILES_MAX - 1 &&
           pthread_create(&helper[started], NULL, read_files, &reader) == 0) {
        started++;
    }
    (void)read_files(&reader);
    for (int i = 0; i < started; i++) {
        pthread_join(helper[i], NULL);
    }
}

/* ---- an archive ---- */

static co_status take_member(co_tar *tar, const char *archive, const co_tar_member *member,
                             co_cifar_files *files, co_error *err)
{
    int role = co_cifar_role(files->family, member->path);
    if (role < 0) {
        return CO_OK;
    }
    co_cifar_file *file = &files->file[role];
    if (file->path != NULL) {
        return co_fail(err, CO_DATA, "%s: has '%.200s' twice; get it again", archive,
                       files->family->stems[role]);
    }
    char path[2 * PATH_MAX];
    co_text text = co_text_over(path, sizeof(path));
    co_text_printf(&text, "%s: %.300s", archive, member->path);
    CO_TRY(co_strdup(path, &file->path, err));
    return co_tar_read(tar, member, &file->content, err);
}

static co_status read_members(const char *path, const co_bytes *content, co_cifar_files *files,
                              co_error *err)
{
    co_tar *tar = NULL;
    CO_TRY(co_tar_open(path, content, &tar, err));
    bool more = true;
    co_status status = CO_OK;
    while (status == CO_OK) {
        co_tar_member member = {0};
        status = co_tar_next(tar, &more, &member, err);
        if (status != CO_OK || !more) {
            break;
        }
        status = take_member(tar, path, &member, files, err);
    }
    co_tar_close(tar);
    return status;
}

/* Unpacked as a whole first: that is what the checksum of gzip is of. */
static co_status read_archive(const char *path, co_cifar_files *files, co_error *err)
{
    co_source source = CO_SOURCE_NONE;
    co_bytes content = {0};
    CO_TRY(co_source_open(path, &source, err));
    co_status status = co_source_read_all(&source, file_bytes_max, &content, err);
    if (status == CO_OK) {
        status = read_members(path, &content, files, err);
    }
    co_bytes_free(&content);
    co_source_close(&source);
    return status;
}

/* ---- checks ---- */

static co_status check_labels(const co_cifar_family *family, const co_cifar_file *file,
                              co_dataset_findings *findings, co_error *err)
{
    size_t record = co_cifar_record_bytes(family);
    for (uint32_t i = 0; i < file->records; i++) {
        const uint8_t *labels = file->content.data + i * record;
        for (int k = 0; k < family->label_bytes; k++) {
            if (labels[k] < family->limits[k]) {
                continue;
            }
            co_error fault;
            co_status status = co_fail(
                &fault, CO_DATA, "%s: byte %zu: label %u of record %u is not in 0..%d", file->path,
                i * record + (size_t)k, labels[k], i, family->limits[k] - 1);
            CO_TRY(co_findings_note(findings, status, &fault, err));
        }
    }
    return CO_OK;
}

static co_status count_records(const co_cifar_family *family, co_cifar_file *file, co_error *err)
{
    size_t record = co_cifar_record_bytes(family);
    size_t size = file->content.size;
    if (size % record != 0) {
        return co_fail(err, CO_DATA,
                       "%s: byte %zu: ends inside a record: %zu bytes are no multiple of %zu; it "
                       "is truncated or no %s file, get it again",
                       file->path, size, size, record, family->name);
    }
    file->records = (uint32_t)(size / record);
    return CO_OK;
}

/* Cuts the list at its line ends. Lines after the last class must be empty. */
static co_status cut_names(co_cifar_files *files, const char *path, co_error *err)
{
    char *at = files->names_text;
    int classes = files->family->classes;
    int count = 0;
    for (bool more = true; more; count++) {
        size_t length = strcspn(at, "\r\n");
        size_t end = length + (at[length] == '\r' && at[length + 1] == '\n');
        more = at[end] != '\0';
        at[length] = '\0';
        if (count < classes && length > 0) {
            files->class_names[count] = at;
        } else if (length > 0 || count < classes) {
            return co_fail(err, CO_DATA, "%s: line %d: %s; %s has %d classes, one name per line",
                           path, count + 1, length > 0 ? "one name too many" : "no name",
                           files->family->name, classes);
        }
        at += end + more;
    }
    if (count < classes) {
        return co_fail(err, CO_DATA, "%s: has %d names; %s has %d classes", path, count,
                       files->family->name, classes);
    }
    return CO_OK;
}

static co_status read_names(co_cifar_files *files, co_error *err)
{
    const co_cifar_file *file = &files->file[co_cifar_names_role(files->family)];
    if (file->path == NULL) {
        return CO_OK;
    }
    if (memchr(file->content.data, '\0', file->content.size) != NULL) {
        return co_fail(err, CO_DATA, "%s: is no text", file->path);
    }
    void *text = NULL;
    CO_TRY(co_alloc(file->content.size + 1, 1, "class names", &text, err));
    memcpy(text, file->content.data, file->content.size);
    files->names_text = text;
    return cut_names(files, file->path, err);
}

/* A cut set may have fewer files, but none may be missing between others. */
static co_status check_presence(const co_cifar_files *files, const char *place, co_error *err)
{
    const co_cifar_family *family = files->family;
    int last = co_cifar_test_role(family);
    while (last > 0 && files->file[last - 1].path == NULL) {
        last--;
    }
    for (int role = 0; role <= co_cifar_test_role(family); role++) {
        bool needed = role == 0 || role < last || role == co_cifar_test_role(family);
        if (needed && files->file[role].path == NULL) {
            return co_fail(err, CO_DATA,
                           "%s: %s is missing (looked for it plain, with .gz and .xz); get the "
                           "binary version from https://www.cs.toronto.edu/~kriz/cifar.html",
                           place, family->stems[role]);
        }
    }
    return CO_OK;
}

static co_status check_file(co_cifar_files *files, int role, co_dataset_findings *findings,
                            co_error *err)
{
    co_error fault;
    co_cifar_file *file = &files->file[role];
    if (file->status != CO_OK) {
        return co_findings_note(findings, file->status, &file->fault, err);
    }
    if (file->path == NULL) {
        return CO_OK;
    }
    if (role == co_cifar_names_role(files->family)) {
        co_status status = read_names(files, &fault);
        return co_findings_note(findings, status, &fault, err);
    }
    co_status status = count_records(files->family, file, &fault);
    CO_TRY(co_findings_note(findings, status, &fault, err));
    return check_labels(files->family, file, findings, err);
}

static co_status read_all(co_cifar_files *files, const char *dir, bool threaded,
                          co_dataset_findings *findings, co_cifar_place *place, co_error *err)
{
    co_error fault;
    co_status status = co_cifar_find(files->family, dir, place, &fault);
    if (status != CO_OK) {
        return co_findings_note(findings, status, &fault, err);
    }
    if (place->is_archive) {
        status = read_archive(place->path, files, &fault);
        if (status != CO_OK) {
            return co_findings_note(findings, status, &fault, err);
        }
    } else {
        read_folder(place, threaded, files);
    }
    status = check_presence(files, place->path, &fault);
    CO_TRY(co_findings_note(findings, status, &fault, err));
    for (int role = 0; role < co_cifar_roles(files->family); role++) {
        CO_TRY(check_file(files, role, findings, err));
    }
    return CO_OK;
}

co_status co_cifar_files_read(const co_cifar_family *family, const char *dir, bool threaded,
                              co_dataset_findings *findings, co_cifar_files **out, co_error *err)
{
    void *block = NULL;
    void *place = NULL;
    CO_TRY(co_alloc(1, sizeof(co_cifar_place), "paths", &place, err));
    co_status status = co_alloc(1, sizeof(co_cifar_files), "data set", &block, err);
    if (status == CO_OK) {
        ((co_cifar_files *)block)->family = family;
        status = read_all(block, dir, threaded, findings, place, err);
    }
    co_free(place);
    if (status != CO_OK) {
        co_cifar_files_free(block);
        return status;
    }
    *out = block;
    return CO_OK;
}

void co_cifar_files_free(co_cifar_files *files)
{
    if (files == NULL) {
        return;
    }
    for (int role = 0; role < CO_CIFAR_FILES_MAX; role++) {
        co_bytes_free(&files->file[role].content);
        co_free(files->file[role].path);
    }
    co_free(files->names_text);
    co_free(files);
}

void co_cifar_files_of(const co_cifar_family *family, co_split split, int *begin, int *end)
{
    *begin = split == CO_SPLIT_TRAIN ? 0 : co_cifar_test_role(family);
    *end = split == CO_SPLIT_TRAIN ? family->train_files : *begin + 1;
}
