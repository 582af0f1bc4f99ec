#include "data/loader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"

enum {
    MAX_THREADS = 64,
    MIN_DEPTH = 4,
    ROWS_AHEAD = 3, /* rows whose cache lines are asked for before they are copied */
    LINE_BYTES = 64,
};

/* One batch's buffers. Batch number n (counted from the loader's creation) is gathered into slot
 * n % depth; `filled` = n + 1 says that it is complete. */
typedef struct ring_slot {
    co_batch batch;
    uint8_t *pixels;       /* (batch, C, H, W) */
    int32_t *labels;       /* (batch) */
    uint32_t *samples;     /* (batch) */
    uint8_t *scratch;      /* one sample before augmentation */
    const co_clock *clock; /* NULL: nobody wants to know the times */
    uint64_t began_ns;     /* of the gathering */
    uint64_t augment_ns;   /* 0: nothing is augmented */
    uint64_t ended_ns;
    int helper;       /* which one gathers */
    co_status status; /* of the gathering */
    co_error fault;
    atomic_uint_fast64_t filled;
} ring_slot;

/* Who touches what: the cursor and the order belong to whoever holds `claim_lock`, a slot to the
 * one who claimed its batch number until `filled` says it is complete, then to the owner of the
 * loader until `released` passes it. */
struct co_loader {
    co_dataset *set;
    co_loader_options options;
    uint32_t samples; /* of one epoch */
    uint32_t batches;
    size_t sample_bytes;

    uint32_t epoch; /* the cursor: the batch that is claimed next */
    uint32_t sought_epoch;
    uint32_t batch;
    uint32_t *order;      /* (samples) of the whole list, permuted for order_epoch */
    uint32_t order_count; /* entries of `order` */
    uint32_t order_epoch;
    bool order_ready;

    co_loader_rest rest;

    uint32_t next_epoch; /* the batch that co_loader_next will hand out */
    uint32_t next_batch;
    uint64_t taken; /* batches handed out */

    ring_slot *slots; /* (depth) */
    int depth;
    void *buffers;
    size_t buffer_bytes;

    int threads; /* started */
    pthread_t thread[MAX_THREADS];
    struct helper {
        co_loader *loader;
        co_sample_reader *reader; /* NULL: the set needs none */
    } helper[MAX_THREADS];        /* [0] also when the caller gathers */
    pthread_mutex_t claim_lock;
    pthread_cond_t room; /* with claim_lock: there are free slots, or it is time to stop */
    pthread_mutex_t wait_lock;
    pthread_cond_t complete; /* with wait_lock: a slot was filled */
    atomic_uint_fast64_t claimed;
    atomic_uint_fast64_t released;
    atomic_int idle;         /* helpers that wait for room */
    atomic_bool owner_waits; /* for a slot */
    bool running;            /* under claim_lock: helpers may claim */
    const co_clock *clock;   /* under claim_lock: NULL unless observed */
    co_track *owner_track;   /* the owner's, as are the helpers': it tells when it takes a batch */
    co_track *helper_track[MAX_THREADS];
    bool closing; /* under claim_lock */
};

/* ---- which samples ---- */

static void order_for(co_loader *loader, uint32_t epoch)
{
    if (loader->order_ready && (!loader->options.shuffle || loader->order_epoch == epoch)) {
        return;
    }
    uint32_t *order = loader->order;
    if (loader->options.shuffle) {
        co_rng rng = co_rng_at(&(co_rng_key){.seed = loader->options.seed,
                                             .stream = CO_STREAM_SHUFFLE,
                                             .replica = loader->options.replica,
                                             .epoch = epoch});
        co_rng_permutation(&rng, order, loader->order_count);
    } else {
        for (uint32_t i = 0; i < loader->order_count; i++) {
            order[i] = i;
        }
    }
    for (uint32_t i = 0; loader->options.piece_begin > 0 && i < loader->order_count; i++) {
        order[i] += loader->options.piece_begin;
    }
    if (loader->options.indices != NULL) {
        for (uint32_t i = 0; i < loader->order_count; i++) {
            order[i] = loader->options.indices[order[i]];
        }
    }
    loader->order_epoch = epoch;
    loader->order_ready = true;
}

static void list_samples(co_loader *loader, uint32_t first, uint32_t rows, bool resting,
                         uint32_t *samples)
{
    order_for(loader, loader->epoch);
    const co_loader_rest *rest = &loader->rest;
    uint32_t deal = loader->options.deal;
    if (deal == 0 && !resting) {
        memcpy(samples, loader->order + first, rows * sizeof(uint32_t));
    }
    for (uint32_t row = 0; (deal != 0 || resting) && row < rows; row++) {
        uint64_t place = (uint64_t)(first + row) * (deal != 0 ? deal : 1) + loader->options.dealt;
        place += resting ? rest->used : 0;
        samples[row] = loader->order[place % loader->order_count];
    }
}

/* Writes the sample numbers of the batch at the cursor into the slot and moves the cursor on. */
static void list_batch(co_loader *loader, ring_slot *slot)
{
    const co_loader_rest *rest = &loader->rest;
    bool resting = rest->used > 0 && loader->epoch == rest->epoch && loader->batch >= rest->batch;
    uint32_t size = (uint32_t)loader->options.batch;
    uint32_t first = (loader->batch - (resting ? rest->batch : 0)) * size;
    uint32_t whole = loader->samples < size ? loader->samples : size;
    uint32_t rows = resting || loader->samples - first > size ? whole : loader->samples - first;
    if (!loader->options.counts_only) {
        list_samples(loader, first, rows, resting, slot->samples);
    }
    slot->batch.rows = (int)rows;
    slot->batch.epoch = loader->epoch;
    if (++loader->batch == loader->batches) {
        loader->batch = 0;
        loader->epoch++;
    }
}

/* ---- their pixels ---- */

static void prefetch_row(const uint8_t *row, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += LINE_BYTES) {
        __builtin_prefetch(row + i);
    }
}

static void copy_rows(const co_loader *loader, const uint8_t *resident, ring_slot *slot)
{
    size_t bytes = loader->sample_bytes;
    int rows = slot->batch.rows;
    for (int row = 0; row < rows && row < ROWS_AHEAD; row++) {
        prefetch_row(resident + slot->samples[row] * bytes, bytes);
    }
    for (int row = 0; row < rows; row++) {
        if (row + ROWS_AHEAD < rows) {
            prefetch_row(resident + slot->samples[row + ROWS_AHEAD] * bytes, bytes);
        }
        memcpy(slot->pixels + (size_t)row * bytes, resident + slot->samples[row] * bytes, bytes);
    }
}

static co_rng_key key_of(const co_loader *loader, const ring_slot *slot, uint32_t sample)
{
    return (co_rng_key){.seed = loader->options.seed,
                        .replica = loader->options.replica,
                        .epoch = slot->batch.epoch,
                        .sample = sample};
}

static co_status read_sample(const co_loader *loader, co_sample_reader *reader,
                             const ring_slot *slot, uint32_t sample, uint8_t *pixels, co_error *err)
{
    const co_augment *augment = &loader->options.augment;
    const co_sample_cut cut = {
        .area = augment->area, .ratio = augment->ratio, .key = key_of(loader, slot, sample)};
    return co_dataset_read(loader->set, reader, loader->options.split, sample,
                           augment->area > 0.0 ? &cut : NULL, pixels, err);
}

static co_status fetch_rows(const co_loader *loader, co_sample_reader *reader, ring_slot *slot,
                            co_error *err)
{
    for (int row = 0; row < slot->batch.rows; row++) {
        CO_TRY(read_sample(loader, reader, slot, slot->samples[row],
                           slot->pixels + (size_t)row * loader->sample_bytes, err));
    }
    return CO_OK;
}

static co_status augment_rows(const co_loader *loader, co_sample_reader *reader,
                              const uint8_t *resident, ring_slot *slot, co_error *err)
{
    slot->augment_ns = slot->clock != NULL ? co_clock_ns(slot->clock) : 0;
    const co_dataset_info *info = co_dataset_describe(loader->set);
    const co_image_shape shape = {info->channels, info->height, info->width};
    for (int row = 0; row < slot->batch.rows; row++) {
        uint32_t sample = slot->samples[row];
        const uint8_t *in = slot->scratch;
        if (resident != NULL) {
            in = resident + sample * loader->sample_bytes;
        } else {
            CO_TRY(read_sample(loader, reader, slot, sample, slot->scratch, err));
        }
        const co_rng_key key = key_of(loader, slot, sample);
        co_augment_apply(&loader->options.augment, &shape, &key, in,
                         slot->pixels + (size_t)row * loader->sample_bytes);
    }
    return CO_OK;
}

static co_status gather(const co_loader *loader, co_sample_reader *reader, ring_slot *slot,
                        co_error *err)
{
    const int32_t *labels = co_dataset_labels(loader->set, loader->options.split);
    for (int row = 0; row < slot->batch.rows; row++) {
        slot->labels[row] = labels[slot->samples[row]];
    }
    const void *resident = co_dataset_resident(loader->set, loader->options.split);
    if (co_augment_any(&loader->options.augment)) {
        return augment_rows(loader, reader, resident, slot, err);
    }
    if (resident == NULL) {
        return fetch_rows(loader, reader, slot, err);
    }
    copy_rows(loader, resident, slot);
    return CO_OK;
}

/* ---- the timeline ---- */

/* Under claim_lock, by the thread that will gather. */
static void begin_time(const co_loader *loader, ring_slot *slot)
{
    slot->clock = loader->clock;
    if (loader->clock == NULL) {
        return;
    }
    slot->began_ns = co_clock_ns(loader->clock);
    slot->augment_ns = 0;
    slot->helper = 0;
    for (int i = 0; i < loader->threads; i++) {
        slot->helper = pthread_equal(pthread_self(), loader->thread[i]) != 0 ? i : slot->helper;
    }
}

static void end_time(ring_slot *slot)
{
    slot->ended_ns = slot->clock != NULL ? co_clock_ns(slot->clock) : 0;
}

/* The owner tells, so that a track has one writer. */
static void tell_time(const co_loader *loader, const ring_slot *slot)
{
    if (loader->owner_track == NULL || slot->clock == NULL) {
        return;
    }
    co_track *track = loader->threads == 0 ? loader->owner_track
                                           : loader->helper_track[slot->helper];
    co_timed timed = {.start_ns = slot->began_ns,
                      .end_ns = slot->ended_ns,
                      .category = "load",
                      .name = "load batch",
                      .value_name = "rows",
                      .value = (uint64_t)slot->batch.rows};
    if (slot->augment_ns != 0) {
        const co_timed augment = {.start_ns = slot->augment_ns,
                                  .end_ns = slot->ended_ns,
                                  .category = "augment",
                                  .name = "augment"};
        co_track_add(track, &augment);
    }
    co_track_add(track, &timed);
}

/* ---- helper threads ---- */

static uint64_t waiting_batches(const co_loader *loader)
{
    return atomic_load(&loader->claimed) - atomic_load(&loader->released);
}

/* Under claim_lock. */
static bool may_claim(const co_loader *loader)
{
    bool over = loader->options.once && loader->epoch != loader->sought_epoch;
    return loader->running && !over && waiting_batches(loader) < (uint64_t)loader->depth;
}

/* Waits for room, then takes the next batch number; false: the loader is being destroyed. */
static bool claim(co_loader *loader, uint64_t *number)
{
    pthread_mutex_lock(&loader->claim_lock);
    atomic_fetch_add(&loader->idle, 1); /* before the look at `released`: see release_batch */
    while (!loader->closing && !may_claim(loader)) {
        pthread_cond_wait(&loader->room, &loader->claim_lock);
    }
    atomic_fetch_sub(&loader->idle, 1);
    bool open = !loader->closing;
    if (open) {
        *number = atomic_load(&loader->claimed);
        ring_slot *slot = &loader->slots[*number % (uint64_t)loader->depth];
        begin_time(loader, slot);
        list_batch(loader, slot);
        atomic_store(&loader->claimed, *number + 1);
    }
    pthread_mutex_unlock(&loader->claim_lock);
    return open;
}

static void *helper_main(void *arg)
{
    const struct helper *self = arg;
    co_loader *loader = self->loader;
    uint64_t number = 0;
    while (claim(loader, &number)) {
        ring_slot *slot = &loader->slots[number % (uint64_t)loader->depth];
        slot->status = gather(loader, self->reader, slot, &slot->fault);
        end_time(slot);
        atomic_store(&slot->filled, number + 1);
        if (atomic_load(&loader->owner_waits)) {
            pthread_mutex_lock(&loader->wait_lock);
            pthread_cond_signal(&loader->complete);
            pthread_mutex_unlock(&loader->wait_lock);
        }
    }
    return NULL;
}

/* The helpers are woken when half of the ring is free, not for every batch. A helper counts itself
 * idle before it finds the ring full, so the release that frees the half sees it. */
static void release_batch(co_loader *loader)
{
    atomic_store(&loader->released, loader->taken);
    if (atomic_load(&loader->idle) > 0 && waiting_batches(loader) <= (uint64_t)loader->depth / 2) {
        pthread_mutex_lock(&loader->claim_lock);
        pthread_cond_broadcast(&loader->room);
        pthread_mutex_unlock(&loader->claim_lock);
    }
}

static void wait_filled(co_loader *loader, const ring_slot *slot, uint64_t number)
{
    if (atomic_load(&slot->filled) == number + 1) {
        return;
    }
    pthread_mutex_lock(&loader->wait_lock);
    atomic_store(&loader->owner_waits, true);
    while (atomic_load(&slot->filled) != number + 1) {
        pthread_cond_wait(&loader->complete, &loader->wait_lock);
    }
    atomic_store(&loader->owner_waits, false);
    pthread_mutex_unlock(&loader->wait_lock);
}

/* ---- the owner's side ---- */

static void stop_helpers(co_loader *loader)
{
    pthread_mutex_lock(&loader->claim_lock);
    loader->closing = true;
    pthread_cond_broadcast(&loader->room);
    pthread_mutex_unlock(&loader->claim_lock);
    for (int i = 0; i < loader->threads; i++) {
        pthread_join(loader->thread[i], NULL);
    }
    loader->threads = 0;
}

co_status co_loader_seek(co_loader *loader, uint32_t epoch, uint32_t batch, co_error *err)
{
    if (batch > loader->batches) {
        return co_fail(err, CO_INTERNAL, "batch %u asked of an epoch of %u", batch,
                       loader->batches);
    }
    if (batch == loader->batches) {
        batch = 0;
        epoch++;
    }
    pthread_mutex_lock(&loader->claim_lock);
    uint64_t claimed = atomic_load(&loader->claimed);
    /* What was claimed for the old place is finished and thrown away. */
    for (uint64_t number = loader->taken; number < claimed && loader->threads > 0; number++) {
        wait_filled(loader, &loader->slots[number % (uint64_t)loader->depth], number);
    }
    loader->taken = claimed;
    atomic_store(&loader->released, claimed);
    loader->epoch = loader->next_epoch = loader->sought_epoch = epoch;
    loader->batch = loader->next_batch = batch;
    loader->running = true;
    pthread_cond_broadcast(&loader->room);
    pthread_mutex_unlock(&loader->claim_lock);
    return CO_OK;
}

void co_loader_set_rest(co_loader *loader, const co_loader_rest *rest)
{
    pthread_mutex_lock(&loader->claim_lock);
    loader->rest = *rest;
    pthread_mutex_unlock(&loader->claim_lock);
}

co_loader_rest co_loader_get_rest(const co_loader *loader)
{
    return loader->rest;
}

void co_loader_position(const co_loader *loader, uint32_t *epoch, uint32_t *batch)
{
    *epoch = loader->next_epoch;
    *batch = loader->next_batch;
}

static void advance(co_loader *loader)
{
    if (++loader->next_batch == loader->batches) {
        loader->next_batch = 0;
        loader->next_epoch++;
    }
}

static co_status next_inline(co_loader *loader, const co_batch **out, co_error *err)
{
    ring_slot *slot = &loader->slots[0];
    begin_time(loader, slot);
    list_batch(loader, slot);
    advance(loader);
    if (!loader->options.counts_only) {
        CO_TRY(gather(loader, loader->helper[0].reader, slot, err));
    }
    end_time(slot);
    tell_time(loader, slot);
    *out = &slot->batch;
    return CO_OK;
}

co_status co_loader_next(co_loader *loader, const co_batch **out, co_error *err)
{
    if (loader->threads == 0) {
        return next_inline(loader, out, err);
    }
    bool over = loader->options.once && loader->next_epoch != loader->sought_epoch;
    if (!loader->running || over) { /* written by this thread only */
        CO_TRY(co_loader_seek(loader, loader->next_epoch, loader->next_batch, err));
    }
    release_batch(loader);
    ring_slot *slot = &loader->slots[loader->taken % (uint64_t)loader->depth];
    wait_filled(loader, slot, loader->taken);
    loader->taken++;
    advance(loader);
    if (slot->status != CO_OK) {
        return co_fail(err, slot->status, "%s", slot->fault.text);
    }
    tell_time(loader, slot);
    *out = &slot->batch;
    return CO_OK;
}

co_status co_loader_observe(co_loader *loader, co_track *owner, co_error *err)
{
    enum { SPANS = 1 << 14 };
    for (int i = 0; owner != NULL && i < loader->threads; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "loader %d", i + 1);
        CO_TRY(co_timeline_add_track(co_track_timeline(owner), name, SPANS,
                                     &loader->helper_track[i], err));
    }
    pthread_mutex_lock(&loader->claim_lock);
    loader->owner_track = owner;
    loader->clock = owner != NULL ? co_track_clock(owner) : NULL;
    pthread_mutex_unlock(&loader->claim_lock);
    return CO_OK;
}

/* ---- life ---- */

static uint32_t listed_count(const co_loader_options *options, uint32_t all)
{
    if (options->indices != NULL) {
        return options->count;
    }
    return options->piece_count > 0 ? options->piece_count : all;
}

/* Samples of an epoch that are this worker's. */
static uint32_t dealt_count(const co_loader_options *options, uint32_t all)
{
    if (options->deal == 0) {
        return all;
    }
    return options->deal_padded ? all / options->deal + (all % options->deal != 0)
                                : all / options->deal;
}

static co_status check_options(const co_dataset *set, const co_loader_options *options,
                               co_error *err)
{
    uint32_t all = co_dataset_describe(set)->samples[options->split];
    uint32_t count = listed_count(options, all);
    if (options->batch < 1 || options->threads < 0 || options->threads > MAX_THREADS ||
        options->depth < 0) {
        return co_fail(err, CO_USAGE, "batch %d (from 1) or loader threads %d (0 to %d) is wrong",
                       options->batch, options->threads, MAX_THREADS);
    }
    if (options->indices == NULL && (uint64_t)options->piece_begin + count > all) {
        return co_fail(err, CO_INTERNAL, "samples %u to %u asked of %u", options->piece_begin,
                       options->piece_begin + count, all);
    }
    count = dealt_count(options, count);
    if (count == 0 || (options->drop_last && count < (uint32_t)options->batch)) {
        return co_fail(err, CO_USAGE, "%u samples do not make one batch of %d", count,
                       options->batch);
    }
    const co_dataset_info *info = co_dataset_describe(set);
    if (info->pixel != CO_PIXEL_U8 && co_augment_any(&options->augment)) {
        return co_fail(err, CO_USAGE,
                       "%s: its samples are no bytes: they cannot be augmented; switch the "
                       "augment_ settings off",
                       info->name);
    }
    if (options->augment.area > 0.0 && !info->image_files) {
        return co_fail(err, CO_USAGE,
                       "%s: a random-resized crop is cut out of image files, and this set has "
                       "none; switch augment_resized_crop off, or use augment_crop",
                       info->name);
    }
    const co_image_shape shape = {info->channels, info->height, info->width};
    CO_TRY(co_augment_check(&options->augment, &shape, err));
    for (uint32_t i = 0; options->indices != NULL && i < options->count; i++) {
        if (options->indices[i] >= all) {
            return co_fail(err, CO_INTERNAL, "sample %u asked of %u", options->indices[i], all);
        }
    }
    return CO_OK;
}

static co_status allocate_counts(co_loader *loader, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc((size_t)loader->depth, sizeof(ring_slot), "loader", &block, err));
    loader->slots = block;
    return CO_OK;
}

/* The slots' arrays lie in one block, each starting on a cache line of its own. */
static co_status allocate(co_loader *loader, co_error *err)
{
    if (loader->options.counts_only) {
        return allocate_counts(loader, err);
    }
    size_t size = (size_t)loader->options.batch;
    size_t pixels = 0;
    size_t whole = 0;
    size_t numbers = co_round_up(size * sizeof(uint32_t), CO_ALIGNMENT);
    if (!co_mul_size(size, loader->sample_bytes, &pixels)) {
        return co_fail(err, CO_MEMORY, "a batch of %zu samples does not fit in memory", size);
    }
    bool augmented = co_augment_any(&loader->options.augment);
    size_t scratch = augmented ? co_round_up(loader->sample_bytes, CO_ALIGNMENT) : 0;
    pixels = co_round_up(pixels, CO_ALIGNMENT);
    whole = pixels + 2 * numbers + scratch;
    void *block = NULL;
    CO_TRY(co_alloc(loader->order_count, sizeof(uint32_t), "order of the samples", &block, err));
    loader->order = block;
    CO_TRY(co_alloc((size_t)loader->depth, sizeof(ring_slot), "loader", &block, err));
    loader->slots = block;
    CO_TRY(co_alloc((size_t)loader->depth, whole, "batches of the loader", &block, err));
    loader->buffers = block;
    loader->buffer_bytes = (size_t)loader->depth * whole;
    for (int i = 0; i < loader->depth; i++) {
        ring_slot *slot = &loader->slots[i];
        char *start = (char *)block + (size_t)i * whole;
        slot->pixels = (uint8_t *)start;
        slot->labels = (int32_t *)(void *)(start + pixels);
        slot->samples = (uint32_t *)(void *)(start + pixels + numbers);
        slot->scratch = (uint8_t *)start + pixels + 2 * numbers;
        slot->batch = (co_batch){.pixel = co_dataset_describe(loader->set)->pixel,
                                 .pixels = slot->pixels,
                                 .labels = slot->labels,
                                 .samples = slot->samples,
                                 .replica = loader->options.replica,
                                 .seed = loader->options.seed};
        atomic_init(&slot->filled, 0);
    }
    return CO_OK;
}

int co_loader_depth(const co_loader_options *options)
{
    int least = options->threads + 2; /* one in use, one complete, one for each helper */
    int wanted = options->depth > 0 ? options->depth : MIN_DEPTH * 2;
    return options->threads == 0 ? 1 : wanted > least ? wanted : least;
}

int co_loader_readers(const co_loader_options *options)
{
    return options->threads > 0 ? options->threads : 1;
}

static co_status open_readers(co_loader *loader, co_error *err)
{
    const int readers = loader->options.counts_only ? 0 : co_loader_readers(&loader->options);
    for (int i = 0; i < readers; i++) {
        loader->helper[i].loader = loader;
        CO_TRY(co_dataset_reader_open(loader->set, &loader->helper[i].reader, err));
    }
    return CO_OK;
}

static co_status start_helpers(co_loader *loader, co_error *err)
{
    for (int i = 0; i < loader->options.threads; i++) {
        int error = pthread_create(&loader->thread[i], NULL, helper_main, &loader->helper[i]);
        if (error != 0) {
            return co_fail_errno(err, CO_MEMORY, error, "cannot start loader thread %d of %d",
                                 i + 1, loader->options.threads);
        }
        loader->threads++;
    }
    return CO_OK;
}

static void set_up(co_loader *loader, co_dataset *set, const co_loader_options *options)
{
    const co_dataset_info *info = co_dataset_describe(set);
    uint32_t size = (uint32_t)options->batch;
    loader->set = set;
    loader->options = *options;
    loader->sample_bytes = info->sample_bytes;
    loader->order_count = listed_count(options, info->samples[options->split]);
    uint32_t count = dealt_count(options, loader->order_count);
    loader->samples = options->drop_last ? count / size * size : count;
    loader->batches = loader->samples / size + (loader->samples % size != 0);
    loader->depth = co_loader_depth(options);
    pthread_mutex_init(&loader->claim_lock, NULL);
    pthread_cond_init(&loader->room, NULL);
    pthread_mutex_init(&loader->wait_lock, NULL);
    pthread_cond_init(&loader->complete, NULL);
}

co_status co_loader_create(co_dataset *set, const co_loader_options *options, co_loader **out,
                           co_error *err)
{
    CO_TRY(check_options(set, options, err));
    if (!options->counts_only) {
        CO_TRY(co_dataset_require(set, options->split, err));
    }
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_loader), "loader", &block, err));
    co_loader *loader = block;
    set_up(loader, set, options);
    co_status status = allocate(loader, err);
    if (status == CO_OK) {
        status = open_readers(loader, err);
    }
    if (status == CO_OK) {
        status = start_helpers(loader, err);
    }
    if (status != CO_OK) {
        co_loader_destroy(loader);
        return status;
    }
    *out = loader;
    return CO_OK;
}

void co_loader_destroy(co_loader *loader)
{
    if (loader == NULL) {
        return;
    }
    stop_helpers(loader);
    for (int i = 0; i < MAX_THREADS; i++) {
        co_dataset_reader_close(loader->set, loader->helper[i].reader);
    }
    pthread_cond_destroy(&loader->complete);
    pthread_mutex_destroy(&loader->wait_lock);
    pthread_cond_destroy(&loader->room);
    pthread_mutex_destroy(&loader->claim_lock);
    co_free(loader->buffers);
    co_free(loader->slots);
    co_free(loader->order);
    co_free(loader);
}

uint32_t co_loader_samples(const co_loader *loader)
{
    return loader->samples;
}

uint32_t co_loader_batches(const co_loader *loader)
{
    return loader->batches;
}

size_t co_loader_memory_bytes(const co_loader *loader)
{
    return sizeof(*loader) + loader->buffer_bytes + (size_t)loader->depth * sizeof(ring_slot) +
           loader->order_count * sizeof(uint32_t);
}
