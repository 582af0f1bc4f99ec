/* `data check` of IDX files: each is read to its end, and they are compared with each other. */
#include "base/alloc.h"
#include "data/idx_find.h"

typedef struct idx_scan {
    const co_idx_family *family;
    co_idx_paths paths;
    co_idx_file file[CO_IDX_FILES];
    bool usable[CO_IDX_FILES]; /* there, with a good header */
} idx_scan;

static co_idx_kind kind_of(int role)
{
    return role == CO_IDX_TRAIN_IMAGES || role == CO_IDX_TEST_IMAGES ? CO_IDX_IMAGES
                                                                     : CO_IDX_LABELS;
}

static co_status read_content(const co_idx_file *file, co_idx_kind kind, int classes,
                              co_dataset_findings *findings, co_error *fault)
{
    if (kind == CO_IDX_LABELS) {
        int32_t *labels = NULL;
        CO_TRY(co_idx_labels_read(file, classes, findings, &labels, fault));
        co_free(labels);
        return CO_OK;
    }
    co_bytes content = {0};
    CO_TRY(co_idx_file_read(file, NULL, &content, fault));
    co_bytes_free(&content);
    return CO_OK;
}

static co_status scan_file(idx_scan *scan, int role, co_dataset_findings *findings, co_error *err)
{
    co_error fault;
    co_idx_file *file = &scan->file[role];
    if (scan->paths.file[role][0] == '\0') {
        co_status missing = co_idx_missing(scan->family, &scan->paths, (co_idx_role)role, &fault);
        return co_findings_note(findings, missing, &fault, err);
    }
    co_status status = co_idx_file_open(scan->paths.file[role], kind_of(role), file, &fault);
    scan->usable[role] = status == CO_OK;
    if (status == CO_OK) {
        status = read_content(file, kind_of(role), scan->family->classes, findings, &fault);
    }
    return co_findings_note(findings, status, &fault, err);
}

static co_status compare_files(const idx_scan *scan, co_dataset_findings *findings, co_error *err)
{
    co_error fault;
    for (int images = CO_IDX_TRAIN_IMAGES; images <= CO_IDX_TEST_IMAGES; images += 2) {
        if (scan->usable[images] && scan->usable[images + 1]) {
            co_status status = co_idx_counts_agree(&scan->file[images], &scan->file[images + 1],
                                                   &fault);
            CO_TRY(co_findings_note(findings, status, &fault, err));
        }
    }
    if (scan->usable[CO_IDX_TRAIN_IMAGES] && scan->usable[CO_IDX_TEST_IMAGES]) {
        co_status status = co_idx_shapes_agree(&scan->file[CO_IDX_TRAIN_IMAGES],
                                               &scan->file[CO_IDX_TEST_IMAGES], &fault);
        return co_findings_note(findings, status, &fault, err);
    }
    return CO_OK;
}

co_status co_idx_check(const char *name, const char *dir, co_dataset_findings *findings,
                       co_error *err)
{
    co_error fault;
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(idx_scan), "check", &block, err));
    idx_scan *scan = block;
    scan->family = co_idx_family_find(name);
    for (int role = 0; role < CO_IDX_FILES; role++) {
        scan->file[role] = CO_IDX_FILE_NONE;
    }
    co_status found = co_idx_find(scan->family, dir, &scan->paths, &fault);
    co_status status = co_findings_note(findings, found, &fault, err);
    if (found == CO_OK) {
        for (int role = 0; role < CO_IDX_FILES && status == CO_OK; role++) {
            status = scan_file(scan, role, findings, err);
        }
        if (status == CO_OK) {
            status = compare_files(scan, findings, err);
        }
    }
    for (int role = 0; role < CO_IDX_FILES; role++) {
        co_idx_file_close(&scan->file[role]);
    }
    co_free(scan);
    return status;
}
