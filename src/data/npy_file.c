#include "data/npy_file.h"

#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

enum { MAGIC_BYTES = 6, PREFIX_BYTES = 8, DIGITS_MAX = 18, WORD_MAX = 32 };

static const size_t file_bytes_max = (size_t)1 << 40;

/* Where the parser stands in the header. */
typedef struct cursor {
    co_npy_file *file;
    size_t at; /* offset in the file */
    size_t end;
    bool order; /* seen: fortran_order */
    bool descr;
    bool shape;
    co_error *err;
} cursor;

static co_status fault(const cursor *c, const char *text)
{
    return co_fail(c->err, CO_DATA, "%s: byte %zu of the header: %s", c->file->path, c->at, text);
}

/* The next character that is no blank, without taking it; 0 at the end. */
static char peek(cursor *c)
{
    while (c->at < c->end && c->file->content.data[c->at] == ' ') {
        c->at++;
    }
    return c->at < c->end ? (char)c->file->content.data[c->at] : '\0';
}

static bool take(cursor *c, char wanted)
{
    bool there = peek(c) == wanted;
    c->at += there;
    return there;
}

static co_status take_string(cursor *c, char out[WORD_MAX])
{
    char quote = peek(c);
    if (quote != '\'' && quote != '"') {
        return fault(c, "a text in quotes is missing");
    }
    size_t start = ++c->at;
    while (c->at < c->end && c->file->content.data[c->at] != (uint8_t)quote) {
        c->at++;
    }
    size_t length = c->at - start;
    if (c->at == c->end || length >= WORD_MAX) {
        return fault(c, "a text has no end or is too long");
    }
    memcpy(out, c->file->content.data + start, length);
    out[length] = '\0';
    c->at++;
    return CO_OK;
}

static co_status take_descr(cursor *c)
{
    static const struct {
        const char *name;
        co_npy_type type;
        int bytes;
    } types[] = {
        {"|u1", CO_NPY_UINT, 1}, {"<u2", CO_NPY_UINT, 2}, {"<u4", CO_NPY_UINT, 4},
        {"<u8", CO_NPY_UINT, 8}, {"|i1", CO_NPY_INT, 1},  {"<i2", CO_NPY_INT, 2},
        {"<i4", CO_NPY_INT, 4},  {"<i8", CO_NPY_INT, 8},  {"<f4", CO_NPY_FLOAT, 4},
    };
    char name[WORD_MAX];
    CO_TRY(take_string(c, name));
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(name, types[i].name) == 0) {
            c->file->type = types[i].type;
            c->file->item_bytes = types[i].bytes;
            return CO_OK;
        }
    }
    return co_fail(
        c->err, CO_DATA,
        "%s: elements of type '%s'; images may be uint8 or float32, labels integers, all "
        "little-endian: save them with .astype('uint8'), .astype('<f4') or "
        ".astype('<i8')",
        c->file->path, name);
}

static bool take_word(cursor *c, const char *word)
{
    size_t length = strlen(word);
    (void)peek(c);
    if (c->end - c->at < length || memcmp(c->file->content.data + c->at, word, length) != 0) {
        return false;
    }
    c->at += length;
    return true;
}

static co_status take_order(cursor *c)
{
    if (take_word(c, "True")) {
        return co_fail(c->err, CO_DATA,
                       "%s: the array is in Fortran order; save numpy.ascontiguousarray(array)",
                       c->file->path);
    }
    return take_word(c, "False") ? CO_OK : fault(c, "fortran_order is neither True nor False");
}

static co_status take_number(cursor *c, uint64_t *out)
{
    uint64_t value = 0;
    int digits = 0;
    for (char d = peek(c); d >= '0' && d <= '9'; digits++, c->at++) {
        value = 10 * value + (uint64_t)(d - '0');
        d = c->at + 1 < c->end ? (char)c->file->content.data[c->at + 1] : '\0';
        if (digits == DIGITS_MAX) {
            return fault(c, "a size has too many digits");
        }
    }
    if (digits == 0) {
        return fault(c, "a size is missing");
    }
    *out = value;
    return CO_OK;
}

static co_status take_shape(cursor *c)
{
    co_npy_file *file = c->file;
    if (!take(c, '(')) {
        return fault(c, "the shape has no '('");
    }
    while (!take(c, ')')) {
        if (file->rank == CO_NPY_RANK_MAX) {
            return fault(c, "more than 4 dimensions");
        }
        CO_TRY(take_number(c, &file->shape[file->rank]));
        file->rank++;
        if (!take(c, ',') && (peek(c) != ')' || file->rank == 1)) {
            return fault(c, "a ',' is missing in the shape");
        }
    }
    return file->rank > 0 ? CO_OK : fault(c, "the array has no dimensions");
}

static co_status take_entry(cursor *c)
{
    char key[WORD_MAX];
    CO_TRY(take_string(c, key));
    if (!take(c, ':')) {
        return fault(c, "a ':' is missing");
    }
    bool *seen = strcmp(key, "descr") == 0           ? &c->descr
                 : strcmp(key, "fortran_order") == 0 ? &c->order
                 : strcmp(key, "shape") == 0         ? &c->shape
                                                     : NULL;
    if (seen == NULL || *seen) {
        return fault(c, seen == NULL ? "an unknown key" : "a key appears twice");
    }
    *seen = true;
    return seen == &c->descr ? take_descr(c) : seen == &c->order ? take_order(c) : take_shape(c);
}

static co_status take_dictionary(cursor *c)
{
    if (!take(c, '{')) {
        return fault(c, "no dictionary begins here");
    }
    while (!take(c, '}')) {
        CO_TRY(take_entry(c));
        if (!take(c, ',') && peek(c) != '}') {
            return fault(c, "a ',' or '}' is missing");
        }
    }
    if (!c->descr || !c->order || !c->shape) {
        return fault(c, "one of descr, fortran_order and shape is missing");
    }
    if (!take(c, '\n') || c->at != c->end) {
        return fault(c, "it does not end with the dictionary and a newline");
    }
    return CO_OK;
}

/* Finds the header's bounds. */
static co_status find_header(cursor *c)
{
    static const uint8_t magic[MAGIC_BYTES] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    const co_bytes *content = &c->file->content;
    const uint8_t *bytes = content->data;
    if (content->size < PREFIX_BYTES + 2 || memcmp(bytes, magic, MAGIC_BYTES) != 0) {
        return co_fail(c->err, CO_DATA,
                       "%s: byte 0: is no .npy file: it does not start with 93 'NUMPY'",
                       c->file->path);
    }
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0) {
        return co_fail(c->err, CO_DATA, "%s: byte 6: version %u.%u of the format, need 1.0 to 3.0",
                       c->file->path, bytes[6], bytes[7]);
    }
    size_t length_bytes = bytes[6] == 1 ? 2 : 4;
    size_t length = 0;
    c->at = PREFIX_BYTES + length_bytes;
    for (size_t i = 0; i < length_bytes && c->at <= content->size; i++) {
        length |= (size_t)bytes[PREFIX_BYTES + i] << (8 * i);
    }
    if (c->at > content->size || length > content->size - c->at) {
        return co_fail(c->err, CO_DATA,
                       "%s: byte 8: a header of %zu bytes in a file of %zu; it is truncated",
                       c->file->path, length, content->size);
    }
    c->end = c->at + length;
    c->file->data_at = c->end;
    return CO_OK;
}

static co_status check_size(co_npy_file *file, co_error *err)
{
    size_t bytes = (size_t)file->item_bytes;
    bool fits = true;
    file->items = 1;
    for (int i = 0; i < file->rank; i++) {
        if (file->shape[i] == 0) {
            return co_fail(err, CO_DATA, "%s: the array is empty (a size of its shape is 0)",
                           file->path);
        }
        fits = fits && co_mul_size(bytes, (size_t)file->shape[i], &bytes);
        file->items *= fits ? file->shape[i] : 1;
    }
    size_t there = file->content.size - file->data_at;
    if (!fits || bytes != there) {
        char text[128];
        co_npy_file_text(file, text, sizeof(text));
        return co_fail(err, CO_DATA, "%s: byte %zu: %zu bytes of data for an array of %s; it is %s",
                       file->path, file->content.size, there, text,
                       fits && bytes < there ? "damaged or has something appended" : "truncated");
    }
    return CO_OK;
}

static co_status parse(co_npy_file *file, co_error *err)
{
    cursor c = {.file = file, .err = err};
    CO_TRY(find_header(&c));
    CO_TRY(take_dictionary(&c));
    return check_size(file, err);
}

co_status co_npy_file_read(const char *path, co_npy_file *out, co_error *err)
{
    co_npy_file file = {0};
    co_source source = CO_SOURCE_NONE;
    CO_TRY(co_strdup(path, &file.path, err));
    co_status status = co_source_open(path, &source, err);
    if (status == CO_OK) {
        status = co_source_read_all(&source, file_bytes_max, &file.content, err);
        co_source_close(&source);
    }
    if (status == CO_OK) {
        status = parse(&file, err);
    }
    if (status != CO_OK) {
        co_npy_file_free(&file);
        return status;
    }
    *out = file;
    return CO_OK;
}

void co_npy_file_free(co_npy_file *file)
{
    co_bytes_free(&file->content);
    co_free(file->path);
    *file = (co_npy_file){0};
}

void co_npy_file_text(const co_npy_file *file, char *buffer, size_t size)
{
    static const char *const types[] = {"uint", "int", "float"};
    co_text text = co_text_over(buffer, size);
    co_text_printf(&text, "%s%d (", types[file->type], 8 * file->item_bytes);
    for (int i = 0; i < file->rank; i++) {
        co_text_printf(&text, "%s%llu", i > 0 ? ", " : "", (unsigned long long)file->shape[i]);
    }
    co_text_put(&text, file->rank == 1 ? ",)" : ")");
}

int64_t co_npy_integer(const co_npy_file *file, uint64_t i)
{
    const uint8_t *at = file->content.data + file->data_at + i * (uint64_t)file->item_bytes;
    uint64_t value = 0;
    int bits = 8 * file->item_bytes;
    for (int k = 0; k < file->item_bytes; k++) {
        value |= (uint64_t)at[k] << (8 * k);
    }
    bool top = (value >> (bits - 1) & 1) != 0;
    if (file->type == CO_NPY_UINT) {
        return bits == 64 && top ? -1 : (int64_t)value;
    }
    if (top && bits < 64) {
        value |= ~(uint64_t)0 << bits; /* the sign */
    }
    return (int64_t)value;
}
