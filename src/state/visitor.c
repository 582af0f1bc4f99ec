#include "state/visitor.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the saved form is copied as it is");

enum { NAME_MAX_LENGTH = 63, SHOWN_MAX = 4 };

static size_t element_size(co_visit_type type)
{
    switch (type) {
    case CO_VISIT_U32:
    case CO_VISIT_F32:
        return 4;
    case CO_VISIT_U64:
    case CO_VISIT_I64:
    case CO_VISIT_F64:
        return 8;
    case CO_VISIT_BOOL:
    case CO_VISIT_BYTES:
        return 1;
    case CO_VISIT_SECTION:
    case CO_VISIT_END:
        return 0;
    }
    return 0;
}

static const char *type_name(unsigned type)
{
    static const char *const names[] = {"?",   "u32",  "u64",   "i64",     "f32",
                                        "f64", "bool", "bytes", "section", "end of section"};
    return type < sizeof(names) / sizeof(names[0]) ? names[type] : names[0];
}

/* The field as people know it: "sgd.momentum". */
static const char *full_name(const co_visitor *v, const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%s%s%s", v->path, v->path[0] != '\0' ? "." : "", name);
    return out;
}

#define FULL_NAME_SIZE     (CO_VISIT_PATH_SIZE + NAME_MAX_LENGTH + 2)
#define FULL_NAME(v, name) full_name((v), (name), (char[FULL_NAME_SIZE]){0}, FULL_NAME_SIZE)

/* --- size and save --------------------------------------------------------------------- */

static co_status field_bytes(const co_visitor *v, co_visit_type type, const char *name,
                             size_t count, size_t *data_bytes, size_t *total, co_error *err)
{
    size_t bytes = 0;
    size_t sum = 0;
    size_t head = type == CO_VISIT_END ? 1 : 2 + strlen(name) + sizeof(uint64_t);
    if (!co_mul_size(count, element_size(type), &bytes) || !co_add_size(bytes, head, &sum) ||
        !co_add_size(sum, v->offset, total)) {
        return co_fail(err, CO_INTERNAL, "state: field %s: %zu values are too many",
                       FULL_NAME(v, name), count);
    }
    *data_bytes = bytes;
    return CO_OK;
}

static co_status size_field(co_visitor *v, co_visit_type type, const char *name, void *data,
                            size_t count, co_error *err)
{
    (void)data;
    size_t bytes = 0;
    return field_bytes(v, type, name, count, &bytes, &v->offset, err);
}

static void put(co_visitor *v, const void *data, size_t bytes)
{
    if (bytes > 0) {
        memcpy(v->out + v->offset, data, bytes);
        v->offset += bytes;
    }
}

static co_status save_field(co_visitor *v, co_visit_type type, const char *name, void *data,
                            size_t count, co_error *err)
{
    size_t bytes = 0;
    size_t end = 0;
    CO_TRY(field_bytes(v, type, name, count, &bytes, &end, err));
    if (end > v->size) {
        return co_fail(err, CO_INTERNAL, "state: field %s ends at byte %zu of a buffer of %zu",
                       FULL_NAME(v, name), end, v->size);
    }
    unsigned char head[2] = {(unsigned char)type, (unsigned char)strlen(name)};
    if (type == CO_VISIT_END) {
        put(v, head, 1);
        return CO_OK;
    }
    uint64_t count64 = count;
    put(v, head, 2);
    put(v, name, head[1]);
    put(v, &count64, sizeof(count64));
    put(v, data, bytes);
    return CO_OK;
}

/* --- load ------------------------------------------------------------------------------ */

static co_status cut_short(const co_visitor *v, const char *name, co_error *err)
{
    return co_fail(err, CO_FILE, "state: field %s: the saved state ends at byte %zu",
                   FULL_NAME(v, name), v->size);
}

/* Reads the field's head and compares; leaves v->offset at the data. */
static co_status load_head(co_visitor *v, co_visit_type type, const char *name, size_t count,
                           co_error *err)
{
    size_t start = v->offset;
    size_t left = v->size - start;
    const unsigned char *in = v->in + start;
    if (left < 1) {
        return cut_short(v, name, err);
    }
    if (type == CO_VISIT_END && in[0] == CO_VISIT_END) {
        v->offset = start + 1;
        return CO_OK;
    }
    if (in[0] == CO_VISIT_END || type == CO_VISIT_END) {
        return co_fail(err, CO_FILE, "state: byte %zu: expected %s %s, found %s", start,
                       type_name(type), FULL_NAME(v, name), type_name(in[0]));
    }
    size_t length = left < 2 ? 0 : in[1];
    if (left < 2 + length + sizeof(uint64_t)) {
        return cut_short(v, name, err);
    }
    uint64_t saved_count = 0;
    memcpy(&saved_count, in + 2 + length, sizeof(saved_count));
    bool same_name = length == strlen(name) && memcmp(in + 2, name, length) == 0;
    if (in[0] != (unsigned)type || saved_count != count || !same_name) {
        char found[NAME_MAX_LENGTH + 1] = {0};
        for (size_t i = 0; i < length && i < NAME_MAX_LENGTH; i++) {
            found[i] = in[2 + i] >= ' ' && in[2 + i] <= '~' ? (char)in[2 + i] : '?';
        }
        return co_fail(err, CO_FILE,
                       "state: byte %zu: expected %s as %s[%zu], found %s as %s[%llu]", start,
                       FULL_NAME(v, name), type_name(type), count, found, type_name(in[0]),
                       (unsigned long long)saved_count);
    }
    v->offset = start + 2 + length + sizeof(uint64_t);
    return CO_OK;
}

static co_status load_field(co_visitor *v, co_visit_type type, const char *name, void *data,
                            size_t count, co_error *err)
{
    CO_TRY(load_head(v, type, name, count, err));
    size_t bytes = 0;
    if (!co_mul_size(count, element_size(type), &bytes) || bytes > v->size - v->offset) {
        return cut_short(v, name, err);
    }
    const unsigned char *in = v->in + v->offset;
    for (size_t i = 0; type == CO_VISIT_BOOL && i < count; i++) {
        if (in[i] > 1) {
            return co_fail(err, CO_FILE, "state: byte %zu: %s is %u, expected 0 or 1",
                           v->offset + i, FULL_NAME(v, name), in[i]);
        }
    }
    if (bytes > 0) {
        memcpy(data, in, bytes);
        v->offset += bytes;
    }
    return CO_OK;
}

/* --- show ------------------------------------------------------------------------------ */

static void show_value(co_text *text, co_visit_type type, const void *data, size_t i)
{
    switch (type) {
    case CO_VISIT_U32:
        co_text_printf(text, "%u", ((const uint32_t *)data)[i]);
        break;
    case CO_VISIT_U64:
        co_text_printf(text, "%llu", (unsigned long long)((const uint64_t *)data)[i]);
        break;
    case CO_VISIT_I64:
        co_text_printf(text, "%lld", (long long)((const int64_t *)data)[i]);
        break;
    case CO_VISIT_F32:
        co_text_json_f32(text, ((const float *)data)[i]);
        break;
    case CO_VISIT_F64:
        co_text_json_f64(text, ((const double *)data)[i]);
        break;
    case CO_VISIT_BOOL:
        co_text_put(text, ((const bool *)data)[i] ? "true" : "false");
        break;
    case CO_VISIT_BYTES:
        co_text_printf(text, "%u", ((const unsigned char *)data)[i]);
        break;
    case CO_VISIT_SECTION:
    case CO_VISIT_END:
        break;
    }
}

/* `offset` counts the fields shown in this section's line, to place the commas. */
static co_status show_field(co_visitor *v, co_visit_type type, const char *name, void *data,
                            size_t count, co_error *err)
{
    (void)err;
    if (type == CO_VISIT_END) {
        co_text_put(v->text, "}");
        v->offset = 1;
        return CO_OK;
    }
    co_text_put(v->text, v->offset > 0 ? "," : "");
    co_text_json_string(v->text, name);
    co_text_put(v->text, ":");
    v->offset = 1;
    if (type == CO_VISIT_SECTION) {
        co_text_put(v->text, "{");
        v->offset = 0;
        return CO_OK;
    }
    if (count == 1) {
        show_value(v->text, type, data, 0);
        return CO_OK;
    }
    co_text_put(v->text, "[");
    for (size_t i = 0; i < count && i < SHOWN_MAX; i++) {
        co_text_put(v->text, i > 0 ? "," : "");
        show_value(v->text, type, data, i);
    }
    if (count > SHOWN_MAX) {
        co_text_printf(v->text, ",\"... %zu in all\"", count);
    }
    co_text_put(v->text, "]");
    return CO_OK;
}

/* --- public ---------------------------------------------------------------------------- */

static const co_visitor_ops size_ops = {.visit = size_field, .loads = false};
static const co_visitor_ops save_ops = {.visit = save_field, .loads = false};
static const co_visitor_ops load_ops = {.visit = load_field, .loads = true};
static const co_visitor_ops show_ops = {.visit = show_field, .loads = false};

co_visitor co_visitor_sizing(void)
{
    return (co_visitor){.ops = &size_ops};
}

co_visitor co_visitor_saving(void *buffer, size_t bytes)
{
    return (co_visitor){.ops = &save_ops, .out = buffer, .size = bytes};
}

co_visitor co_visitor_loading(const void *buffer, size_t bytes)
{
    return (co_visitor){.ops = &load_ops, .in = buffer, .size = bytes};
}

co_visitor co_visitor_showing(co_text *text)
{
    co_text_put(text, "{");
    return (co_visitor){.ops = &show_ops, .text = text};
}

co_status co_visitor_finish(co_visitor *v, co_error *err)
{
    if (v->depth > 0) {
        return co_fail(err, CO_INTERNAL, "state: section %s is not closed", v->path);
    }
    if (v->ops == &show_ops) {
        co_text_put(v->text, "}");
    } else if (v->ops != &size_ops && v->offset != v->size) {
        return co_fail(err, v->ops->loads ? CO_FILE : CO_INTERNAL,
                       "state: %zu of %zu bytes used: the state is not of this kind", v->offset,
                       v->size);
    }
    return CO_OK;
}

static co_status visit(co_visitor *v, co_visit_type type, const char *name, void *data,
                       size_t count, co_error *err)
{
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX_LENGTH) {
        return co_fail(err, CO_INTERNAL, "state: bad field name '%s'", FULL_NAME(v, name));
    }
    return v->ops->visit(v, type, name, data, count, err);
}

co_status co_visit_begin(co_visitor *v, const char *name, co_error *err)
{
    size_t used = strlen(v->path);
    if (v->depth == CO_VISIT_DEPTH_MAX || used + strlen(name) + 2 > sizeof(v->path)) {
        return co_fail(err, CO_INTERNAL, "state: section %s is nested too deeply",
                       FULL_NAME(v, name));
    }
    CO_TRY(visit(v, CO_VISIT_SECTION, name, NULL, 0, err));
    (void)snprintf(v->path + used, sizeof(v->path) - used, "%s%s", used > 0 ? "." : "", name);
    v->depth++;
    return CO_OK;
}

co_status co_visit_end(co_visitor *v, co_error *err)
{
    if (v->depth == 0) {
        return co_fail(err, CO_INTERNAL, "state: a section ends that never began");
    }
    CO_TRY(v->ops->visit(v, CO_VISIT_END, "(end)", NULL, 0, err));
    char *dot = strrchr(v->path, '.');
    *(dot != NULL ? dot : v->path) = '\0';
    v->depth--;
    return CO_OK;
}

co_status co_visit_u32(co_visitor *v, const char *name, uint32_t *value, co_error *err)
{
    return visit(v, CO_VISIT_U32, name, value, 1, err);
}

co_status co_visit_u64(co_visitor *v, const char *name, uint64_t *value, co_error *err)
{
    return visit(v, CO_VISIT_U64, name, value, 1, err);
}

co_status co_visit_i64(co_visitor *v, const char *name, int64_t *value, co_error *err)
{
    return visit(v, CO_VISIT_I64, name, value, 1, err);
}

co_status co_visit_f32(co_visitor *v, const char *name, float *value, co_error *err)
{
    return visit(v, CO_VISIT_F32, name, value, 1, err);
}

co_status co_visit_f64(co_visitor *v, const char *name, double *value, co_error *err)
{
    return visit(v, CO_VISIT_F64, name, value, 1, err);
}

co_status co_visit_bool(co_visitor *v, const char *name, bool *value, co_error *err)
{
    return visit(v, CO_VISIT_BOOL, name, value, 1, err);
}

co_status co_visit_bytes(co_visitor *v, const char *name, void *bytes, size_t count, co_error *err)
{
    return visit(v, CO_VISIT_BYTES, name, bytes, count, err);
}

co_status co_visit_u32_array(co_visitor *v, const char *name, uint32_t *values, size_t count,
                             co_error *err)
{
    return visit(v, CO_VISIT_U32, name, values, count, err);
}

co_status co_visit_f32_array(co_visitor *v, const char *name, float *values, size_t count,
                             co_error *err)
{
    return visit(v, CO_VISIT_F32, name, values, count, err);
}

co_status co_visit_f64_array(co_visitor *v, const char *name, double *values, size_t count,
                             co_error *err)
{
    return visit(v, CO_VISIT_F64, name, values, count, err);
}

co_status co_visit_buffer(co_visitor *v, const char *name, co_visit_layout layout, float *values,
                          size_t count, co_error *err)
{
    if (v->tensors == NULL) {
        return co_visit_f32_array(v, name, values, count, err);
    }
    return v->tensors->visit(v->tensors->context, FULL_NAME(v, name), layout, values, count, err);
}

co_status co_visit_same_u64(co_visitor *v, const char *name, uint64_t value, co_error *err)
{
    uint64_t seen = value;
    CO_TRY(co_visit_u64(v, name, &seen, err));
    if (seen != value) {
        return co_fail(err, CO_FILE, "state: %s was %llu when saved, and is %llu here",
                       FULL_NAME(v, name), (unsigned long long)seen, (unsigned long long)value);
    }
    return CO_OK;
}

co_status co_visit_same_text(co_visitor *v, const char *name, const char *value, co_error *err)
{
    char seen[128] = {0};
    size_t length = strlen(value);
    if (length >= sizeof(seen)) {
        return co_fail(err, CO_INTERNAL, "state: %s: the text is too long", FULL_NAME(v, name));
    }
    memcpy(seen, value, length);
    CO_TRY(co_visit_bytes(v, name, seen, sizeof(seen), err));
    seen[sizeof(seen) - 1] = '\0';
    if (strcmp(seen, value) != 0) {
        return co_fail(err, CO_FILE, "state: %s was '%s' when saved, and is '%s' here",
                       FULL_NAME(v, name), seen, value);
    }
    return CO_OK;
}
