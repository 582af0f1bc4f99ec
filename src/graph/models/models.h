/* The built-in models by name. One file per family beside this header. */
#ifndef CO_GRAPH_MODELS_MODELS_H
#define CO_GRAPH_MODELS_MODELS_H

#include "graph/graph.h"

typedef struct co_model_info {
    const char *name;
    const char *summary; /* one line: layers, where it comes from */
    co_shape input;      /* the shape that it was made for */
    int classes;         /* the usual number */
} co_model_info;

/* The table of models; *count receives its length. */
const co_model_info *co_models(int *count);

/* Builds a model for samples of shape `input` and that many classes. `config` is the text of
 * --model-config, a YAML mapping of the model's parameters; NULL for none. CO_USAGE for an unknown
 * name or parameter (with the nearest one), or where the shape does not fit, naming the layer. */
CO_MUST_CHECK co_status co_model_build(const char *name, const char *config, co_shape input,
                                       int classes, co_graph **out, co_error *err);

#endif
