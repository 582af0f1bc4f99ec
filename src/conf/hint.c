#include "conf/hint.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HINT_LENGTH_MAX 63

static int fold(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

int co_name_distance(const char *a, const char *b)
{
    size_t rows = strlen(a);
    size_t columns = strlen(b);
    if (rows > HINT_LENGTH_MAX || columns > HINT_LENGTH_MAX) {
        return (int)(rows > columns ? rows : columns);
    }
    /* Damerau-Levenshtein with swaps of neighbours: line i needs lines i-1 and i-2. */
    int lines[3][HINT_LENGTH_MAX + 1];
    int *before = lines[0];
    int *last = lines[1];
    int *now = lines[2];
    for (size_t j = 0; j <= columns; j++) {
        last[j] = (int)j;
        before[j] = 0;
    }
    for (size_t i = 1; i <= rows; i++) {
        now[0] = (int)i;
        for (size_t j = 1; j <= columns; j++) {
            bool same = fold(a[i - 1]) == fold(b[j - 1]);
            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + !same);
            bool swap = i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                        fold(a[i - 2]) == fold(b[j - 1]);
            if (swap) {
                now[j] = least(now[j], before[j - 2] + 1);
            }
        }
        int *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[columns];
}

void co_nearest_offer(co_nearest *best, const char *name, const char *candidate)
{
    int distance = co_name_distance(name, candidate);
    int limit = least(3, ((int)strlen(candidate) + 2) / 3);
    if (distance <= limit && (best->name == NULL || distance < best->distance)) {
        best->name = candidate;
        best->distance = distance;
    }
}

const char *co_nearest_name(const char *name, const char *const names[], size_t count)
{
    co_nearest best = {0};
    for (size_t i = 0; i < count; i++) {
        co_nearest_offer(&best, name, names[i]);
    }
    return best.name;
}
