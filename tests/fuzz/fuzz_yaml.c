/* YAML and settings from hostile bytes: the tree, its flow form, and the settings loader.
 *
 * Beyond not crashing: a tree's flow form reads back to the same flow form, and settings that load
 * are dumped as text that loads to the same dump. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "conf/conf.h"
#include "conf/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds) {
        abort(); /* a fuzz target reports by crashing */
    }
}

static void check_flow(const co_yaml_node *root)
{
    co_error err;
    char *once = NULL;
    char *twice = NULL;
    co_yaml *again = NULL;
    require(co_yaml_flow(root, &once, &err) == CO_OK);
    if (strlen(once) > CO_YAML_MAX_BYTES) { /* escapes make it longer */
        co_free(once);
        return;
    }
    require(co_yaml_parse("flow", once, strlen(once), &again, &err) == CO_OK);
    require(co_yaml_flow(co_yaml_root(again), &twice, &err) == CO_OK);
    require(strcmp(once, twice) == 0);
    co_yaml_free(again);
    co_free(once);
    co_free(twice);
}

static void check_settings(const char *text, size_t size)
{
    co_error err;
    co_conf conf;
    co_conf back;
    char *once = NULL;
    char *twice = NULL;
    if (co_conf_read(&conf, CO_COMMAND_TRAIN, "input", text, size, &err) != CO_OK) {
        require(err.status == CO_USAGE);
        return;
    }
    require(co_conf_dump(&conf, &once, &err) == CO_OK);
    require(co_conf_read(&back, CO_COMMAND_TRAIN, "dump", once, strlen(once), &err) == CO_OK);
    require(co_conf_dump(&back, &twice, &err) == CO_OK);
    require(strcmp(once, twice) == 0);
    co_conf_free(&conf);
    co_conf_free(&back);
    co_free(once);
    co_free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    co_error err;
    co_yaml *document = NULL;
    const char *text = (const char *)data;
    if (co_yaml_parse("input", text, size, &document, &err) != CO_OK) {
        require(err.status == CO_USAGE && strncmp(err.text, "input:", 6) == 0);
        return 0;
    }
    if (co_yaml_root(document) != NULL) {
        check_flow(co_yaml_root(document));
    }
    co_yaml_free(document);
    check_settings(text, size);
    return 0;
}
