/* An exponential moving average of a model's weights and batch norm statistics (docs/METHODS.md 5).
 *
 * The training goes on with the model's own weights. To evaluate or save the average, the two are
 * exchanged, and exchanged back afterwards. One thread drives it; updating allocates nothing.
 */
#ifndef CO_OPTIM_EMA_H
#define CO_OPTIM_EMA_H

#include "backend/backend.h"
#include "state/visitor.h"

typedef struct co_ema co_ema;

/* 0 < decay < 1. The model is borrowed. */
CO_MUST_CHECK co_status co_ema_create(co_model *model, double decay, co_ema **out, co_error *err);
void co_ema_destroy(co_ema *ema); /* NULL is allowed */
size_t co_ema_bytes(const co_ema *ema);

/* After a step: average += (1 - decay) (weights - average); the first time a copy. */
void co_ema_update(co_ema *ema);
/* Exchanges the average and the model's weights of this range (in floats): a co_rewrite of the
 * strategies. Before the first update they are the same, and nothing is done. */
void co_ema_swap_params(void *ema, size_t offset, size_t count);
/* The same for all batch norm statistics. */
void co_ema_swap_stats(co_ema *ema);
/* Not while they are exchanged. */
CO_MUST_CHECK co_status co_ema_state(co_ema *ema, co_visitor *visitor, co_error *err);

#endif
