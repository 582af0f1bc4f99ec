#include "state/safetensors_header.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

/* A cursor over the JSON text. The grammar is so small that it is read directly: a general JSON
 * tree would take some forty bytes for every two of a hostile header. */
typedef struct parser {
    const char *start;
    const char *next;
    const char *end;
    const char *label;
    char *string_end; /* where the next decoded string goes */
    co_safetensors_header *header;
    size_t entries_max;
    bool seen_metadata;
    co_error *err;
} parser;

/* The text before the JSON is one u64, so this is the byte of the file. */
static co_status bad(parser *p, const char *what)
{
    return co_fail(p->err, CO_FILE, "%s: header, byte %zu: %s", p->label,
                   (size_t)(p->next - p->start) + sizeof(uint64_t), what);
}

static void skip_space(parser *p)
{
    while (p->next < p->end && strchr(" \t\r\n", *p->next) != NULL && *p->next != '\0') {
        p->next++;
    }
}

/* Whether the next character, after space, is `c`; if so it is taken. */
static bool take(parser *p, char c)
{
    skip_space(p);
    if (p->next < p->end && *p->next == c) {
        p->next++;
        return true;
    }
    return false;
}

static co_status expect(parser *p, char c)
{
    if (take(p, c)) {
        return CO_OK;
    }
    char message[] = "expected '?'";
    message[sizeof(message) - 3] = c;
    return bad(p, message);
}

static bool hex4(const char *digits, const char *end, uint32_t *out)
{
    uint32_t value = 0;
    if (end - digits < 4) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        char c = digits[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                : 16;
        if (digit == 16) {
            return false;
        }
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

/* After "\u": one character, or the two halves of one above U+FFFF. */
static co_status unicode_escape(parser *p)
{
    uint32_t character = 0;
    uint32_t low = 0;
    if (!hex4(p->next, p->end, &character)) {
        return bad(p, "expected four hexadecimal digits after \\u");
    }
    p->next += 4;
    if (character >= 0xd800 && character <= 0xdbff && p->end - p->next >= 6 && p->next[0] == '\\' &&
        p->next[1] == 'u' && hex4(p->next + 2, p->end, &low) && low >= 0xdc00 && low <= 0xdfff) {
        character = 0x10000 + ((character - 0xd800) << 10) + (low - 0xdc00);
        p->next += 6;
    }
    char utf8[4];
    size_t length = co_utf8_encode(character, utf8);
    if (length == 0 || character == 0) {
        return bad(p, "this \\u escape is not allowed here");
    }
    memcpy(p->string_end, utf8, length);
    p->string_end += length;
    return CO_OK;
}

static co_status escape(parser *p)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    char c = p->next < p->end ? *p->next : '\0';
    const char *found = c != '\0' ? strchr(from, c) : NULL;
    if (c == 'u') {
        p->next++;
        return unicode_escape(p);
    }
    if (found == NULL) {
        return bad(p, "unknown escape in a string");
    }
    p->next++;
    *p->string_end++ = to[found - from];
    return CO_OK;
}

/* A JSON string, decoded into the pool: decoding never makes it longer, so the pool's size of
 * one byte per byte of the header is enough (the closing quote pays for the zero byte). */
static co_status string(parser *p, const char **out)
{
    CO_TRY(expect(p, '"'));
    char *begin = p->string_end;
    while (p->next < p->end && *p->next != '"') {
        if (*p->next == '\\') {
            p->next++;
            CO_TRY(escape(p));
            continue;
        }
        if ((unsigned char)*p->next < 0x20) {
            return bad(p, "control character in a string");
        }
        size_t length = co_utf8_next(p->next, (size_t)(p->end - p->next));
        if (length == 0) {
            return bad(p, "not UTF-8");
        }
        memcpy(p->string_end, p->next, length);
        p->string_end += length;
        p->next += length;
    }
    if (p->next == p->end) {
        return bad(p, "a string does not end");
    }
    p->next++;
    *p->string_end++ = '\0';
    *out = begin;
    return CO_OK;
}

static co_status number(parser *p, uint64_t *out)
{
    skip_space(p);
    const char *first = p->next;
    uint64_t value = 0;
    while (p->next < p->end && *p->next >= '0' && *p->next <= '9') {
        uint64_t digit = (uint64_t)(*p->next - '0');
        if (value > (INT64_MAX - digit) / 10) {
            return bad(p, "the number is too large");
        }
        value = value * 10 + digit;
        p->next++;
    }
    if (p->next == first || (*first == '0' && p->next - first > 1)) {
        return bad(p, "expected a whole number of at least 0");
    }
    *out = value;
    return CO_OK;
}

/* "[n,n,...]" with at most `max` numbers. */
static co_status numbers(parser *p, uint64_t *out, unsigned max, unsigned *count)
{
    unsigned n = 0;
    CO_TRY(expect(p, '['));
    if (!take(p, ']')) {
        do {
            if (n == max) {
                return bad(p, "too many numbers in this list");
            }
            CO_TRY(number(p, &out[n]));
            n++;
        } while (take(p, ','));
        CO_TRY(expect(p, ']'));
    }
    *count = n;
    return CO_OK;
}

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [CO_DTYPE_BOOL] = {"BOOL", 1}, [CO_DTYPE_U8] = {"U8", 1},   [CO_DTYPE_I8] = {"I8", 1},
    [CO_DTYPE_U16] = {"U16", 2},   [CO_DTYPE_I16] = {"I16", 2}, [CO_DTYPE_F16] = {"F16", 2},
    [CO_DTYPE_BF16] = {"BF16", 2}, [CO_DTYPE_U32] = {"U32", 4}, [CO_DTYPE_I32] = {"I32", 4},
    [CO_DTYPE_F32] = {"F32", 4},   [CO_DTYPE_U64] = {"U64", 8}, [CO_DTYPE_I64] = {"I64", 8},
    [CO_DTYPE_F64] = {"F64", 8},
};

enum { DTYPES = sizeof(dtypes) / sizeof(dtypes[0]) };

size_t co_dtype_size(co_dtype dtype)
{
    return (size_t)dtype < DTYPES ? dtypes[dtype].size : 0;
}

const char *co_dtype_name(co_dtype dtype)
{
    return (size_t)dtype < DTYPES ? dtypes[dtype].name : "?";
}

bool co_tensor_bytes(co_dtype dtype, unsigned rank, const uint64_t *shape, uint64_t *elements,
                     uint64_t *bytes)
{
    uint64_t product = 1;
    for (unsigned i = 0; i < rank; i++) {
        if (__builtin_mul_overflow(product, shape[i], &product)) {
            return false;
        }
    }
    if (__builtin_mul_overflow(product, (uint64_t)co_dtype_size(dtype), bytes)) {
        return false;
    }
    *elements = product;
    return true;
}

static co_status dtype_value(parser *p, co_dtype *out)
{
    const char *name = NULL;
    CO_TRY(string(p, &name));
    for (size_t i = 0; i < DTYPES; i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
            *out = (co_dtype)i;
            return CO_OK;
        }
    }
    return bad(p, "unknown dtype");
}

enum { SEEN_DTYPE = 1, SEEN_SHAPE = 2, SEEN_OFFSETS = 4, SEEN_ALL = 7 };

static co_status tensor_key(parser *p, co_tensor_entry *entry, unsigned *seen)
{
    const char *key = NULL;
    uint64_t offsets[2] = {0, 0};
    unsigned count = 0;
    unsigned bit = 0;
    CO_TRY(string(p, &key));
    CO_TRY(expect(p, ':'));
    if (strcmp(key, "dtype") == 0) {
        bit = SEEN_DTYPE;
        CO_TRY(dtype_value(p, &entry->dtype));
    } else if (strcmp(key, "shape") == 0) {
        bit = SEEN_SHAPE;
        CO_TRY(numbers(p, entry->shape, CO_SAFETENSORS_RANK_MAX, &entry->rank));
    } else if (strcmp(key, "data_offsets") == 0) {
        bit = SEEN_OFFSETS;
        CO_TRY(numbers(p, offsets, 2, &count));
        if (count != 2) {
            return bad(p, "data_offsets must have two numbers");
        }
        entry->begin = offsets[0];
        entry->end = offsets[1];
    } else {
        return bad(p, "a tensor has dtype, shape and data_offsets, nothing else");
    }
    if ((*seen & bit) != 0) {
        return bad(p, "the key is there twice");
    }
    *seen |= bit;
    return CO_OK;
}

static co_status tensor(parser *p, const char *name)
{
    co_safetensors_header *header = p->header;
    size_t length = strlen(name);
    if (header->count == p->entries_max || length == 0 || length > CO_SAFETENSORS_NAME_MAX) {
        return bad(p, "a tensor's name must have 1 to 1024 bytes");
    }
    co_tensor_entry entry = {.name = name};
    unsigned seen = 0;
    CO_TRY(expect(p, '{'));
    do {
        CO_TRY(tensor_key(p, &entry, &seen));
    } while (take(p, ','));
    CO_TRY(expect(p, '}'));
    if (seen != SEEN_ALL) {
        return bad(p, "a tensor needs dtype, shape and data_offsets");
    }
    header->entries[header->count] = entry;
    header->count++;
    return CO_OK;
}

static co_status metadata(parser *p)
{
    co_safetensors_header *header = p->header;
    if (p->seen_metadata) {
        return bad(p, "__metadata__ is there twice");
    }
    p->seen_metadata = true;
    CO_TRY(expect(p, '{'));
    if (take(p, '}')) {
        return CO_OK;
    }
    do {
        co_metadata pair = {NULL, NULL};
        if (header->metadata_count == CO_SAFETENSORS_METADATA_MAX) {
            return bad(p, "more than 4096 pairs of metadata");
        }
        CO_TRY(string(p, &pair.key));
        CO_TRY(expect(p, ':'));
        CO_TRY(string(p, &pair.value));
        header->metadata[header->metadata_count] = pair;
        header->metadata_count++;
    } while (take(p, ','));
    return expect(p, '}');
}

static co_status parse_object(parser *p)
{
    if (p->next == p->end || *p->next != '{') {
        return bad(p, "the header must start with '{'");
    }
    p->next++;
    if (!take(p, '}')) {
        do {
            const char *name = NULL;
            CO_TRY(string(p, &name));
            CO_TRY(expect(p, ':'));
            CO_TRY(strcmp(name, "__metadata__") == 0 ? metadata(p) : tensor(p, name));
        } while (take(p, ','));
        CO_TRY(expect(p, '}'));
    }
    while (p->next < p->end && *p->next == ' ') {
        p->next++;
    }
    return p->next == p->end ? CO_OK : bad(p, "only spaces may follow the header's object");
}

/* --- checks ---------------------------------------------------------------------------- */

static int compare_ranges(const void *a, const void *b)
{
    const co_tensor_entry *x = a;
    const co_tensor_entry *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    if (x->end != y->end) {
        return x->end < y->end ? -1 : 1;
    }
    return x->name < y->name ? -1 : x->name > y->name; /* empty tensors: as in the header */
}

static int compare_names(const void *a, const void *b, void *context)
{
    const co_tensor_entry *entries = context;
    return strcmp(entries[*(const uint32_t *)a].name, entries[*(const uint32_t *)b].name);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const co_metadata *)a)->key, ((const co_metadata *)b)->key);
}

static co_status check_ranges(const parser *p, uint64_t data_bytes)
{
    co_safetensors_header *header = p->header;
    uint64_t expected = 0;
    for (size_t i = 0; i < header->count; i++) {
        co_tensor_entry *entry = &header->entries[i];
        uint64_t bytes = 0;
        bool fits = co_tensor_bytes(entry->dtype, entry->rank, entry->shape, &entry->elements,
                                    &bytes);
        if (entry->begin > entry->end || !fits || entry->end - entry->begin != bytes) {
            return co_fail(p->err, CO_FILE,
                           "%s: tensor %s: its range is bytes %llu-%llu of the data, which does "
                           "not match its dtype and shape",
                           p->label, entry->name, (unsigned long long)entry->begin,
                           (unsigned long long)entry->end);
        }
        if (entry->begin != expected || entry->end > data_bytes) {
            const char *fault = entry->end > data_bytes   ? "ends after the file"
                                : entry->begin > expected ? "leaves a hole before it"
                                                          : "overlaps the one before it";
            return co_fail(p->err, CO_FILE,
                           "%s: tensor %s: its range, bytes %llu-%llu of %llu bytes of data, %s",
                           p->label, entry->name, (unsigned long long)entry->begin,
                           (unsigned long long)entry->end, (unsigned long long)data_bytes, fault);
        }
        expected = entry->end;
    }
    if (expected != data_bytes) {
        return co_fail(p->err, CO_FILE,
                       "%s: bytes %llu-%llu of the data belong to no tensor: the file was cut, "
                       "extended, or is damaged",
                       p->label, (unsigned long long)expected, (unsigned long long)data_bytes);
    }
    return CO_OK;
}

static co_status check_names(const parser *p)
{
    co_safetensors_header *header = p->header;
    for (size_t i = 0; i < header->count; i++) {
        header->by_name[i] = (uint32_t)i;
    }
    if (header->count > 1) {
        qsort_r(header->by_name, header->count, sizeof(uint32_t), compare_names, header->entries);
    }
    for (size_t i = 1; i < header->count; i++) {
        const char *name = header->entries[header->by_name[i]].name;
        if (strcmp(name, header->entries[header->by_name[i - 1]].name) == 0) {
            return co_fail(p->err, CO_FILE, "%s: tensor %s is there twice", p->label, name);
        }
    }
    if (header->metadata_count > 1) {
        qsort(header->metadata, header->metadata_count, sizeof(co_metadata), compare_keys);
    }
    for (size_t i = 1; i < header->metadata_count; i++) {
        if (strcmp(header->metadata[i].key, header->metadata[i - 1].key) == 0) {
            return co_fail(p->err, CO_FILE, "%s: metadata %s is there twice", p->label,
                           header->metadata[i].key);
        }
    }
    return CO_OK;
}

/* Upper bounds from the text itself: every tensor has a '{' and takes at least 45 characters,
 * every pair of metadata a ':'. */
static co_status allocate(const char *json, size_t bytes, size_t *entries_max,
                          co_safetensors_header *header, co_error *err)
{
    enum { TENSOR_TEXT_MIN = 45 };
    size_t braces = 0;
    size_t colons = 0;
    for (size_t i = 0; i < bytes; i++) {
        braces += json[i] == '{';
        colons += json[i] == ':';
    }
    size_t limit = bytes / TENSOR_TEXT_MIN + 1;
    size_t entries = braces < limit ? braces : limit;
    size_t pairs = colons < CO_SAFETENSORS_METADATA_MAX ? colons : CO_SAFETENSORS_METADATA_MAX;
    void *block = NULL;
    CO_TRY(co_alloc(entries, sizeof(co_tensor_entry), "tensor table", &block, err));
    header->entries = block;
    CO_TRY(co_alloc(entries, sizeof(uint32_t), "tensor table", &block, err));
    header->by_name = block;
    CO_TRY(co_alloc(pairs, sizeof(co_metadata), "metadata table", &block, err));
    header->metadata = block;
    CO_TRY(co_alloc(bytes, 1, "tensor names", &block, err));
    header->strings = block;
    *entries_max = entries;
    return CO_OK;
}

co_status co_safetensors_parse(const char *json, size_t bytes, uint64_t data_bytes,
                               const char *label, co_safetensors_header *out, co_error *err)
{
    co_safetensors_header header = {0};
    parser p = {.start = json,
                .next = json,
                .end = json + bytes,
                .label = label,
                .header = &header,
                .err = err};
    co_status status = allocate(json, bytes, &p.entries_max, &header, err);
    p.string_end = header.strings;
    CO_TRY_GOTO(status, status, free_header);
    CO_TRY_GOTO(status, parse_object(&p), free_header);
    if (header.count > 1) {
        qsort(header.entries, header.count, sizeof(header.entries[0]), compare_ranges);
    }
    CO_TRY_GOTO(status, check_names(&p), free_header);
    CO_TRY_GOTO(status, check_ranges(&p, data_bytes), free_header);
    *out = header;
    return CO_OK;
free_header:
    co_safetensors_header_free(&header);
    return status;
}

void co_safetensors_header_free(co_safetensors_header *header)
{
    co_free(header->entries);
    co_free(header->by_name);
    co_free(header->metadata);
    co_free(header->strings);
    *header = (co_safetensors_header){0};
}
