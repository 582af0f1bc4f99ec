/* The visitor of state: one `state(visitor)` per stateful module sizes, saves, loads and shows it.
 *
 *     co_status co_sgd_state(co_sgd *sgd, co_visitor *v, co_error *err)
 *     {
 *         CO_TRY(co_visit_begin(v, "sgd", err));
 *         CO_TRY(co_visit_u64(v, "steps", &sgd->steps, err));
 *         CO_TRY(co_visit_f32_array(v, "momentum", sgd->momentum, sgd->count, err));
 *         return co_visit_end(v, err);
 *     }
 *
 * Sizing, saving and showing leave the state alone. Loading is strict: every name, type and count
 * must be as saved, and nothing may be left over; the message names the field. After a failed
 * load the visited state is a mixture and must be thrown away.
 *
 * Saved form, little-endian, without padding: per field one byte of type (co_visit_type), one
 * byte of name length, the name, u64 count, count * size bytes of data; a section is a field of
 * type SECTION with count 0, closed by one byte END. Visitors live on their user's stack and
 * allocate nothing.
 */
#ifndef CO_STATE_VISITOR_H
#define CO_STATE_VISITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/text.h"

/* Values are part of the saved form. */
typedef enum co_visit_type {
    CO_VISIT_U32 = 1,
    CO_VISIT_U64 = 2,
    CO_VISIT_I64 = 3,
    CO_VISIT_F32 = 4,
    CO_VISIT_F64 = 5,
    CO_VISIT_BOOL = 6,
    CO_VISIT_BYTES = 7,
    CO_VISIT_SECTION = 8,
    CO_VISIT_END = 9,
} co_visit_type;

#define CO_VISIT_PATH_SIZE 256
#define CO_VISIT_DEPTH_MAX 16

/* Buffers that are laid out like the model's: a checkpoint keeps them as tensors by name. */
typedef enum co_visit_layout {
    CO_VISIT_LIKE_PARAMS,
    CO_VISIT_LIKE_STATS,
} co_visit_layout;

/* Takes such buffers out of the saved form, to keep them elsewhere (or to fill them from there);
 * `path` is the full name: "optimizer.momentum". */
typedef struct co_visit_tensors {
    co_status (*visit)(void *context, const char *path, co_visit_layout layout, float *values,
                       size_t count, co_error *err);
    void *context; /* handed to the function */
} co_visit_tensors;

typedef struct co_visitor co_visitor;

typedef struct co_visitor_ops {
    /* One field, or the begin or end of a section (count 0, data NULL). */
    co_status (*visit)(co_visitor *v, co_visit_type type, const char *name, void *data,
                       size_t count, co_error *err);
    bool loads; /* writes into the visited state */
} co_visitor_ops;

struct co_visitor {
    const co_visitor_ops *ops;
    size_t offset; /* bytes sized, saved or loaded so far */
    size_t size;   /* of the buffer */
    unsigned char *out;
    const unsigned char *in;
    co_text *text;
    const co_visit_tensors *tensors; /* borrowed; NULL: tensors are saved like other arrays */
    unsigned depth;
    char path[CO_VISIT_PATH_SIZE]; /* open sections: "train.sgd" */
};

co_visitor co_visitor_sizing(void); /* afterwards v.offset is the size to save */
co_visitor co_visitor_saving(void *buffer, size_t bytes);
co_visitor co_visitor_loading(const void *buffer, size_t bytes);
/* Shows the state as JSON (arrays shortened to their first values) in `text`. */
co_visitor co_visitor_showing(co_text *text);

/* At the end: all sections closed and, when saving or loading, the buffer used up exactly. */
CO_MUST_CHECK co_status co_visitor_finish(co_visitor *v, co_error *err);

/* Names: 1 to 63 characters, as in C identifiers; the names of a section need not be unique. */
CO_MUST_CHECK co_status co_visit_begin(co_visitor *v, const char *name, co_error *err);
CO_MUST_CHECK co_status co_visit_end(co_visitor *v, co_error *err);
CO_MUST_CHECK co_status co_visit_u32(co_visitor *v, const char *name, uint32_t *value,
                                     co_error *err);
CO_MUST_CHECK co_status co_visit_u64(co_visitor *v, const char *name, uint64_t *value,
                                     co_error *err);
CO_MUST_CHECK co_status co_visit_i64(co_visitor *v, const char *name, int64_t *value,
                                     co_error *err);
CO_MUST_CHECK co_status co_visit_f32(co_visitor *v, const char *name, float *value, co_error *err);
CO_MUST_CHECK co_status co_visit_f64(co_visitor *v, const char *name, double *value, co_error *err);
CO_MUST_CHECK co_status co_visit_bool(co_visitor *v, const char *name, bool *value, co_error *err);
CO_MUST_CHECK co_status co_visit_bytes(co_visitor *v, const char *name, void *bytes, size_t count,
                                       co_error *err);
CO_MUST_CHECK co_status co_visit_u32_array(co_visitor *v, const char *name, uint32_t *values,
                                           size_t count, co_error *err);
CO_MUST_CHECK co_status co_visit_f32_array(co_visitor *v, const char *name, float *values,
                                           size_t count, co_error *err);
CO_MUST_CHECK co_status co_visit_f64_array(co_visitor *v, const char *name, double *values,
                                           size_t count, co_error *err);

/* A buffer laid out like the model's parameters or statistics, all of it: an array of f32, or a
 * matter of visitor->tensors. */
CO_MUST_CHECK co_status co_visit_buffer(co_visitor *v, const char *name, co_visit_layout layout,
                                        float *values, size_t count, co_error *err);

/* A value that must be the same where the state is loaded (a size, a model's name): saved, and
 * on loading compared; CO_FILE with both values when it differs. */
CO_MUST_CHECK co_status co_visit_same_u64(co_visitor *v, const char *name, uint64_t value,
                                          co_error *err);
CO_MUST_CHECK co_status co_visit_same_text(co_visitor *v, const char *name, const char *value,
                                           co_error *err);

#endif
