/* The models: built-in ones by name, a user's own by the path of a file (network.h) that ends in
 * .yaml or .yml. One file per family beside this header. */
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

/* What a model was made for, by its name or the path of its file; out->name is `name` or static. */
CO_MUST_CHECK co_status co_model_describe(const char *name, co_model_info *out, co_error *err);

/* Builds a model for samples of shape `input` and that many classes. `config` is the text of
 * --model-config, a YAML mapping of the model's parameters; NULL for none. CO_USAGE for an unknown
 * name or parameter (with the nearest one), or where the shape does not fit, naming the layer. */
CO_MUST_CHECK co_status co_model_build(const char *name, const char *config, co_shape input,
                                       int classes, co_graph **out, co_error *err);

/* Does the name mean a network file? */
bool co_model_is_file(const char *name);
/* The same of a network file whose text has been read; `path` begins the messages. */
CO_MUST_CHECK co_status co_model_build_text(const char *path, const char *text, size_t length,
                                            const char *config, co_shape input, int classes,
                                            co_graph **out, co_error *err);

#endif
