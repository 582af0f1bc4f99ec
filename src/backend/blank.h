/* A backend that computes nothing, for simulations of times only: its models have no parameters
 * and its plans no memory, but the phases and shares of backward are those of every backend. What
 * a plan puts out is NULL, and sums of squares are 0.
 */
#ifndef CO_BACKEND_BLANK_H
#define CO_BACKEND_BLANK_H

#include "backend/backend.h"

/* The model's params and grads are NULL; whoever sets them (to memory for messages, say) keeps
 * them. Its statistics are real: they are sent. */
CO_MUST_CHECK co_status co_blank_backend_create(co_team *team, co_backend **out, co_error *err);

#endif
