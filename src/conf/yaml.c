#include "conf/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/file.h"
#include "conf/string.h"

/* Every node and text of a document: freed together. */
typedef struct yaml_block {
    struct yaml_block *next;
    uint64_t payload[];
} yaml_block;

struct co_yaml {
    yaml_block *blocks;
    const co_yaml_node *root;
    const char *name;
    size_t nodes;
};

/* A container that is still being read. */
typedef struct yaml_open {
    co_yaml_node *node;
    co_yaml_node *last;      /* its newest child */
    const co_yaml_node *key; /* in a map: the key that waits for its value */
} yaml_open;

typedef struct yaml_reader {
    yaml_parser_t parser;
    const char *text; /* borrowed, with its length: to explain errors */
    size_t length;
    co_yaml *document;
    yaml_open open[CO_YAML_MAX_DEPTH];
    int depth;
    co_error *err;
} yaml_reader;

static co_status document_alloc(co_yaml *document, size_t bytes, void **out, co_error *err)
{
    void *memory = NULL;
    CO_TRY(co_alloc(sizeof(yaml_block) + bytes, 1, "YAML document", &memory, err));
    yaml_block *block = memory;
    block->next = document->blocks;
    document->blocks = block;
    *out = block->payload;
    return CO_OK;
}

static co_status document_text(co_yaml *document, const char *text, size_t length, const char **out,
                               co_error *err)
{
    void *memory = NULL;
    CO_TRY(document_alloc(document, length + 1, &memory, err));
    memcpy(memory, text, length);
    *out = memory;
    return CO_OK;
}

void co_yaml_free(co_yaml *document)
{
    if (document == NULL) {
        return;
    }
    for (yaml_block *block = document->blocks; block != NULL;) {
        yaml_block *next = block->next;
        co_free(block);
        block = next;
    }
    co_free(document);
}

const co_yaml_node *co_yaml_root(const co_yaml *document)
{
    return document->root;
}

const char *co_yaml_name(const co_yaml *document)
{
    return document->name;
}

static co_status fail_at(yaml_reader *reader, yaml_mark_t mark, const char *message)
{
    return co_fail(reader->err, CO_USAGE, "%s:%zu:%zu: %s", reader->document->name, mark.line + 1,
                   mark.column + 1, message);
}

/* libyaml counts bytes, not lines, when the text itself is not readable. */
static yaml_mark_t mark_of_offset(const yaml_reader *reader, size_t offset)
{
    yaml_mark_t mark = {.index = offset, .line = 0, .column = 0};
    for (size_t i = 0; i < offset && i < reader->length; i++) {
        mark.column++;
        if (reader->text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

/* libyaml's marks count characters; only ASCII lines matter here, where bytes are characters. */
static bool is_tab_at(const yaml_reader *reader, yaml_mark_t mark)
{
    size_t line = 0;
    size_t at = 0;
    while (at < reader->length && line < mark.line) {
        line += reader->text[at++] == '\n';
    }
    size_t column = at + mark.column;
    return column < reader->length && reader->text[column] == '\t';
}

static co_status explain_parser(yaml_reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";
    if (parser->error == YAML_MEMORY_ERROR) {
        return co_fail(reader->err, CO_MEMORY, "%s: not enough memory to read it",
                       reader->document->name);
    }
    if (parser->error == YAML_READER_ERROR) {
        char message[160];
        snprintf(message, sizeof(message), "not readable as UTF-8 text (%s)", problem);
        return fail_at(reader, mark_of_offset(reader, parser->problem_offset), message);
    }
    if (is_tab_at(reader, parser->problem_mark)) {
        return fail_at(reader, parser->problem_mark,
                       "a tab stands here; YAML indents with spaces: replace it by spaces");
    }
    char message[256];
    snprintf(message, sizeof(message), "not valid YAML: %s%s%s", problem,
             parser->context != NULL ? " " : "", parser->context != NULL ? parser->context : "");
    return fail_at(reader, parser->problem_mark, message);
}

static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a: only to make comparing thousands of keys cheap */
    for (const char *c = text; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    }
    return hash;
}

static co_status check_key(yaml_reader *reader, const yaml_open *map, const co_yaml_node *key)
{
    if (map->node->count >= CO_YAML_MAX_KEYS) {
        return co_yaml_fail(reader->err, CO_USAGE, key, "more than %d keys in one mapping",
                            CO_YAML_MAX_KEYS);
    }
    for (const co_yaml_node *child = map->node->first; child != NULL; child = child->next) {
        if (child->key->hash == key->hash && strcmp(child->key->text, key->text) == 0) {
            return co_yaml_fail(reader->err, CO_USAGE, key,
                                "the key '%.60s' is given twice: here and in line %d; keep one",
                                key->text, child->key->line);
        }
    }
    return CO_OK;
}

/* Hangs a finished or opened node under its parent. */
static co_status attach(yaml_reader *reader, co_yaml_node *node)
{
    if (reader->depth == 0) {
        reader->document->root = node;
        return CO_OK;
    }
    yaml_open *parent = &reader->open[reader->depth - 1];
    if (parent->node->kind == CO_YAML_MAP && parent->key == NULL) {
        if (node->kind != CO_YAML_SCALAR) {
            return co_yaml_fail(reader->err, CO_USAGE, node, "a key must be a name, not %s",
                                co_yaml_kind_name(node->kind));
        }
        CO_TRY(check_key(reader, parent, node));
        parent->key = node;
        return CO_OK;
    }
    node->key = parent->key;
    parent->key = NULL;
    if (parent->last == NULL) {
        parent->node->first = node;
    } else {
        parent->last->next = node;
    }
    parent->last = node;
    parent->node->count++;
    return CO_OK;
}

static co_status add_node(yaml_reader *reader, co_yaml_kind kind, const yaml_event_t *event,
                          co_yaml_node **out)
{
    co_yaml *document = reader->document;
    if (document->nodes >= CO_YAML_MAX_NODES) {
        char message[80];
        snprintf(message, sizeof(message), "more than %d values: too large a document",
                 CO_YAML_MAX_NODES);
        return fail_at(reader, event->start_mark, message);
    }
    void *memory = NULL;
    CO_TRY(document_alloc(document, sizeof(co_yaml_node), &memory, reader->err));
    co_yaml_node *node = memory;
    document->nodes++;
    node->kind = kind;
    node->line = (int)event->start_mark.line + 1;
    node->column = (int)event->start_mark.column + 1;
    node->name = document->name;
    *out = node;
    return CO_OK;
}

static co_status read_scalar(yaml_reader *reader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    co_yaml_node *node = NULL;
    CO_TRY(add_node(reader, CO_YAML_SCALAR, event, &node));
    if (memchr(value, '\0', length) != NULL) {
        return co_yaml_fail(reader->err, CO_USAGE, node, "a text may not hold a zero character");
    }
    CO_TRY(document_text(reader->document, value, length, &node->text, reader->err));
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->hash = hash_text(node->text);
    return attach(reader, node);
}

static co_status open_container(yaml_reader *reader, co_yaml_kind kind, const yaml_event_t *event)
{
    if (reader->depth >= CO_YAML_MAX_DEPTH) {
        char message[80];
        snprintf(message, sizeof(message), "nested deeper than %d levels", CO_YAML_MAX_DEPTH);
        return fail_at(reader, event->start_mark, message);
    }
    co_yaml_node *node = NULL;
    CO_TRY(add_node(reader, kind, event, &node));
    CO_TRY(attach(reader, node));
    reader->open[reader->depth++] = (yaml_open){.node = node};
    return CO_OK;
}

/* Anchors are where alias bombs begin, and tags ask a reader to construct objects. */
static co_status refuse_decoration(yaml_reader *reader, const yaml_event_t *event)
{
    const unsigned char *anchor = NULL;
    const unsigned char *tag = NULL;
    if (event->type == YAML_ALIAS_EVENT) {
        anchor = event->data.alias.anchor;
    } else if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor != NULL) {
        return fail_at(reader, event->start_mark,
                       "anchors (&) and aliases (*) are not allowed: write the value out");
    }
    if (tag != NULL) {
        return fail_at(reader, event->start_mark, "tags (!) are not allowed: remove it");
    }
    return CO_OK;
}

static co_status read_event(yaml_reader *reader, const yaml_event_t *event)
{
    CO_TRY(refuse_decoration(reader, event));
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_container(reader, CO_YAML_SEQUENCE, event);
    case YAML_MAPPING_START_EVENT:
        return open_container(reader, CO_YAML_MAP, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        reader->depth--;
        return CO_OK;
    case YAML_DOCUMENT_START_EVENT:
        if (reader->document->root != NULL) {
            return fail_at(reader, event->start_mark,
                           "a second document begins here: one file holds one document");
        }
        return CO_OK;
    default:
        return CO_OK;
    }
}

static co_status read_events(yaml_reader *reader)
{
    for (bool done = false; !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader->parser, &event)) {
            return explain_parser(reader);
        }
        co_status status = read_event(reader, &event);
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        CO_TRY(status);
    }
    return CO_OK;
}

co_status co_yaml_parse(const char *name, const char *text, size_t length, co_yaml **out,
                        co_error *err)
{
    if (length > CO_YAML_MAX_BYTES) {
        return co_fail(err, CO_USAGE, "%s: larger than %u bytes: too large for settings", name,
                       CO_YAML_MAX_BYTES);
    }
    void *memory = NULL;
    CO_TRY(co_alloc(1, sizeof(co_yaml), "YAML document", &memory, err));
    co_yaml *document = memory;
    co_status status = document_text(document, name, strlen(name), &document->name, err);
    if (status != CO_OK) {
        goto free_document;
    }
    yaml_reader reader = {.text = text, .length = length, .document = document, .err = err};
    if (!yaml_parser_initialize(&reader.parser)) {
        status = co_fail(err, CO_MEMORY, "%s: not enough memory to read it", name);
        goto free_document;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
    status = read_events(&reader);
    yaml_parser_delete(&reader.parser);
    if (status == CO_OK) {
        *out = document;
        return CO_OK;
    }
free_document:
    co_yaml_free(document);
    return status;
}

co_status co_yaml_load(const char *path, co_yaml **out, co_error *err)
{
    char *text = NULL;
    size_t length = 0;
    CO_TRY(co_file_read(path, CO_YAML_MAX_BYTES, CO_USAGE, &text, &length, err));
    co_status status = co_yaml_parse(path, text, length, out, err);
    co_free(text);
    return status;
}
