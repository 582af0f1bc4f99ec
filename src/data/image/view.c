#include "data/image/view.h"

#include <math.h>

enum {
    TRIES = 10,     /* torchvision's */
    FIRST_WORD = 8, /* of a key: augmentation has those before it */
};

/* A whole number below `count` from one word, as in augment.c. */
static int below(co_rng *rng, int count)
{
    return (int)((uint64_t)co_rng_u32(rng) * (uint32_t)count >> 32);
}

static double between(co_rng *rng, double low, double high)
{
    return low + (high - low) * (co_rng_u32(rng) * 0x1p-32);
}

/* The largest part in the middle whose shape is allowed. */
static co_image_rect middle_rect(const co_sample_cut *cut, int width, int height)
{
    co_image_rect rect = {.width = width, .height = height};
    double shape = (double)width / height;
    if (shape < 1.0 / cut->ratio) {
        rect.height = (int)nearbyint(width * cut->ratio);
    } else if (shape > cut->ratio) {
        rect.width = (int)nearbyint(height * cut->ratio);
    }
    rect.width = rect.width < width ? rect.width : width;
    rect.height = rect.height < height ? rect.height : height;
    rect.left = (width - rect.width) / 2;
    rect.top = (height - rect.height) / 2;
    return rect;
}

co_image_rect co_image_random_rect(const co_sample_cut *cut, int width, int height)
{
    co_rng_key key = cut->key;
    key.stream = CO_STREAM_AUGMENT;
    co_rng rng = co_rng_at(&key);
    for (int i = 0; i < FIRST_WORD; i++) {
        (void)co_rng_u32(&rng);
    }
    double shapes = log(cut->ratio);
    for (int i = 0; i < TRIES; i++) {
        double area = (double)width * height * between(&rng, cut->area, 1.0);
        double shape = exp(between(&rng, -shapes, shapes));
        co_image_rect rect = {.width = (int)nearbyint(sqrt(area * shape)),
                              .height = (int)nearbyint(sqrt(area / shape))};
        bool fits = rect.width > 0 && rect.width <= width && rect.height > 0 &&
                    rect.height <= height;
        /* Every try takes four words, so that a try does not depend on those before it. */
        rect.top = below(&rng, fits ? height - rect.height + 1 : 1);
        rect.left = below(&rng, fits ? width - rect.width + 1 : 1);
        if (fits) {
            return rect;
        }
    }
    return middle_rect(cut, width, height);
}

/* torchvision: int(longer * resize / shorter), and round-half-even of half the rest. */
static co_resample_span middle_span(const co_image_frame *frame, int side, int shorter)
{
    int full = (int)((double)((int64_t)frame->resize * side) / shorter);
    return (co_resample_span){
        .to = side,
        .size = side,
        .full = full,
        .first = (int)nearbyint((full - frame->size) / 2.0),
        .count = frame->size,
    };
}

/* Pixels outside the rectangle do not exist: it is cut out first, then resized. */
static co_resample_span rect_span(int size, int offset, int length)
{
    return (co_resample_span){
        .offset = offset, .size = length, .to = length, .full = size, .count = size};
}

static void mirror(co_resample_span *span, int side)
{
    double from = span->from;
    span->offset = side - span->offset - span->size;
    span->from = span->size - span->to;
    span->to = span->size - from;
    span->first = span->full - span->first - span->count;
}

co_image_view co_image_view_of(const co_image_frame *frame, const co_image_head *head,
                               const co_sample_cut *cut)
{
    int o = head->orientation;
    bool exchange = o >= 5;
    int width = exchange ? head->height : head->width; /* upright */
    int height = exchange ? head->width : head->height;
    co_resample_span x;
    co_resample_span y;
    if (cut == NULL) {
        int shorter = width < height ? width : height;
        x = middle_span(frame, width, shorter);
        y = middle_span(frame, height, shorter);
    } else {
        co_image_rect rect = co_image_random_rect(cut, width, height);
        x = rect_span(frame->size, rect.left, rect.width);
        y = rect_span(frame->size, rect.top, rect.height);
    }
    co_image_view view = {.x = exchange ? y : x,
                          .y = exchange ? x : y,
                          .exchange = exchange,
                          .mirror_x = o == 2 || o == 3 || o == 7 || o == 8,
                          .mirror_y = o == 3 || o == 4 || o == 6 || o == 7};
    if (view.mirror_x) {
        mirror(&view.x, head->width);
    }
    if (view.mirror_y) {
        mirror(&view.y, head->height);
    }
    return view;
}
