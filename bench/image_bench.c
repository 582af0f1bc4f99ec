/* How many samples a loader prepares per second, of image files (the counterpart of
 * peer/images.py) or of a set in memory (--crop or --middle). Prints one number. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "data/loader.h"

typedef struct bench {
    const char *name;
    const char *dir;
    co_dataset_options data;
    co_loader_options loader;
    double seconds;
} bench;

static double run_for(co_loader *loader, double seconds)
{
    const co_clock *clock = &co_clock_system;
    double start = co_clock_seconds(clock);
    double images = 0.0;
    double now = start;
    do {
        co_error err;
        const co_batch *batch = NULL;
        if (co_loader_next(loader, &batch, &err) != CO_OK) {
            (void)fprintf(stderr, "image_bench: %s\n", err.text);
            exit(1);
        }
        images += batch->rows;
        now = co_clock_seconds(clock);
    } while (now - start < seconds);
    return images / (now - start);
}

static int measure(const bench *b)
{
    co_error err;
    co_dataset *set = NULL;
    co_loader *loader = NULL;
    co_status status = co_dataset_open(b->name, b->dir, &b->data, &set, &err);
    if (status == CO_OK) {
        status = co_loader_create(set, &b->loader, &loader, &err);
    }
    if (status == CO_OK) {
        (void)run_for(loader, b->seconds / 4); /* files into the system's cache, threads up */
        printf("%.1f\n", run_for(loader, b->seconds));
    } else {
        (void)fprintf(stderr, "image_bench: %s\n", err.text);
    }
    co_loader_destroy(loader);
    co_dataset_close(set);
    return status == CO_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"dataset", 1, NULL, 'n'}, {"dir", 1, NULL, 'd'},     {"size", 1, NULL, 's'},
        {"batch", 1, NULL, 'b'},   {"threads", 1, NULL, 't'}, {"seconds", 1, NULL, 'c'},
        {"middle", 0, NULL, 'm'},  {"crop", 1, NULL, 'p'},    {NULL, 0, NULL, 0}};
    bench b = {.name = "images",
               .dir = "../shared/data/flower_photos",
               .loader = {.batch = 32,
                          .threads = 1,
                          .shuffle = true,
                          .augment = {.area = 0.08, .ratio = 4.0 / 3.0, .flip = CO_FLIP_RANDOM}},
               .seconds = 2.0};
    for (int c = 0; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'n':
            b.name = optarg;
            break;
        case 'd':
            b.dir = optarg;
            break;
        case 's':
            b.data.image_size = atoi(optarg);
            break;
        case 'b':
            b.loader.batch = atoi(optarg);
            break;
        case 't':
            b.loader.threads = atoi(optarg);
            break;
        case 'c':
            b.seconds = atof(optarg);
            break;
        case 'm':
            b.loader.augment = (co_augment){0};
            break;
        case 'p': /* of a set of bytes in memory, such as CIFAR */
            b.loader.augment = (co_augment){.crop = atoi(optarg), .flip = CO_FLIP_RANDOM};
            break;
        default:
            return 2;
        }
    }
    return measure(&b);
}
