/* Any bytes as an IDX file of images and of labels, plain or packed: no crash, no leak, no
 * memory beyond what the bytes yield, and what is accepted has the size that its header says. */
#include <stdlib.h>

#include "base/alloc.h"
#include "data/idx_file.h"
#include "fuzz/fuzz.h"

enum { CLASSES = 10 };

static void require(bool held)
{
    if (!held) {
        abort();
    }
}

static void read_images(const co_idx_file *file)
{
    co_error err;
    co_bytes content = {0};
    if (co_idx_file_read(file, NULL, &content, &err) != CO_OK) {
        return;
    }
    require(content.size == file->total_bytes);
    require(file->total_bytes - 16 == (uint64_t)file->count * file->height * file->width);
    volatile uint8_t last = content.data[content.size - 1];
    (void)last;
    co_bytes_free(&content);
}

static void read_labels(const co_idx_file *file)
{
    co_error err;
    int32_t *labels = NULL;
    co_dataset_findings *findings = calloc(1, sizeof(*findings));
    if (findings != NULL && co_idx_labels_read(file, CLASSES, findings, &labels, &err) == CO_OK) {
        for (uint32_t i = 0; i < file->count; i++) {
            require(labels[i] >= 0 && labels[i] < CLASSES);
        }
        require(findings->count <= file->count);
        co_free(labels);
    }
    free(findings);
}

static void read_both(const char *path)
{
    co_error err;
    co_idx_file file = CO_IDX_FILE_NONE;
    if (co_idx_file_open(path, CO_IDX_IMAGES, &file, &err) == CO_OK) {
        read_images(&file);
        co_idx_file_close(&file);
    }
    if (co_idx_file_open(path, CO_IDX_LABELS, &file, &err) == CO_OK) {
        read_labels(&file);
        co_idx_file_close(&file);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return with_file(data, size, read_both);
}
