#include <string.h>

#include "base/alloc.h"
#include "conf/layers.h"

void co_layer_free(co_layer *layer)
{
    for (size_t i = 0; i < layer->count; i++) {
        co_free(layer->items[i].text);
        co_free(layer->items[i].where);
    }
    co_free(layer->items);
    *layer = (co_layer){.kind = layer->kind};
}

static co_status layer_grow(co_layer *layer, co_error *err)
{
    if (layer->count < layer->capacity) {
        return CO_OK;
    }
    size_t capacity = layer->capacity == 0 ? 16 : layer->capacity * 2;
    void *items = NULL;
    CO_TRY(co_alloc(capacity, sizeof(co_assignment), "settings", &items, err));
    if (layer->count > 0) {
        memcpy(items, layer->items, layer->count * sizeof(co_assignment));
    }
    co_free(layer->items);
    layer->items = items;
    layer->capacity = capacity;
    return CO_OK;
}

co_status co_layer_add(co_layer *layer, co_row row, const char *text, const co_yaml_node *node,
                       const char *where, co_error *err)
{
    CO_TRY(layer_grow(layer, err));
    co_assignment item = {.row = row, .node = node};
    CO_TRY(co_strdup(where, &item.where, err));
    if (text != NULL) {
        co_status status = co_strdup(text, &item.text, err);
        if (status != CO_OK) {
            co_free(item.where);
            return status;
        }
    }
    layer->items[layer->count++] = item;
    return CO_OK;
}

const co_assignment *co_layer_find(const co_layer *layer, co_row row)
{
    for (size_t i = layer->count; i > 0; i--) {
        if (layer->items[i - 1].row == row) {
            return &layer->items[i - 1];
        }
    }
    return NULL;
}
