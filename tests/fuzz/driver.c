/* Runs a fuzz target without libFuzzer: the whole corpus, then seeded mutations of it.
 *
 *     fuzz_<name> CORPUS_FOLDER [MUTATIONS]
 *
 * The mutations depend on nothing but the corpus (files in the order of their names) and their
 * index, so that a failure repeats. The index of the input is written to stderr before a crash
 * could happen only when CO_FUZZ_VERBOSE is set: `CO_FUZZ_VERBOSE=1 build/tests/fuzz_...`.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES_MAX = 4096, INPUT_MAX = 1 << 20 };

typedef struct input {
    uint8_t *data;
    size_t size;
} input;

typedef struct corpus {
    input inputs[FILES_MAX];
    int count;
} corpus;

static bool read_whole(const char *path, input *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    out->data = malloc(INPUT_MAX);
    out->size = out->data != NULL ? fread(out->data, 1, INPUT_MAX, file) : 0;
    bool whole = out->data != NULL && ferror(file) == 0 && fgetc(file) == EOF;
    (void)fclose(file);
    if (!whole) {
        free(out->data);
        return false;
    }
    /* An exact allocation: the sanitizer then sees a read past the end. */
    uint8_t *exact = realloc(out->data, out->size + (out->size == 0));
    out->data = exact != NULL ? exact : out->data;
    return true;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool load_corpus(const char *folder, corpus *all)
{
    struct dirent **names = NULL;
    int found = scandir(folder, &names, is_visible, alphasort);
    if (found < 0) {
        return false;
    }
    bool good = found <= FILES_MAX;
    for (int i = 0; i < found; i++) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
        if (good && !read_whole(path, &all->inputs[all->count])) {
            (void)fprintf(stderr, "%s: cannot be read (or is over 1 MiB)\n", path);
            good = false;
        }
        all->count += good;
        free(names[i]);
    }
    free(names);
    return good;
}

/* Values that sit on the edges of sizes and counts. */
static void put_edge_value(co_rng *rng, uint8_t *data, size_t size)
{
    static const uint64_t edges[] = {0,          1,          0x7f,      0x80,
                                     0xff,       0x7fff,     0xffff,    0x7fffffff,
                                     0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX};
    uint64_t value = edges[co_rng_below(rng, sizeof(edges) / sizeof(edges[0]))];
    size_t width = (size_t)1 << co_rng_below(rng, 4);
    if (size < width) {
        return;
    }
    size_t at = co_rng_below(rng, (uint32_t)(size - width + 1));
    bool big_endian = co_rng_below(rng, 2) != 0;
    for (size_t i = 0; i < width; i++) {
        size_t shift = 8 * (big_endian ? width - 1 - i : i);
        data[at + i] = (uint8_t)(value >> shift);
    }
}

/* Copies or deletes a stretch; returns the new size. `data` has room for `capacity` bytes. */
static size_t move_stretch(co_rng *rng, uint8_t *data, size_t size, size_t capacity)
{
    size_t from = co_rng_below(rng, (uint32_t)size);
    size_t length = 1 + co_rng_below(rng, (uint32_t)(size - from < 64 ? size - from : 64));
    if (co_rng_below(rng, 2) != 0) {
        memmove(data + from, data + from + length, size - from - length);
        return size - length;
    }
    if (size + length > capacity) {
        return size;
    }
    memmove(data + from + length, data + from, size - from);
    return size + length;
}

static size_t mutate(co_rng *rng, uint8_t *data, size_t size, size_t capacity)
{
    int edits = 1 + (int)co_rng_below(rng, 6);
    for (int i = 0; i < edits && size > 0; i++) {
        size_t at = co_rng_below(rng, (uint32_t)size);
        switch (co_rng_below(rng, 6)) {
        case 0:
            data[at] = (uint8_t)co_rng_u32(rng);
            break;
        case 1:
            data[at] ^= (uint8_t)(1u << co_rng_below(rng, 8));
            break;
        case 2:
            put_edge_value(rng, data, size);
            break;
        case 3:
            size = at; /* truncated */
            break;
        default:
            size = move_stretch(rng, data, size, capacity);
            break;
        }
    }
    return size;
}

static bool run_mutation(const corpus *all, uint32_t index)
{
    co_rng rng = co_rng_at(&(co_rng_key){.stream = CO_STREAM_TEST, .sample = index});
    const input *origin = &all->inputs[index % (uint32_t)all->count];
    size_t capacity = origin->size + 1024;
    uint8_t *data = malloc(capacity);
    if (data == NULL) {
        return false;
    }
    memcpy(data, origin->data, origin->size);
    size_t size = mutate(&rng, data, origin->size, capacity);
    uint8_t *exact = realloc(data, size + (size == 0));
    data = exact != NULL ? exact : data;
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s CORPUS_FOLDER [MUTATIONS]\n", argv[0]);
        return 2;
    }
    static corpus all;
    if (!load_corpus(argv[1], &all) || all.count == 0) {
        (void)fprintf(stderr, "%s: no corpus: put at least one input there\n", argv[1]);
        return 1;
    }
    bool verbose = getenv("CO_FUZZ_VERBOSE") != NULL;
    uint32_t mutations = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    bool good = true;
    for (int i = 0; i < all.count; i++) {
        (void)LLVMFuzzerTestOneInput(all.inputs[i].data, all.inputs[i].size);
    }
    for (uint32_t i = 0; i < mutations && good; i++) {
        if (verbose) {
            (void)fprintf(stderr, "mutation %u\n", i);
        }
        good = run_mutation(&all, i);
    }
    for (int i = 0; i < all.count; i++) {
        free(all.inputs[i].data);
    }
    (void)printf("%d corpus files, %u mutations: %s\n", all.count, mutations,
                 good ? "passed" : "out of memory");
    return good ? 0 : 1;
}
