#include "backend/dnnl/kernel_table.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

static const char *const kernel_names[CO_KERNEL_COUNT] = {
    "lane_direct", "lane_winograd", "dnnl_direct", "dnnl_winograd", "dnnl_gemm",
};
static const char *const pass_names[CO_PASSES] = {"forward", "data", "weights"};
static const char *const isa_names[] = {"plain", "avx2", "avx512"};
enum { ISA_COUNT = sizeof(isa_names) / sizeof(isa_names[0]) };

const char *co_kernel_name(co_kernel kernel)
{
    return kernel_names[kernel];
}

bool co_kernel_is_lane(co_kernel kernel)
{
    return kernel == CO_KERNEL_LANE_DIRECT || kernel == CO_KERNEL_LANE_WINOGRAD;
}

/* ------------------------------------------------------------------ the committed rules */

enum { ANY = 1 << 30 };

/* A convolution matches when nothing of it is above the limits; `square3` asks for a 3x3 kernel
 * with stride 1. The family of lane kernels chooses between direct and Winograd by itself
 * (co_lane_conv_choose). */
typedef struct rule {
    int max_in; /* channels per group */
    int max_out;
    int max_plane; /* pixels of the output */
    int min_fill;  /* percent of the lanes that the batch fills */
    bool square3;
    bool lane;
    co_kernel kernel; /* where not lane */
} rule;

static const rule rules[] = {
    /* Few channels: oneDNN pads them to 16, or falls to its reference code. */
    {15, ANY, ANY, 0, false, true, CO_KERNEL_LANE_DIRECT},
    {ANY, 15, ANY, 0, false, true, CO_KERNEL_LANE_DIRECT},
    /* Measured on Zen 5: lanes win for all shapes of the residual networks, 1.2x to 3x, by their
     * Winograd and fused operations, where the batch does not leave too many of them empty. */
    {ANY, ANY, ANY, 60, false, true, CO_KERNEL_LANE_DIRECT},
    /* Tiny planes leave Winograd nothing to save. */
    {ANY, ANY, 15, 0, false, false, CO_KERNEL_DNNL_DIRECT},
    {ANY, ANY, ANY, 0, true, false, CO_KERNEL_DNNL_WINOGRAD},
    {ANY, ANY, ANY, 0, false, false, CO_KERNEL_DNNL_DIRECT},
};
enum { RULE_COUNT = sizeof(rules) / sizeof(rules[0]) };

static bool is_square3(const co_conv2d *c)
{
    return c->kernel_h == 3 && c->kernel_w == 3 && c->stride_h == 1 && c->stride_w == 1 &&
           c->groups == 1;
}

static int lanes_of(co_lane_isa isa)
{
    const co_lane_ops *ops = co_lane_ops_for(isa);
    return ops != NULL ? ops->lanes : CO_LANE_MAX;
}

/* Percent of the lanes of all bundles that images fill. */
static int lane_fill(const co_kernel_query *q)
{
    int64_t lanes = lanes_of(q->isa);
    int64_t bundles = (q->batch + lanes - 1) / lanes;
    return (int)(100 * (int64_t)q->batch / (bundles * lanes));
}

static bool rule_matches(const rule *r, const co_kernel_query *q)
{
    return q->in.channels / q->conv.groups <= r->max_in &&
           q->out.channels / q->conv.groups <= r->max_out &&
           (int64_t)q->out.height * q->out.width <= r->max_plane && lane_fill(q) >= r->min_fill &&
           (!r->square3 || is_square3(&q->conv));
}

static co_lane_conv lane_conv_of(const co_kernel_query *q)
{
    co_lane_conv d;
    memset(&d, 0, sizeof(d));
    d.rows = q->batch;
    d.in_channels = q->in.channels;
    d.in_h = q->in.height;
    d.in_w = q->in.width;
    d.out_channels = q->out.channels;
    d.kernel_h = q->conv.kernel_h;
    d.kernel_w = q->conv.kernel_w;
    d.stride_h = q->conv.stride_h;
    d.stride_w = q->conv.stride_w;
    d.pad_h = q->conv.pad_h;
    d.pad_w = q->conv.pad_w;
    d.groups = q->conv.groups;
    co_lane_conv_init(&d, lanes_of(q->isa));
    return d;
}

static void choose_lane(const co_kernel_query *q, co_kernel_choice *choice)
{
    co_lane_conv d = lane_conv_of(q);
    co_lane_conv_choose(&d);
    for (int pass = 0; pass < CO_PASSES; pass++) {
        choice->pass[pass] = d.algorithm[pass] == CO_LANE_WINOGRAD ? CO_KERNEL_LANE_WINOGRAD
                                                                   : CO_KERNEL_LANE_DIRECT;
    }
}

/* The first rule of the wanted family, or of any. */
static void choose_by_rules(const co_kernel_query *q, co_family_choice family,
                            co_kernel_choice *choice)
{
    for (int i = 0; i < RULE_COUNT; i++) {
        const rule *r = &rules[i];
        bool lane = family == CO_FAMILY_TABLE ? r->lane : family == CO_FAMILY_LANE;
        if (!rule_matches(r, q) || (family == CO_FAMILY_DNNL && r->lane)) {
            continue;
        }
        if (lane) {
            choose_lane(q, choice);
            return;
        }
        for (int pass = 0; pass < CO_PASSES; pass++) {
            choice->pass[pass] = r->kernel;
        }
        return;
    }
}

/* ------------------------------------------------------------------ rows of a tune file */

static bool same_shape(co_shape a, co_shape b)
{
    return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

bool co_kernel_same_query(const co_kernel_query *a, const co_kernel_query *b)
{
    const co_conv2d *x = &a->conv;
    const co_conv2d *y = &b->conv;
    return a->batch == b->batch && same_shape(a->in, b->in) && same_shape(a->out, b->out) &&
           x->kernel_h == y->kernel_h && x->kernel_w == y->kernel_w && x->stride_h == y->stride_h &&
           x->stride_w == y->stride_w && x->pad_h == y->pad_h && x->pad_w == y->pad_w &&
           x->groups == y->groups && a->isa == b->isa && a->threads == b->threads &&
           memcmp(a->version, b->version, sizeof(a->version)) == 0;
}

static const co_tune_row *find_row(const co_tuning *tuning, const co_kernel_query *q,
                                   co_lane_pass pass)
{
    for (int i = 0; i < tuning->count; i++) {
        if (tuning->rows[i].pass == pass && co_kernel_same_query(&tuning->rows[i].query, q)) {
            return &tuning->rows[i];
        }
    }
    return NULL;
}

co_kernel_choice co_kernel_choose(const co_kernel_query *query, const co_tuning *tuning,
                                  co_family_choice forced)
{
    co_kernel_choice choice = {{CO_KERNEL_LANE_DIRECT}};
    const co_tune_row *forward = find_row(tuning, query, CO_LANE_FORWARD);
    co_family_choice family = forced;
    if (family == CO_FAMILY_TABLE && forward != NULL) {
        family = co_kernel_is_lane(forward->kernel) ? CO_FAMILY_LANE : CO_FAMILY_DNNL;
    }
    choose_by_rules(query, family, &choice);
    bool lane = co_kernel_is_lane(choice.pass[CO_LANE_FORWARD]);
    for (int pass = 0; pass < CO_PASSES; pass++) {
        const co_tune_row *row = find_row(tuning, query, (co_lane_pass)pass);
        if (row != NULL && co_kernel_is_lane(row->kernel) == lane) {
            choice.pass[pass] = row->kernel;
        }
    }
    return choice;
}

bool co_kernel_fits(co_kernel kernel, const co_kernel_query *q)
{
    co_lane_conv d = lane_conv_of(q);
    bool exists = co_lane_conv_is_line(&d) || (co_lane_conv_has_winograd(&d) && d.pad_h == d.pad_w);
    return kernel != CO_KERNEL_LANE_WINOGRAD || exists;
}

co_status co_tuning_set(co_tuning *tuning, const co_tune_row *row, co_error *err)
{
    for (int i = 0; i < tuning->count; i++) {
        if (tuning->rows[i].pass == row->pass &&
            co_kernel_same_query(&tuning->rows[i].query, &row->query)) {
            tuning->rows[i].kernel = row->kernel;
            return CO_OK;
        }
    }
    if (tuning->count == tuning->capacity) {
        int capacity = tuning->capacity == 0 ? 32 : 2 * tuning->capacity;
        void *rows = NULL;
        CO_TRY(co_alloc((size_t)capacity, sizeof(co_tune_row), "rows of a tune file", &rows, err));
        if (tuning->count > 0) {
            memcpy(rows, tuning->rows, (size_t)tuning->count * sizeof(co_tune_row));
        }
        co_free(tuning->rows);
        tuning->rows = rows;
        tuning->capacity = capacity;
    }
    tuning->rows[tuning->count++] = *row;
    return CO_OK;
}

void co_tuning_free(co_tuning *tuning)
{
    co_free(tuning->rows);
    memset(tuning, 0, sizeof(*tuning));
}

void co_tune_row_print(const co_tune_row *row, char line[CO_TUNE_LINE])
{
    const co_kernel_query *q = &row->query;
    const co_conv2d *c = &q->conv;
    snprintf(line, CO_TUNE_LINE,
             "conv %dx%dx%d -> %dx%dx%d k%dx%d s%dx%d p%dx%d g%d n%d %s %s t%d dnnl%d.%d.%d = %s\n",
             q->in.channels, q->in.height, q->in.width, q->out.channels, q->out.height,
             q->out.width, c->kernel_h, c->kernel_w, c->stride_h, c->stride_w, c->pad_h, c->pad_w,
             c->groups, q->batch, pass_names[row->pass], isa_names[q->isa], q->threads,
             q->version[0], q->version[1], q->version[2], kernel_names[row->kernel]);
}

co_status co_tuning_save(const co_tuning *tuning, const char *path, co_error *err)
{
    static const char head[] = "# which kernels are fastest here; written by: cohort tune\n";
    co_file_writer *writer = NULL;
    CO_TRY(co_file_writer_open(&co_files_system, path, &writer, err));
    co_status status = co_file_writer_add(writer, head, sizeof(head) - 1, err);
    for (int i = 0; i < tuning->count && status == CO_OK; i++) {
        char line[CO_TUNE_LINE];
        co_tune_row_print(&tuning->rows[i], line);
        status = co_file_writer_add(writer, line, strlen(line), err);
    }
    if (status != CO_OK) {
        co_file_writer_abandon(writer);
        return status;
    }
    return co_file_writer_commit(writer, err);
}

/* ------------------------------------------------------------------ reading */

/* A cursor over one line; after the first mismatch `expected` names it and all else is skipped. */
typedef struct cursor {
    const char *at;
    const char *expected;
} cursor;

static void text(cursor *c, const char *word)
{
    size_t length = strlen(word);
    if (c->expected != NULL) {
        return;
    }
    if (strncmp(c->at, word, length) != 0) {
        c->expected = word;
        return;
    }
    c->at += length;
}

static void number(cursor *c, int least, int *out)
{
    enum { DIGITS = 8 };
    if (c->expected != NULL) {
        return;
    }
    int value = 0;
    int digits = 0;
    while (digits <= DIGITS && c->at[digits] >= '0' && c->at[digits] <= '9') {
        value = 10 * value + (c->at[digits] - '0');
        digits++;
    }
    if (digits == 0 || digits > DIGITS || value < least) {
        c->expected = least > 0 ? "a number from 1 to 99999999" : "a number from 0 to 99999999";
        return;
    }
    c->at += digits;
    *out = value;
}

static void numbers(cursor *c, const char *before, int least, int *first, int *second)
{
    text(c, before);
    number(c, least, first);
    text(c, "x");
    number(c, least, second);
}

static int name(cursor *c, const char *const *names, int count, const char *what)
{
    if (c->expected != NULL) {
        return 0;
    }
    size_t length = strcspn(c->at, " \n");
    for (int i = 0; i < count; i++) {
        if (strlen(names[i]) == length && strncmp(names[i], c->at, length) == 0) {
            c->at += length;
            return i;
        }
    }
    c->expected = what;
    return 0;
}

static void shape(cursor *c, co_shape *s)
{
    number(c, 1, &s->channels);
    numbers(c, "x", 1, &s->height, &s->width);
}

static void parse_row(cursor *c, co_tune_row *row)
{
    co_kernel_query *q = &row->query;
    text(c, "conv ");
    shape(c, &q->in);
    text(c, " -> ");
    shape(c, &q->out);
    numbers(c, " k", 1, &q->conv.kernel_h, &q->conv.kernel_w);
    numbers(c, " s", 1, &q->conv.stride_h, &q->conv.stride_w);
    numbers(c, " p", 0, &q->conv.pad_h, &q->conv.pad_w);
    text(c, " g");
    number(c, 1, &q->conv.groups);
    text(c, " n");
    number(c, 1, &q->batch);
    text(c, " ");
    row->pass = (co_lane_pass)name(c, pass_names, CO_PASSES, "forward, data or weights");
    text(c, " ");
    q->isa = (co_lane_isa)name(c, isa_names, ISA_COUNT, "plain, avx2 or avx512");
    text(c, " t");
    number(c, 1, &q->threads);
    text(c, " dnnl");
    number(c, 0, &q->version[0]);
    text(c, ".");
    number(c, 0, &q->version[1]);
    text(c, ".");
    number(c, 0, &q->version[2]);
    text(c, " = ");
    row->kernel = (co_kernel)name(c, kernel_names, CO_KERNEL_COUNT,
                                  "lane_direct, lane_winograd, dnnl_direct, dnnl_winograd or "
                                  "dnnl_gemm");
    if (c->expected == NULL && *c->at != '\n' && *c->at != '\0') {
        c->expected = "the end of the line";
    }
    q->conv.out_channels = q->out.channels;
}

/* Winograd in lanes exists for few kinds of kernels only. */
static const char *contradiction(const co_tune_row *row)
{
    const co_kernel_query *q = &row->query;
    if (!co_kernel_fits(row->kernel, q)) {
        return "lane_winograd needs s1x1, g1 and k3x3 with p0x0 or p1x1, or k1xN with p0xM, M < N";
    }
    if (q->in.channels % q->conv.groups != 0 || q->out.channels % q->conv.groups != 0) {
        return "the groups do not divide the channels";
    }
    return NULL;
}

static co_status read_line(co_tuning *tuning, const char *path, int number_of_line,
                           const char *line, co_error *err)
{
    if (line[0] == '#' || line[0] == '\n' || line[0] == '\0') {
        return CO_OK;
    }
    cursor c = {line, NULL};
    co_tune_row row;
    memset(&row, 0, sizeof(row));
    parse_row(&c, &row);
    if (c.expected != NULL) {
        return co_fail(err, CO_DATA, "%s:%d:%d: expected '%s'; `cohort tune` writes such files",
                       path, number_of_line, (int)(c.at - line) + 1, c.expected);
    }
    const char *wrong = contradiction(&row);
    if (wrong != NULL) {
        return co_fail(err, CO_DATA, "%s:%d: %s", path, number_of_line, wrong);
    }
    return co_tuning_set(tuning, &row, err);
}

co_status co_tuning_load(co_tuning *tuning, const char *path, co_error *err)
{
    enum { MAX_BYTES = 4 << 20 };
    char *content = NULL;
    size_t bytes = 0;
    CO_TRY(co_file_read(path, MAX_BYTES, CO_FILE, &content, &bytes, err));
    co_status status = CO_OK;
    const char *line = content;
    for (int i = 1; status == CO_OK && line < content + bytes; i++) {
        status = read_line(tuning, path, i, line, err);
        line += strcspn(line, "\n");
        line += line < content + bytes; /* past the newline, or a zero byte in the file */
    }
    co_free(content);
    return status;
}
