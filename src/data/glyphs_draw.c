#include "data/glyphs_draw.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/rng.h"

/* ---- the digits: x to the right, y down, 100 units are the height of a digit ---- */

enum {
    MAX_POINTS = 10, /* of a stroke */
    MAX_STROKES = 3, /* of a digit */
    MAX_VARIANTS = 3,
};

typedef enum pen_kind { PEN_NONE, PEN_LINES, PEN_CURVE, PEN_LOOP } pen_kind;

typedef struct stroke_form {
    pen_kind pen; /* straight lines, a smooth curve, or a smooth closed curve through the points */
    int8_t count;
    int8_t point[MAX_POINTS][2];
} stroke_form;

typedef struct digit_form {
    stroke_form stroke[MAX_STROKES];
} digit_form;

typedef struct digit_forms {
    uint8_t variants;
    digit_form form[MAX_VARIANTS];
} digit_forms;

/* clang-format off */
static const digit_forms digits[CO_GLYPH_CLASSES] = {
    {1, {{{{PEN_LOOP, 8, {{0, -48}, {20, -36}, {28, 0}, {20, 36}, {0, 48}, {-20, 36}, {-28, 0},
                          {-20, -36}}}}}}},
    {3, {{{{PEN_LINES, 3, {{-15, -29}, {2, -48}, {2, 48}}}}},
         {{{PEN_LINES, 2, {{0, -48}, {0, 48}}}}},
         {{{PEN_LINES, 3, {{-14, -30}, {1, -48}, {1, 47}}},
           {PEN_LINES, 2, {{-18, 47}, {19, 47}}}}}}},
    {2, {{{{PEN_CURVE, 7, {{-24, -28}, {-15, -44}, {5, -49}, {23, -35}, {20, -11}, {-2, 17},
                           {-26, 46}}},
           {PEN_LINES, 2, {{-26, 46}, {27, 46}}}}},
         {{{PEN_CURVE, 10, {{-22, -32}, {-8, -48}, {14, -46}, {22, -26}, {9, 4}, {-14, 34},
                            {-25, 44}, {-16, 33}, {4, 43}, {27, 45}}}}}}},
    {2, {{{{PEN_CURVE, 6, {{-23, -36}, {-6, -48}, {16, -43}, {20, -24}, {9, -7}, {-8, -3}}},
           {PEN_CURVE, 6, {{-8, -3}, {14, 3}, {25, 23}, {15, 42}, {-6, 48}, {-25, 37}}}}},
         {{{PEN_LINES, 3, {{-22, -46}, {20, -46}, {-4, -8}}},
           {PEN_CURVE, 6, {{-4, -8}, {16, -2}, {25, 20}, {15, 41}, {-6, 48}, {-25, 38}}}}}}},
    {2, {{{{PEN_LINES, 3, {{-10, -48}, {-26, 13}, {28, 13}}},
           {PEN_LINES, 2, {{12, -22}, {10, 48}}}}},
         {{{PEN_LINES, 3, {{10, 48}, {12, -48}, {-28, 16}}},
           {PEN_LINES, 2, {{-28, 16}, {29, 16}}}}}}},
    {2, {{{{PEN_LINES, 3, {{23, -46}, {-16, -46}, {-20, -6}}},
           {PEN_CURVE, 7, {{-20, -6}, {0, -14}, {20, -4}, {26, 18}, {15, 40}, {-6, 48},
                           {-25, 39}}}}},
         {{{PEN_CURVE, 9, {{22, -47}, {-4, -44}, {-16, -30}, {-8, -13}, {14, -2}, {22, 20},
                           {11, 41}, {-8, 47}, {-25, 39}}}}}}},
    {2, {{{{PEN_CURVE, 10, {{17, -47}, {-8, -34}, {-23, -4}, {-24, 24}, {-10, 45}, {11, 46},
                            {24, 27}, {17, 6}, {-1, -1}, {-20, 12}}}}},
         {{{PEN_CURVE, 4, {{2, -48}, {-14, -24}, {-22, 2}, {-23, 24}}},
           {PEN_LOOP, 6, {{-23, 24}, {-12, 6}, {10, 5}, {23, 24}, {11, 45}, {-12, 45}}}}}}},
    {3, {{{{PEN_LINES, 3, {{-25, -45}, {25, -45}, {-7, 48}}}}},
         {{{PEN_LINES, 3, {{-25, -45}, {25, -45}, {-5, 48}}},
           {PEN_LINES, 2, {{-11, 3}, {21, 3}}}}},
         {{{PEN_LINES, 2, {{-25, -45}, {25, -45}}},
           {PEN_CURVE, 4, {{25, -45}, {8, -18}, {-3, 14}, {-7, 48}}}}}}},
    {1, {{{{PEN_LOOP, 7, {{0, -48}, {16, -40}, {18, -20}, {0, -3}, {-18, -20}, {-16, -40},
                          {-8, -46}}},
           {PEN_LOOP, 7, {{0, -3}, {20, 13}, {23, 32}, {8, 47}, {-8, 47}, {-23, 32},
                          {-20, 13}}}}}}},
    {2, {{{{PEN_LOOP, 6, {{22, -24}, {10, -45}, {-10, -45}, {-22, -25}, {-11, -5}, {11, -5}}},
           {PEN_CURVE, 4, {{22, -24}, {22, 2}, {17, 26}, {6, 48}}}}},
         {{{PEN_LOOP, 6, {{21, -24}, {10, -45}, {-10, -45}, {-22, -25}, {-11, -5}, {11, -5}}},
           {PEN_LINES, 2, {{21, -24}, {17, 48}}}}}}},
};
/* clang-format on */

/* ---- the constants of the data set: changing one makes another data set ---- */

static const uint64_t glyph_seed = 0x676C797068733031u; /* "glyphs01" */

enum { VISIT_SHAPE, VISIT_NOISE, VISIT_ORDER };

enum {
    CURVE_STEPS = 4,   /* straight pieces of a curve between two points */
    CLUTTER_LINES = 4, /* at most */
};

static const float jitter_units = 5.0f;
static const float rotation_max = 0.33f; /* radians */
static const float shear_max = 0.25f;
static const float height_min = 13.5f, height_max = 21.0f; /* pixels */
static const float aspect_min = 0.75f, aspect_max = 1.2f;
static const float shift_max = 3.4f;                                   /* pixels */
static const float half_width_min = 0.55f, half_width_max = 1.6f;      /* pixels */
static const float ink_min = 0.55f, ink_max = 1.0f;                    /* of 255 */
static const float clutter_ink_min = 0.1f, clutter_ink_max = 0.5f;     /* of the digit's ink */
static const float clutter_width_min = 0.3f, clutter_width_max = 0.9f; /* half, pixels */
static const float noise_max = 70.0f;                                  /* of 255, peak */

/* ---- drawing ---- */

typedef struct point {
    float x; /* pixels */
    float y;
} point;

typedef struct affine {
    float xx, xy, yx, yy; /* pixels per unit */
    point origin;
} affine;

/* Squared distance of every pixel's centre to the nearest stroke, where it matters. */
typedef struct ink_field {
    float square[CO_GLYPH_SIDE][CO_GLYPH_SIDE];
    float reach; /* pixels: farther away nothing is drawn */
} ink_field;

static float between(co_rng *rng, float low, float high)
{
    return low + (high - low) * co_rng_uniform(rng);
}

static float smaller(float a, float b)
{
    return a < b ? a : b;
}

static float larger(float a, float b)
{
    return a > b ? a : b;
}

static int clamp_int(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static void clear_field(ink_field *field, float half_width)
{
    field->reach = half_width + 0.5f;
    for (int y = 0; y < CO_GLYPH_SIDE; y++) {
        for (int x = 0; x < CO_GLYPH_SIDE; x++) {
            field->square[y][x] = 1e6f;
        }
    }
}

/* First and last pixel, clamped, whose centre can be within reach of [low, high]. */
static int first_pixel(float low, float reach)
{
    return clamp_int((int)larger(low - reach, 0.0f), 0, CO_GLYPH_SIDE);
}

static int last_pixel(float high, float reach)
{
    return clamp_int((int)larger(high + reach, -1.0f), -1, CO_GLYPH_SIDE - 1);
}

/* Lowers the field to the distance from the segment a-b, within its bounding box. */
static void add_segment(ink_field *field, point a, point b)
{
    float dx = b.x - a.x;
    float dy = b.y - a.y;
    float length2 = dx * dx + dy * dy;
    float inverse = length2 > 1e-6f ? 1.0f / length2 : 0.0f;
    int x0 = first_pixel(smaller(a.x, b.x), field->reach);
    int x1 = last_pixel(larger(a.x, b.x), field->reach);
    int y0 = first_pixel(smaller(a.y, b.y), field->reach);
    int y1 = last_pixel(larger(a.y, b.y), field->reach);
    for (int y = y0; y <= y1; y++) {
        float *row = field->square[y];
        float py = (float)y - a.y;
        for (int x = x0; x <= x1; x++) {
            float px = (float)x - a.x;
            float along = larger(0.0f, smaller(1.0f, (px * dx + py * dy) * inverse));
            float ex = px - along * dx;
            float ey = py - along * dy;
            row[x] = smaller(row[x], ex * ex + ey * ey);
        }
    }
}

/* The Catmull-Rom curve from p1 to p2. */
static void add_curve_piece(ink_field *field, point p0, point p1, point p2, point p3)
{
    point from = p1;
    for (int step = 1; step <= CURVE_STEPS; step++) {
        float t = (float)step / (float)CURVE_STEPS;
        float w0 = t * (-1.0f + t * (2.0f - t));
        float w1 = 2.0f + t * t * (-5.0f + 3.0f * t);
        float w2 = t * (1.0f + t * (4.0f - 3.0f * t));
        float w3 = t * t * (-1.0f + t);
        point to = {0.5f * (w0 * p0.x + w1 * p1.x + w2 * p2.x + w3 * p3.x),
                    0.5f * (w0 * p0.y + w1 * p1.y + w2 * p2.y + w3 * p3.y)};
        add_segment(field, from, to);
        from = to;
    }
}

static point neighbour(const point *points, int count, int i, bool closed)
{
    return points[closed ? (i + count) % count : clamp_int(i, 0, count - 1)];
}

static void add_stroke(ink_field *field, pen_kind pen, const point *points, int count)
{
    bool closed = pen == PEN_LOOP;
    int pieces = closed ? count : count - 1;
    for (int i = 0; i < pieces; i++) {
        point p1 = points[i];
        point p2 = neighbour(points, count, i + 1, closed);
        if (pen == PEN_LINES) {
            add_segment(field, p1, p2);
        } else {
            add_curve_piece(field, neighbour(points, count, i - 1, closed), p1, p2,
                            neighbour(points, count, i + 2, closed));
        }
    }
}

/* Shear, then different scales, then a rotation, about the digit's centre. Taylor series: the
 * angle is small, and libm's sine need not be the same everywhere. */
static affine draw_affine(co_rng *rng)
{
    float angle = between(rng, -rotation_max, rotation_max);
    float shear = between(rng, -shear_max, shear_max);
    float scale_y = between(rng, height_min, height_max) * 0.01f;
    float scale_x = scale_y * between(rng, aspect_min, aspect_max);
    float square = angle * angle;
    float sine = angle * (1.0f - square / 6.0f + square * square / 120.0f);
    float cosine = 1.0f - square / 2.0f + square * square / 24.0f;
    affine map = {
        .xx = cosine * scale_x,
        .xy = cosine * scale_x * shear - sine * scale_y,
        .yx = sine * scale_x,
        .yy = sine * scale_x * shear + cosine * scale_y,
    };
    map.origin.x = 13.5f + between(rng, -shift_max, shift_max);
    map.origin.y = 13.5f + between(rng, -shift_max, shift_max);
    return map;
}

static point place(const affine *map, co_rng *rng, const int8_t *design)
{
    float x = (float)design[0] + between(rng, -jitter_units, jitter_units);
    float y = (float)design[1] + between(rng, -jitter_units, jitter_units);
    return (point){map->origin.x + map->xx * x + map->xy * y,
                   map->origin.y + map->yx * x + map->yy * y};
}

static void draw_digit(ink_field *field, co_rng *rng, int digit)
{
    const digit_forms *forms = &digits[digit];
    const digit_form *form = &forms->form[co_rng_below(rng, forms->variants)];
    affine map = draw_affine(rng);
    point last = {0.0f, 0.0f};
    for (int i = 0; i < MAX_STROKES && form->stroke[i].pen != PEN_NONE; i++) {
        const stroke_form *stroke = &form->stroke[i];
        point points[MAX_POINTS];
        for (int k = 0; k < stroke->count; k++) {
            points[k] = place(&map, rng, stroke->point[k]);
        }
        /* A stroke that goes on where the one before ended stays joined to it. */
        if (i > 0) {
            const stroke_form *before = &form->stroke[i - 1];
            if (memcmp(before->point[before->count - 1], stroke->point[0], 2) == 0) {
                points[0] = last;
            }
        }
        add_stroke(field, stroke->pen, points, stroke->count);
        last = points[stroke->count - 1];
    }
}

static void draw_clutter(ink_field *field, co_rng *rng)
{
    uint32_t lines = co_rng_below(rng, CLUTTER_LINES + 1);
    for (uint32_t i = 0; i < lines; i++) {
        point a = {between(rng, 0.0f, 27.0f), between(rng, 0.0f, 27.0f)};
        point b = {a.x + between(rng, -12.0f, 12.0f), a.y + between(rng, -12.0f, 12.0f)};
        add_segment(field, a, b);
    }
}

/* ---- from distances to bytes ---- */

static void ink_in(const ink_field *field, float ink, float *grey)
{
    const float *square = &field->square[0][0];
    for (int i = 0; i < CO_GLYPH_BYTES; i++) {
        float cover = field->reach - sqrtf(square[i]);
        cover = larger(0.0f, smaller(1.0f, cover));
        grey[i] = larger(grey[i], ink * cover);
    }
}

static co_rng rng_for(uint32_t split, uint32_t sample, uint32_t visit)
{
    return co_rng_at(&(co_rng_key){.seed = glyph_seed,
                                   .stream = CO_STREAM_GLYPHS,
                                   .epoch = split,
                                   .sample = sample,
                                   .visit = visit});
}

/* Each 32-bit word gives two pixels the difference of two of its bytes: a triangular noise. */
static void add_noise(uint32_t split, uint32_t index, float peak, const float *grey,
                      uint8_t *pixels)
{
    co_rng rng = rng_for(split, index, VISIT_NOISE);
    int16_t noise[CO_GLYPH_BYTES];
    for (int i = 0; i < CO_GLYPH_BYTES; i += 2) {
        uint32_t word = co_rng_u32(&rng);
        noise[i] = (int16_t)((int)(word & 255u) - (int)((word >> 8) & 255u));
        noise[i + 1] = (int16_t)((int)((word >> 16) & 255u) - (int)(word >> 24));
    }
    float scale = peak / 255.0f;
    for (int i = 0; i < CO_GLYPH_BYTES; i++) {
        float value = grey[i] * 255.0f + scale * (float)noise[i];
        pixels[i] = (uint8_t)(int)(larger(0.0f, smaller(255.0f, value)) + 0.5f);
    }
}

void co_glyph_draw(uint32_t split, uint32_t index, int digit, uint8_t *pixels)
{
    co_rng rng = rng_for(split, index, VISIT_SHAPE);
    float ink = between(&rng, ink_min, ink_max);
    float noise = between(&rng, 0.0f, noise_max);
    float clutter_ink = ink * between(&rng, clutter_ink_min, clutter_ink_max);
    float grey[CO_GLYPH_BYTES] = {0.0f};
    ink_field field;
    clear_field(&field, between(&rng, clutter_width_min, clutter_width_max));
    draw_clutter(&field, &rng);
    ink_in(&field, clutter_ink, grey);
    clear_field(&field, between(&rng, half_width_min, half_width_max));
    draw_digit(&field, &rng, digit);
    ink_in(&field, ink, grey);
    add_noise(split, index, noise, grey, pixels);
}

void co_glyph_labels(uint32_t split, uint32_t count, int32_t *labels)
{
    uint32_t order[CO_GLYPH_CLASSES];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = i % CO_GLYPH_CLASSES;
        if (place == 0) {
            co_rng rng = rng_for(split, i / CO_GLYPH_CLASSES, VISIT_ORDER);
            co_rng_permutation(&rng, order, CO_GLYPH_CLASSES);
        }
        labels[i] = (int32_t)order[place];
    }
}
