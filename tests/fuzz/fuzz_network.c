/* Network files from hostile bytes. Beyond not crashing: a network that is read is written as text
 * that reads back to the same text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds) {
        abort(); /* a fuzz target reports by crashing */
    }
}

/* NULL where it is refused. */
static co_graph *read_graph(const char *text, size_t size)
{
    co_error err;
    co_yaml *document = NULL;
    co_graph *graph = NULL;
    co_shape input = {0};
    int classes = 0;
    if (co_yaml_parse("input", text, size, &document, &err) != CO_OK) {
        return NULL;
    }
    co_status status = co_network_describe(document, &input, &classes, &err);
    if (status == CO_OK) {
        status = co_network_read(document, input, classes, &graph, &err);
    }
    require(status == CO_OK || (status == CO_USAGE && err.text[0] != '\0'));
    co_yaml_free(document);
    return graph;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    co_error err;
    char *once = NULL;
    char *twice = NULL;
    co_graph *graph = read_graph((const char *)data, size);
    if (graph == NULL) {
        return 0;
    }
    require(co_network_write(graph, &once, &err) == CO_OK);
    if (strlen(once) <= CO_YAML_MAX_BYTES && graph->layer_count < 1000) { /* the reader's limits */
        co_graph *again = read_graph(once, strlen(once));
        require(again != NULL);
        require(co_network_write(again, &twice, &err) == CO_OK);
        require(strcmp(once, twice) == 0);
        co_graph_destroy(again);
    }
    co_free(once);
    co_free(twice);
    co_graph_destroy(graph);
    return 0;
}
