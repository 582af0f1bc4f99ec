/* Normalisation: from bytes to what the network sees, by the reference systems' rules
 * (docs/METHODS.md 3).
 *
 * All rules have the form ((pixel / 255) - mean) / std, per channel (float pixels are not divided);
 * the result is the map that the plan's input operation applies. Any thread may call; the split
 * must be required before.
 */
#ifndef CO_DATA_NORMALISE_H
#define CO_DATA_NORMALISE_H

#include "data/dataset.h"

/* X(name, key, meaning) */
#define CO_NORMALISE_MAP(X)                                                                        \
    X(NONE, "none", "pixels / 255")                                                                \
    X(HALF, "half", "mean 0.5, std 0.5 (S1 for MNIST)")                                            \
    X(GLOBAL, "global", "one mean and std over all training pixels and channels (S3)")             \
    X(CHANNEL, "channel", "mean and std of the training pixels, per channel")                      \
    X(IMAGENET, "imagenet", "the constants of ImageNet (S1, S2)")                                  \
    X(CIFAR10, "cifar10", "the constants of S4 for CIFAR-10")                                      \
    X(CIFAR100, "cifar100", "the constants of S4 for CIFAR-100")

typedef enum co_normalise_rule {
#define CO_NORMALISE_ENUM(name, key, text) CO_NORMALISE_##name,
    CO_NORMALISE_MAP(CO_NORMALISE_ENUM)
#undef CO_NORMALISE_ENUM
} co_normalise_rule;

const char *co_normalise_key(co_normalise_rule rule);
/* false when `key` is none of the keys above. */
bool co_normalise_find(const char *key, co_normalise_rule *out);

/* Moments of the pixels of one channel, or of all; of bytes in units of pixel / 255. */
typedef struct co_moments {
    uint64_t count;
    double mean;
    double std; /* unbiased: divided by count - 1 */
} co_moments;

/* out: (info.channels) moments, or one over all channels when `global`. Exact integer sums of
 * bytes; known constants where the set has them, otherwise one pass over the split. */
CO_MUST_CHECK co_status co_dataset_moments(co_dataset *set, co_split split, bool global,
                                           co_moments *out, co_error *err);

/* Requires the train split when the rule needs its pixels. CO_USAGE when the rule's constants are
 * for another number of channels. */
CO_MUST_CHECK co_status co_normalise(co_dataset *set, co_normalise_rule rule, co_pixel_map *out,
                                     co_error *err);

#endif
