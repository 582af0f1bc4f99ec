/* What --model-config may say to a built-in model; internal to graph/models/. */
#ifndef CO_GRAPH_MODELS_CONFIG_H
#define CO_GRAPH_MODELS_CONFIG_H

#include "graph/models/family.h"

/* The parameters of co_model_params that a model takes, by name. */
enum {
    CO_PARAM_DEPTH = 1 << 0,
    CO_PARAM_WIDTH = 1 << 1,
    CO_PARAM_STEM = 1 << 2,
    CO_PARAM_INIT = 1 << 3,
    CO_PARAM_ZERO_INIT = 1 << 4,
};

/* Sets in *params what `text` (a YAML mapping; NULL or empty: nothing) says. CO_USAGE with line
 * and column for a key outside `accepted` or a value that is none. */
CO_MUST_CHECK co_status co_model_config_read(const char *model, const char *text, unsigned accepted,
                                             co_model_params *params, co_error *err);

#endif
