/* Shape inference of one layer; internal to graph/. */
#ifndef CO_GRAPH_SHAPES_H
#define CO_GRAPH_SHAPES_H

#include "graph/graph.h"

enum {
    CO_MAX_DIMENSION = 1 << 24, /* of a shape, a kernel, a stride, a padding */
    CO_MAX_SAMPLE = 1 << 30,    /* floats in one sample of any layer */
};

/* Output of `layer` for these inputs (`right` only for an add). A layer that has features fixed
 * by its weights (linear, batch norm, convolution) is checked against layer->in. CO_USAGE with
 * a message that names the layer. */
CO_MUST_CHECK co_status co_layer_infer(const co_layer *layer, co_shape left, co_shape right,
                                       co_shape *out, co_error *err);

/* CO_USAGE unless all of the shape's dimensions are positive and it is not too large. */
CO_MUST_CHECK co_status co_shape_check(const char *name, const char *kind, co_shape shape,
                                       co_error *err);

#endif
