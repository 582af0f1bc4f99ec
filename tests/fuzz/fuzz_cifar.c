/* Any bytes as the archive of a CIFAR data set, plain or packed: no crash, no leak, no memory
 * beyond what the bytes yield, and an accepted set has labels within its classes. */
#include <stdlib.h>

#include "data/dataset.h"
#include "fuzz/fuzz.h"

static void open_as(const char *name, const char *path)
{
    co_error err;
    co_dataset *set = NULL;
    if (co_dataset_open(name, path, NULL, &set, &err) != CO_OK) {
        return;
    }
    const co_dataset_info *info = co_dataset_describe(set);
    uint8_t pixels[3072];
    for (int split = 0; split < CO_SPLITS; split++) {
        const int32_t *labels = co_dataset_labels(set, (co_split)split);
        for (uint32_t i = 0; i < info->samples[split]; i++) {
            if (labels[i] < 0 || labels[i] >= info->classes ||
                co_dataset_fetch(set, (co_split)split, i, pixels, &err) != CO_OK) {
                abort();
            }
        }
    }
    co_dataset_close(set);
}

static void open_both(const char *path)
{
    open_as("cifar10", path);
    open_as("cifar100", path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return with_file(data, size, open_both);
}
