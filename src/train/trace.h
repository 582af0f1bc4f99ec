/* The trajectory of the weights: weights.npy in the run folder, float32 (rows, values), S3's input
 * of the loss landscape.
 *
 * A row is the whole state of the model, flattened: all parameters in their order, then the batch
 * norm statistics. Row 0 is the initialisation; then come `saves_per_epoch` rows per epoch, after
 * the steps whose numbers in the epoch (from 0) are unique(int(linspace(0, steps - 1, saves))).
 *
 * The file is valid after every row. Writing a row blocks for as long as the system takes to copy
 * it: this is for small models. One thread.
 */
#ifndef CO_TRAIN_TRACE_H
#define CO_TRAIN_TRACE_H

#include "backend/backend.h"
#include "base/file.h"

typedef struct co_trace co_trace;

/* Creates the file, or opens it and cuts it to its first `rows` rows. */
CO_MUST_CHECK co_status co_trace_open(const co_files *files, const char *path,
                                      const co_model *model, uint64_t rows, co_trace **out,
                                      co_error *err);
void co_trace_close(co_trace *trace); /* NULL is allowed */
CO_MUST_CHECK co_status co_trace_add(co_trace *trace, co_error *err);
CO_MUST_CHECK co_status co_trace_cut(co_trace *trace, uint64_t rows, co_error *err);

/* Whether a row follows step number `index` (from 0) of an epoch of `steps`. */
bool co_trace_wants(uint32_t index, uint32_t steps, uint32_t saves);

#endif
