/* A network of the user's own: a YAML file of layers, and any graph written in that form.
 *
 *     name: small
 *     input: [1, 28, 28]          # the shape and classes that it was made for; a data set of
 *     classes: 10                 # another shape is taken if the layers allow it
 *     layers:
 *       - conv2d: {name: conv1, out: 16, kernel: 3, pad: 1, bias: false}
 *       - batch_norm              # names may be left out: batch_norm1
 *       - relu
 *       - repeat:                 # its layers are called stage.0.*, stage.1.*
 *           name: stage
 *           times: 2
 *           layers:
 *             - residual: {body: [{conv2d: {out: 16, kernel: 3, pad: 1}}, relu]}
 *       - global_avg_pool: {name: pool}
 *       - linear: {out: classes}
 *     features: pool              # otherwise the input of the last linear layer
 *
 * A layer takes the output of the one before it, or of those that `from` names: always earlier
 * ones, so that there are no cycles. docs/METHODS.md 2 lists kinds and keys. Errors are CO_USAGE
 * and begin with FILE:LINE:COLUMN.
 */
#ifndef CO_GRAPH_NETWORK_H
#define CO_GRAPH_NETWORK_H

#include "conf/yaml.h"
#include "graph/graph.h"

/* What the file says it was made for. */
CO_MUST_CHECK co_status co_network_describe(const co_yaml *document, co_shape *input, int *classes,
                                            co_error *err);
/* The graph for samples of shape `input` and that many classes. */
CO_MUST_CHECK co_status co_network_read(const co_yaml *document, co_shape input, int classes,
                                        co_graph **out, co_error *err);
/* A finished graph as such a file, layer by layer; reading it for the same shape gives the same
 * graph. Freed by co_free. */
CO_MUST_CHECK co_status co_network_write(const co_graph *graph, char **out, co_error *err);

#endif
