/* Any bytes as a .npy file, plain or packed: no crash, no leak, no memory beyond what the bytes
 * yield, and what is accepted has exactly the data that its header says. */
#include <stdlib.h>

#include "data/npy_file.h"
#include "fuzz/fuzz.h"

static void read_it(const char *path)
{
    co_error err;
    co_npy_file file = {0};
    if (co_npy_file_read(path, &file, &err) != CO_OK) {
        return;
    }
    uint64_t items = 1;
    for (int i = 0; i < file.rank; i++) {
        items *= file.shape[i];
    }
    if (file.rank < 1 || file.rank > CO_NPY_RANK_MAX || items != file.items || items == 0 ||
        file.data_at + items * (uint64_t)file.item_bytes != file.content.size) {
        abort();
    }
    volatile int64_t last = co_npy_integer(&file, items - 1);
    (void)last;
    co_npy_file_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return with_file(data, size, read_it);
}
