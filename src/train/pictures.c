#include "train/pictures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void announce_histogram(const co_announcer *announcer, const co_tensor *tensor,
                               const float *values, co_event *event)
{
    uint32_t number = 0;
    co_histogram *histogram = co_announce_take(announcer, &number);
    if (histogram == NULL) {
        return;
    }
    co_histogram_fill(histogram, tensor->name, values + tensor->offset, tensor->count);
    event->histogram.blob = number;
    co_announce_blob(announcer, event, number);
}

void co_announce_histograms(const co_announcer *announcer, const co_model *model, uint64_t step,
                            uint32_t epoch)
{
    const co_graph *graph = model->graph;
    if (announcer->blobs == NULL) {
        return;
    }
    double seconds = co_announce_seconds(announcer);
    for (int i = 0; i < graph->param_count; i++) {
        co_event event = {.kind = CO_EVENT_HISTOGRAM, .seconds = seconds};
        event.histogram.step = step;
        event.histogram.epoch = epoch;
        announce_histogram(announcer, &graph->params[i], model->params, &event);
        event.histogram.gradient = 1;
        announce_histogram(announcer, &graph->params[i], model->grads, &event);
    }
}

uint32_t co_histogram_blobs(const co_graph *graph)
{
    return 2 * (uint32_t)graph->param_count;
}

/* --- mistakes ------------------------------------------------------------------------------ */

/* Three channels are shown in colour; of any other number the first. */
static uint32_t shown_channels(const co_dataset_info *info)
{
    return info->channels == 3 ? 3 : 1;
}

static size_t shown_pixels(const co_dataset_info *info)
{
    return (size_t)shown_channels(info) * (size_t)info->height * (size_t)info->width;
}

size_t co_mistake_bytes(const co_dataset_info *info)
{
    return sizeof(co_mistake) + shown_pixels(info);
}

void co_mistakes_begin(co_mistakes *mistakes, const co_announcer *announcer,
                       const co_dataset_info *info, int most, uint64_t step, uint32_t epoch)
{
    mistakes->announcer = most > 0 && announcer->blobs != NULL ? announcer : NULL;
    mistakes->info = info;
    mistakes->most = most < CO_MISTAKES_MAX ? most : CO_MISTAKES_MAX;
    mistakes->count = 0;
    mistakes->step = step;
    mistakes->epoch = epoch;
}

static bool is_new(const co_mistakes *mistakes, int32_t label, int32_t predicted)
{
    for (int i = 0; i < mistakes->count; i++) {
        if (mistakes->seen[i].label == label && mistakes->seen[i].predicted == predicted) {
            return false;
        }
    }
    return true;
}

/* Floats are stretched to what a byte can hold. */
static void floats_to_bytes(const float *in, size_t count, uint8_t *out)
{
    float low = (float)INFINITY;
    float high = -(float)INFINITY;
    for (size_t i = 0; i < count; i++) {
        low = in[i] < low ? in[i] : low;
        high = in[i] > high ? in[i] : high;
    }
    float range = high > low ? high - low : 1.0f;
    for (size_t i = 0; i < count; i++) {
        float share = (in[i] - low) / range;
        out[i] = share >= 0.0f && share <= 1.0f ? (uint8_t)lroundf(255.0f * share) : 0;
    }
}

static void name_class(const co_dataset_info *info, int32_t class, char out[CO_BLOB_CLASS_SIZE])
{
    if (info->class_names != NULL && class >= 0 && class < info->classes) {
        (void)snprintf(out, CO_BLOB_CLASS_SIZE, "%s", info->class_names[class]);
    } else {
        (void)snprintf(out, CO_BLOB_CLASS_SIZE, "%d", class);
    }
}

static void fill(const co_mistakes *mistakes, const co_batch *batch, int row, int32_t predicted,
                 co_mistake *mistake)
{
    const co_dataset_info *info = mistakes->info;
    size_t plane = (size_t)info->height * (size_t)info->width;
    size_t at = (size_t)row * (size_t)info->channels * plane;
    name_class(info, batch->labels[row], mistake->label);
    name_class(info, predicted, mistake->predicted);
    mistake->sample = batch->samples[row];
    mistake->channels = shown_channels(info);
    mistake->height = (uint32_t)info->height;
    mistake->width = (uint32_t)info->width;
    if (batch->pixel == CO_PIXEL_U8) {
        memcpy(mistake->pixels, (const uint8_t *)batch->pixels + at, shown_pixels(info));
    } else {
        floats_to_bytes((const float *)batch->pixels + at, shown_pixels(info), mistake->pixels);
    }
}

void co_mistakes_add(co_mistakes *mistakes, const co_batch *batch, int row, int32_t predicted)
{
    if (mistakes == NULL || mistakes->announcer == NULL || mistakes->count >= mistakes->most ||
        !is_new(mistakes, batch->labels[row], predicted)) {
        return;
    }
    uint32_t number = 0;
    co_mistake *mistake = co_announce_take(mistakes->announcer, &number);
    if (mistake == NULL) {
        return;
    }
    fill(mistakes, batch, row, predicted, mistake);
    co_event event = {.kind = CO_EVENT_IMAGE};
    event.image.step = mistakes->step;
    event.image.epoch = mistakes->epoch;
    event.image.blob = number;
    co_announce_blob(mistakes->announcer, &event, number);
    mistakes->seen[mistakes->count].label = batch->labels[row];
    mistakes->seen[mistakes->count].predicted = predicted;
    mistakes->count++;
}
