/* Groups of parameters that learn at another rate or decay less than the others.
 *
 * Two YAML mappings say so: from a group to a factor of the learning rate, and to a factor of the
 * weight decay. A group is `weight` or `bias` (of convolutions and linear layers), `norm` (both
 * parameters of every batch norm), or a pattern of parameter names such as "layer4.*". Where
 * several name a parameter the last one counts; where none does the factor is 1.
 *
 * Parameters that follow one another with the same factors make one run, so that a step is still
 * one pass over the flat buffers. Constant once read; any thread may ask.
 */
#ifndef CO_OPTIM_GROUPS_H
#define CO_OPTIM_GROUPS_H

#include "graph/graph.h"

typedef struct co_group_run {
    size_t offset; /* in the flat buffers, in floats */
    size_t count;  /* the padding of the slots included */
    double lr_scale;
    double decay_scale;
} co_group_run;

typedef struct co_groups {
    co_group_run *runs; /* one after the other, over the whole buffer */
    int count;          /* 0: all factors are 1 */
} co_groups;

/* The texts of --lr-scales and --decay-scales; NULL: none. CO_USAGE with flag:line:column for a
 * factor that is no number of 0 or more, and for a pattern that no parameter has. */
CO_MUST_CHECK co_status co_groups_read(const co_graph *graph, const char *lr_scales,
                                       const char *decay_scales, co_groups *out, co_error *err);
void co_groups_free(co_groups *groups); /* a zeroed one is allowed */

#endif
