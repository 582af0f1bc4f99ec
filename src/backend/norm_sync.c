#include "backend/norm_sync.h"

#include <string.h>

size_t co_norm_sync_doubles(const co_graph *graph)
{
    size_t most = 0;
    for (int i = 0; i < graph->layer_count; i++) {
        const co_layer *layer = &graph->layers[i];
        if (layer->kind == CO_LAYER_BATCH_NORM && !layer->u.norm.frozen) {
            size_t own = co_norm_moments(layer->out.channels);
            most = own > most ? own : most;
        }
    }
    return most;
}

/* Adds a worker's moments to those of the workers before it. */
static void merge(int channels, const double *part, double *moments)
{
    const double before = moments[0];
    const double all = before + part[0];
    double *mean = moments + 1;
    double *squares = mean + channels;
    for (int c = 0; c < channels; c++) {
        double off = part[1 + c] - mean[c];
        mean[c] += off * (part[0] / all);
        squares[c] += part[1 + channels + c] + off * off * (before * part[0] / all);
    }
    moments[0] = all;
}

co_status co_norm_sync_moments(co_norm_sync *sync, int channels, double *moments, co_error *err)
{
    const size_t count = co_norm_moments(channels);
    CO_TRY(sync->exchange(sync, moments, count, err));
    memcpy(moments, sync->parts[0], count * sizeof(double));
    for (int w = 1; w < sync->workers; w++) {
        merge(channels, sync->parts[w], moments);
    }
    return CO_OK;
}

co_status co_norm_sync_sums(co_norm_sync *sync, size_t count, double *sums, co_error *err)
{
    CO_TRY(sync->exchange(sync, sums, count, err));
    memcpy(sums, sync->parts[0], count * sizeof(double));
    for (int w = 1; w < sync->workers; w++) {
        for (size_t i = 0; i < count; i++) {
            sums[i] += sync->parts[w][i];
        }
    }
    return CO_OK;
}
