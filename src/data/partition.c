#include "data/partition.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "base/text.h"

/* The rule at work: which worker each sample of the subset goes to. */
typedef struct deal {
    const co_partition_rule *rule;
    const co_subset *subset;
    const int32_t *labels;
    int classes;
    uint32_t *order;  /* (count) places in the subset, in the order in which they are dealt */
    uint32_t *worker; /* (count) of order[i] */
} deal;

void co_partition_free(co_partition *partition)
{
    co_free(partition->indices);
    co_free(partition->begin);
    *partition = (co_partition){0};
}

static co_status numbers(size_t count, uint32_t **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(count, sizeof(uint32_t), "partition of the samples", &block, err));
    *out = block;
    return CO_OK;
}

static co_rng rng_for(const deal *d, uint32_t sample)
{
    return co_rng_at(
        &(co_rng_key){.seed = d->rule->seed, .stream = CO_STREAM_DEALING, .sample = sample});
}

static void shuffle_order(const deal *d)
{
    co_rng rng = rng_for(d, 0);
    co_rng_permutation(&rng, d->order, d->subset->count);
}

static void deal_shard(const deal *d)
{
    shuffle_order(d);
    for (uint32_t i = 0; i < d->subset->count; i++) {
        d->worker[i] = i % d->rule->workers;
    }
}

/* torch.chunk: pieces of ceil(n / W), the last ones smaller (or none at all). */
static void deal_pieces(const deal *d)
{
    uint32_t piece = (d->subset->count + d->rule->workers - 1) / d->rule->workers;
    shuffle_order(d);
    for (uint32_t i = 0; i < d->subset->count; i++) {
        d->worker[i] = i / piece;
    }
}

static void plain_order(const deal *d)
{
    for (uint32_t i = 0; i < d->subset->count; i++) {
        d->order[i] = i;
    }
}

static co_status check_labels(const deal *d, co_error *err)
{
    const int workers = (int)d->rule->workers;
    if (d->classes % workers == 0) {
        return CO_OK;
    }
    char list[160];
    co_text text = co_text_over(list, sizeof(list));
    for (int n = 2; n <= d->classes; n++) {
        if (d->classes % n == 0) {
            co_text_printf(&text, "%s%d", text.length > 0 ? ", " : "", n);
        }
    }
    return co_fail(err, CO_USAGE,
                   "%d labels cannot be dealt out evenly to %d workers; numbers of workers that "
                   "divide them: %s",
                   d->classes, workers, list);
}

static co_status deal_labels(const deal *d, co_error *err)
{
    CO_TRY(check_labels(d, err));
    uint32_t *labels = NULL;
    CO_TRY(numbers((size_t)d->classes * 2, &labels, err));
    uint32_t *owner = labels + d->classes;
    co_rng rng = rng_for(d, 1);
    co_rng_permutation(&rng, labels, (uint32_t)d->classes);
    for (int i = 0; i < d->classes; i++) {
        owner[labels[i]] = (uint32_t)i % d->rule->workers;
    }
    plain_order(d);
    for (uint32_t i = 0; i < d->subset->count; i++) {
        d->worker[i] = owner[d->labels[d->subset->indices[i]]];
    }
    co_free(labels);
    return CO_OK;
}

/* Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; the logarithm of a
 * Gamma(alpha, 1) variable, which for a small alpha is too small itself. */
static double log_gamma_variable(co_rng *rng, double alpha)
{
    double boost = 0.0;
    if (alpha < 1.0) {
        boost = log(1.0 - (double)co_rng_uniform(rng)) / alpha;
        alpha += 1.0;
    }
    const double d = alpha - 1.0 / 3.0;
    const double c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = co_rng_normal(rng);
        double v = 1.0 + c * x;
        double u = 1.0 - (double)co_rng_uniform(rng);
        if (v > 0.0) {
            v = v * v * v;
            if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) {
                return boost + log(d * v);
            }
        }
    }
}

/* share[w] >= 0, summing to 1. */
static void draw_shares(co_rng *rng, double alpha, uint32_t workers, double *share)
{
    double most = -INFINITY;
    double sum = 0.0;
    for (uint32_t w = 0; w < workers; w++) {
        share[w] = log_gamma_variable(rng, alpha);
        most = share[w] > most ? share[w] : most;
    }
    for (uint32_t w = 0; w < workers; w++) {
        share[w] = exp(share[w] - most);
        sum += share[w];
    }
    for (uint32_t w = 0; w < workers; w++) {
        share[w] /= sum;
    }
}

/* The samples of one label, in a random order, cut where the shares add up to. */
static void deal_class(const deal *d, int label, double *share, uint32_t *of_class)
{
    const co_subset *subset = d->subset;
    uint32_t count = 0;
    co_rng rng = rng_for(d, 2 + (uint32_t)label);
    draw_shares(&rng, d->rule->alpha, d->rule->workers, share);
    for (uint32_t i = 0; i < subset->count; i++) {
        if (d->labels[subset->indices[d->order[i]]] == label) {
            of_class[count++] = i;
        }
    }
    double reached = 0.0;
    uint32_t begin = 0;
    for (uint32_t w = 0; w < d->rule->workers; w++) {
        reached += share[w];
        uint32_t end = w + 1 == d->rule->workers ? count
                                                 : (uint32_t)((double)count * reached + 0.5);
        end = end < count ? end : count;
        for (; begin < end; begin++) {
            d->worker[of_class[begin]] = w;
        }
    }
}

static co_status deal_dirichlet(const deal *d, co_error *err)
{
    void *block = NULL;
    uint32_t *of_class = NULL;
    CO_TRY(numbers(d->subset->count, &of_class, err));
    co_status status = co_alloc(d->rule->workers, sizeof(double), "shares", &block, err);
    if (status == CO_OK) {
        shuffle_order(d);
        for (int label = 0; label < d->classes; label++) {
            deal_class(d, label, block, of_class);
        }
    }
    co_free(block);
    co_free(of_class);
    return status;
}

static co_status deal_out(const deal *d, co_error *err)
{
    switch (d->rule->kind) {
    case CO_PARTITION_WHOLE:
        break; /* see make_whole */
    case CO_PARTITION_SHARD:
        deal_shard(d);
        return CO_OK;
    case CO_PARTITION_DATASET:
        deal_pieces(d);
        return CO_OK;
    case CO_PARTITION_LABELS:
    case CO_PARTITION_LABELS_UNSCALED:
        return deal_labels(d, err);
    case CO_PARTITION_DIRICHLET:
        return deal_dirichlet(d, err);
    }
    return co_fail(err, CO_INTERNAL, "partition %d is not dealt out", (int)d->rule->kind);
}

static co_status check_counts(const deal *d, const uint32_t *count, co_error *err)
{
    for (uint32_t w = 0; w < d->rule->workers; w++) {
        if (count[w] > 0) {
            continue;
        }
        if (d->rule->kind == CO_PARTITION_DIRICHLET) {
            return co_fail(err, CO_USAGE,
                           "worker %u of %u is left without samples: raise --dirichlet-alpha (%g), "
                           "or take fewer workers or another seed",
                           w, d->rule->workers, d->rule->alpha);
        }
        return co_fail(err, CO_USAGE,
                       "worker %u of %u is left without samples: %u samples are too few for these "
                       "workers",
                       w, d->rule->workers, d->subset->count);
    }
    return CO_OK;
}

/* How many samples all workers have in the end; 0: each what it was dealt. */
static uint32_t common_count(const deal *d, const uint32_t *count)
{
    co_uneven uneven = d->rule->kind == CO_PARTITION_LABELS ? CO_UNEVEN_DROP : d->rule->uneven;
    uint32_t chosen = uneven == CO_UNEVEN_KEEP ? 0 : count[0];
    for (uint32_t w = 1; w < d->rule->workers && chosen > 0; w++) {
        bool better = uneven == CO_UNEVEN_PAD ? count[w] > chosen : count[w] < chosen;
        chosen = better ? count[w] : chosen;
    }
    return chosen;
}

static co_status check_total(uint64_t samples, co_error *err)
{
    return samples <= UINT32_MAX
               ? CO_OK
               : co_fail(err, CO_UNSUPPORTED,
                         "%llu samples of all workers together, repeated ones too, are more than a "
                         "partition can hold (%u); take fewer workers",
                         (unsigned long long)samples, UINT32_MAX);
}

/* count[w] samples lie dealt; writes them out worker by worker, cut or repeated. */
static co_status lay_out(const deal *d, const uint32_t *count, co_partition *out, co_error *err)
{
    const uint32_t workers = d->rule->workers;
    const uint32_t common = common_count(d, count);
    CO_TRY(check_total((uint64_t)common * workers, err));
    for (uint32_t w = 0; w < workers; w++) {
        out->begin[w + 1] = out->begin[w] + (common > 0 ? common : count[w]);
    }
    CO_TRY(numbers(out->begin[workers], &out->indices, err));
    uint32_t *filled = NULL;
    CO_TRY(numbers(workers, &filled, err));
    for (uint32_t i = 0; i < d->subset->count; i++) {
        uint32_t w = d->worker[i];
        if (filled[w] < out->begin[w + 1] - out->begin[w]) {
            out->indices[out->begin[w] + filled[w]++] = d->subset->indices[d->order[i]];
        }
    }
    for (uint32_t w = 0; w < workers; w++) {
        uint32_t *own = out->indices + out->begin[w];
        for (uint32_t i = filled[w]; i < out->begin[w + 1] - out->begin[w]; i++) {
            own[i] = own[i - filled[w]];
        }
    }
    co_free(filled);
    return CO_OK;
}

static co_status make_dealt(const deal *d, co_partition *out, co_error *err)
{
    CO_TRY(deal_out(d, err));
    uint32_t *count = NULL;
    CO_TRY(numbers(d->rule->workers, &count, err));
    for (uint32_t i = 0; i < d->subset->count; i++) {
        count[d->worker[i]]++;
    }
    co_status status = check_counts(d, count, err);
    if (status == CO_OK) {
        status = lay_out(d, count, out, err);
    }
    co_free(count);
    return status;
}

static co_status make_whole(const deal *d, co_partition *out, co_error *err)
{
    const uint32_t count = d->subset->count;
    CO_TRY(check_total((uint64_t)count * d->rule->workers, err));
    CO_TRY(numbers((size_t)count * d->rule->workers, &out->indices, err));
    for (uint32_t w = 0; w < d->rule->workers; w++) {
        memcpy(out->indices + (size_t)w * count, d->subset->indices, count * sizeof(uint32_t));
        out->begin[w + 1] = (w + 1) * count;
    }
    return CO_OK;
}

static co_status make(deal *d, co_partition *out, co_error *err)
{
    out->workers = d->rule->workers;
    CO_TRY(numbers((size_t)out->workers + 1, &out->begin, err));
    if (d->rule->kind == CO_PARTITION_WHOLE) {
        return make_whole(d, out, err);
    }
    CO_TRY(numbers(d->subset->count, &d->order, err));
    CO_TRY(numbers(d->subset->count, &d->worker, err));
    return make_dealt(d, out, err);
}

co_status co_partition_make(const co_partition_rule *rule, const co_subset *subset,
                            const int32_t *labels, int classes, co_partition *out, co_error *err)
{
    if (subset->count < rule->workers) {
        return co_fail(err, CO_USAGE, "%u workers, but %u training samples: each needs one",
                       rule->workers, subset->count);
    }
    deal d = {.rule = rule, .subset = subset, .labels = labels, .classes = classes};
    co_partition made = {0};
    co_status status = make(&d, &made, err);
    co_free(d.order);
    co_free(d.worker);
    if (status != CO_OK) {
        co_partition_free(&made);
        return status;
    }
    *out = made;
    return CO_OK;
}

co_status co_partition_take(const co_partition *partition, uint32_t worker, co_subset *out,
                            co_error *err)
{
    uint32_t count = co_partition_count(partition, worker);
    uint32_t *indices = NULL;
    CO_TRY(numbers(count, &indices, err));
    memcpy(indices, partition->indices + partition->begin[worker], count * sizeof(uint32_t));
    *out = (co_subset){.indices = indices, .count = count};
    return CO_OK;
}
