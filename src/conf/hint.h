/* "Did you mean ...": the nearest of some names to a mistyped one. Pure functions. */
#ifndef CO_CONF_HINT_H
#define CO_CONF_HINT_H

#include <stddef.h>

/* Insertions, deletions, replacements and swaps of neighbours that turn one name into the other;
 * case and '-' against '_' do not count. Names longer than 63 are as far as their lengths say. */
int co_name_distance(const char *a, const char *b);

typedef struct co_nearest {
    const char *name; /* borrowed; NULL while nothing is close */
    int distance;
} co_nearest;

/* Keeps `candidate` in *best when it is close to `name` (at most a third of its letters differ,
 * and at most 3) and closer than what *best holds. Start with a zeroed *best. */
void co_nearest_offer(co_nearest *best, const char *name, const char *candidate);
/* The nearest of `count` names; NULL when none is close. */
const char *co_nearest_name(const char *name, const char *const names[], size_t count);

#endif
