/* YAML documents as small trees: what settings files, regimes and network files are read from.
 *
 * A document is read whole, within limits (size, depth, nodes), and refused when it holds an
 * anchor, an alias, a tag, a key twice or more than one document: so no file can grow in memory
 * and every value stands where it is used. Each node knows its line and column (from 1), and all
 * errors begin with NAME:LINE:COLUMN. A document owns its nodes; nodes are read-only and may be
 * read by any thread. Nothing here knows about settings.
 */
#ifndef CO_CONF_YAML_H
#define CO_CONF_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define CO_YAML_MAX_BYTES (1024u * 1024u)
#define CO_YAML_MAX_DEPTH 32
#define CO_YAML_MAX_NODES 20000
#define CO_YAML_MAX_KEYS  2000 /* in one mapping */

typedef enum co_yaml_kind { CO_YAML_SCALAR, CO_YAML_SEQUENCE, CO_YAML_MAP } co_yaml_kind;

typedef struct co_yaml_node {
    co_yaml_kind kind;
    bool plain; /* a scalar without quotes: may be a number, a truth value or null */
    int line;
    int column;
    uint32_t hash;                    /* of `text` */
    const char *text;                 /* the scalar; NULL for the other kinds */
    const char *name;                 /* of the document */
    const struct co_yaml_node *key;   /* in a map: the key of this value, a scalar; else NULL */
    const struct co_yaml_node *first; /* children, in the order of the file */
    const struct co_yaml_node *next;  /* the next child of the same parent */
    size_t count;                     /* of children */
} co_yaml_node;

typedef struct co_yaml co_yaml;

/* Reads one document. `name` (a path, or the flag the text came from) begins every error message.
 * Fails with CO_USAGE, or CO_MEMORY. The result is freed by co_yaml_free. */
CO_MUST_CHECK co_status co_yaml_parse(const char *name, const char *text, size_t length,
                                      co_yaml **out, co_error *err);
CO_MUST_CHECK co_status co_yaml_load(const char *path, co_yaml **out, co_error *err);
void co_yaml_free(co_yaml *document); /* NULL is allowed */

/* NULL for an empty document. */
const co_yaml_node *co_yaml_root(const co_yaml *document);
/* The name it was read under. */
const char *co_yaml_name(const co_yaml *document);
/* The value of `key` in a map; NULL when it is not there or the node is no map. */
const co_yaml_node *co_yaml_get(const co_yaml_node *map, const char *key);
/* Nothing written, ~, null, or Python's None. */
bool co_yaml_is_null(const co_yaml_node *node);
/* "a mapping", "a list", "a value". */
const char *co_yaml_kind_name(co_yaml_kind kind);

/* co_fail with NAME:LINE:COLUMN before the message. */
co_status co_yaml_fail(co_error *err, co_status status, const co_yaml_node *node,
                       const char *format, ...) CO_PRINTF(4, 5);

/* Typed reading of a scalar, with `what` (the key) in the message when it does not fit. */
CO_MUST_CHECK co_status co_yaml_number(const co_yaml_node *node, const char *what, double *out,
                                       co_error *err);
CO_MUST_CHECK co_status co_yaml_integer(const co_yaml_node *node, const char *what, int64_t *out,
                                        co_error *err);
CO_MUST_CHECK co_status co_yaml_bool(const co_yaml_node *node, const char *what, bool *out,
                                     co_error *err);

/* The node on one line in flow style ("{depth: 34, name: a}"), the same for the same content
 * however it was laid out; reading it back gives the same tree. Freed by co_free. */
CO_MUST_CHECK co_status co_yaml_flow(const co_yaml_node *node, char **out, co_error *err);

#endif
