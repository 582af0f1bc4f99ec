/* One entry of a network file: its kind and its keys, checked; internal to graph/. */
#ifndef CO_GRAPH_NETWORK_LAYER_H
#define CO_GRAPH_NETWORK_LAYER_H

#include "conf/yaml.h"
#include "graph/graph.h"

typedef enum co_entry_kind {
    CO_ENTRY_CONV2D,
    CO_ENTRY_CONV1D,
    CO_ENTRY_LINEAR,
    CO_ENTRY_BATCH_NORM,
    CO_ENTRY_RELU,
    CO_ENTRY_MAX_POOL,
    CO_ENTRY_MAX_POOL1D,
    CO_ENTRY_AVG_POOL,
    CO_ENTRY_AVG_POOL1D,
    CO_ENTRY_GLOBAL_AVG_POOL,
    CO_ENTRY_GLOBAL_MAX_POOL,
    CO_ENTRY_DROPOUT,
    CO_ENTRY_CHANNEL_DROPOUT,
    CO_ENTRY_ADD,
    CO_ENTRY_FLATTEN,
    CO_ENTRY_SCALE,
    CO_ENTRY_RESIDUAL,
    CO_ENTRY_REPEAT,
    CO_ENTRY_KINDS
} co_entry_kind;

enum { CO_NETWORK_LARGEST = 1 << 24 /* of any whole number in the file */ };

typedef struct co_entry {
    const co_yaml_node *node; /* where errors point to */
    co_entry_kind kind;
    unsigned set;     /* bit i: the key of row i was given */
    const char *name; /* NULL: none was given */
    const co_yaml_node *from;
    const co_yaml_node *init;
    const co_yaml_node *bias_init;
    const co_yaml_node *body;
    const co_yaml_node *shortcut;
    const co_yaml_node *layers;
    int out;
    int kernel[2]; /* height, width */
    int stride[2];
    int pad[2];
    int groups;
    int times;
    bool bias;
    double momentum;
    double epsilon;
    double probability;
    double factor;
} co_entry;

const char *co_entry_kind_name(co_entry_kind kind);

/* Reads an item of a list of layers: a kind's name alone, or a mapping of it to its keys. `classes`
 * is what the word stands for in `out: classes`. */
CO_MUST_CHECK co_status co_entry_read(const co_yaml_node *item, int classes, co_entry *out,
                                      co_error *err);
/* Appends a layer (no block) under its full name; `right` is an add's other input. The index, or
 * -1 with the fault in the graph. */
int co_entry_append(const co_entry *entry, co_graph *graph, const char *name, int left, int right);
/* Its initial weights, where it says any. */
CO_MUST_CHECK co_status co_entry_init(const co_entry *entry, co_graph *graph, int layer,
                                      co_error *err);

/* A name of letters, digits, '_', '-' and '.'. */
CO_MUST_CHECK co_status co_network_name(const co_yaml_node *node, const char *what,
                                        const char **out, co_error *err);
/* A whole number between these bounds. */
CO_MUST_CHECK co_status co_network_integer(const co_yaml_node *node, const char *what, int min,
                                           int max, int *out, co_error *err);

#endif
