#include "optim/regime.h"

#include <math.h>
#include <stddef.h>

#include "base/alloc.h"
#include "conf/hint.h"
#include "optim/curve.h"

typedef enum key_type { KEY_START, KEY_NUMBER, KEY_BOOL, KEY_OPTIMIZER } key_type;

typedef struct key {
    const char *name;
    key_type type;
    size_t offset; /* in co_regime_phase */
    double min;
    double max;
} key;

/* Bit i of co_regime_phase.set belongs to keys[i]. */
static const key keys[] = {
    {"epoch", KEY_START, 0, 0, 1e9},
    {"step", KEY_START, 0, 0, 1e15},
    {"optimizer", KEY_OPTIMIZER, offsetof(co_regime_phase, optimizer), 0, 0},
    {"lr", KEY_NUMBER, offsetof(co_regime_phase, lr), 0, 1000},
    {"momentum", KEY_NUMBER, offsetof(co_regime_phase, momentum), 0, 1},
    {"nesterov", KEY_BOOL, offsetof(co_regime_phase, nesterov), 0, 0},
    {"weight_decay", KEY_NUMBER, offsetof(co_regime_phase, weight_decay), 0, 10},
    {"lr_rampup", KEY_BOOL, offsetof(co_regime_phase, lr_rampup), 0, 0},
    {"warmup_epochs", KEY_NUMBER, offsetof(co_regime_phase, warmup_epochs), 0, 1e6},
    {"lr_decay", KEY_NUMBER, offsetof(co_regime_phase, lr_decay), 0, 1},
    {"lr_decay_steps", KEY_NUMBER, offsetof(co_regime_phase, lr_decay_steps), 1, 1e15},
};

enum {
    EPOCH,
    STEP,
    OPTIMIZER,
    LR,
    MOMENTUM,
    NESTEROV,
    WEIGHT_DECAY,
    LR_RAMPUP,
    WARMUP_EPOCHS,
    LR_DECAY,
    LR_DECAY_STEPS,
    KEY_COUNT
};
_Static_assert(sizeof(keys) / sizeof(keys[0]) == KEY_COUNT, "the enum follows the table");

static bool sets(const co_regime_phase *phase, int index)
{
    return (phase->set >> index & 1u) != 0;
}

static co_status read_number(const co_yaml_node *value, const key *k, double *out, co_error *err)
{
    double number = 0.0;
    CO_TRY(co_yaml_number(value, k->name, &number, err));
    if (!(number >= k->min && number <= k->max)) {
        return co_yaml_fail(err, CO_USAGE, value, "%s must be %g to %g", k->name, k->min, k->max);
    }
    *out = number;
    return CO_OK;
}

static co_status read_optimizer(const co_yaml_node *value, co_optimizer_kind *out, co_error *err)
{
    static const char *const names[] = {"sgd", "adam", "adamw"}; /* in the order of the enum */
    for (int i = 0; i < 3 && value->kind == CO_YAML_SCALAR; i++) {
        if (co_name_distance(value->text, names[i]) == 0) { /* S1 writes SGD */
            *out = (co_optimizer_kind)i;
            return CO_OK;
        }
    }
    return co_yaml_fail(err, CO_USAGE, value, "optimizer must be sgd, adam or adamw");
}

static co_status read_start(const co_yaml_node *value, const key *k, double scale,
                            co_regime_phase *phase, co_error *err)
{
    double number = 0.0;
    CO_TRY(read_number(value, k, &number, err));
    phase->start = (uint64_t)ceil(number * scale);
    return CO_OK;
}

static co_status read_value(const co_yaml_node *value, int index, double steps_per_epoch,
                            co_regime_phase *phase, co_error *err)
{
    const key *k = &keys[index];
    void *field = (char *)phase + k->offset;
    switch (k->type) {
    case KEY_START:
        return read_start(value, k, index == EPOCH ? steps_per_epoch : 1.0, phase, err);
    case KEY_NUMBER:
        return read_number(value, k, field, err);
    case KEY_BOOL:
        return co_yaml_bool(value, k->name, field, err);
    case KEY_OPTIMIZER:
        return read_optimizer(value, field, err);
    }
    return CO_OK;
}

static co_status refuse_key(const co_yaml_node *name, co_error *err)
{
    co_nearest best = {0};
    for (int i = 0; i < KEY_COUNT; i++) {
        co_nearest_offer(&best, name->text, keys[i].name);
    }
    return co_yaml_fail(err, CO_USAGE, name, "a phase of a regime has no '%.60s'%s%s%s", name->text,
                        best.name != NULL ? "; did you mean '" : "",
                        best.name != NULL ? best.name : "", best.name != NULL ? "'?" : "");
}

static int find_key(const char *name)
{
    for (int i = 0; i < KEY_COUNT; i++) {
        if (co_name_distance(name, keys[i].name) == 0) { /* '-' is as good as '_' */
            return i;
        }
    }
    return -1;
}

static co_status read_phase(const co_yaml_node *node, double steps_per_epoch,
                            co_regime_phase *phase, co_error *err)
{
    if (node->kind != CO_YAML_MAP) {
        return co_yaml_fail(err, CO_USAGE, node, "a phase of a regime must be a mapping, not %s",
                            co_yaml_kind_name(node->kind));
    }
    for (const co_yaml_node *value = node->first; value != NULL; value = value->next) {
        int index = find_key(value->key->text);
        if (index < 0) {
            return refuse_key(value->key, err);
        }
        CO_TRY(read_value(value, index, steps_per_epoch, phase, err));
        phase->set |= 1u << index;
    }
    if (sets(phase, EPOCH) == sets(phase, STEP)) {
        return co_yaml_fail(err, CO_USAGE, node, "a phase needs its start: either epoch or step");
    }
    return CO_OK;
}

co_status co_regime_read(const co_yaml_node *list, uint64_t steps_per_epoch, co_regime *out,
                         co_error *err)
{
    if (list->kind != CO_YAML_SEQUENCE || list->count == 0) {
        return co_yaml_fail(err, CO_USAGE, list, "a regime must be a list of phases");
    }
    co_regime regime = {.steps_per_epoch = (double)steps_per_epoch};
    void *block = NULL;
    CO_TRY(co_alloc(list->count, sizeof(co_regime_phase), "a regime", &block, err));
    regime.phases = block;
    co_status status = CO_OK;
    for (const co_yaml_node *node = list->first; node != NULL; node = node->next) {
        co_regime_phase *phase = &regime.phases[regime.count];
        CO_TRY_GOTO(status, read_phase(node, regime.steps_per_epoch, phase, err), destroy_regime);
        if (regime.count > 0 && phase->start <= phase[-1].start) {
            status = co_yaml_fail(err, CO_USAGE, node,
                                  "this phase begins at step %llu, the one before it at step %llu; "
                                  "phases must stand in the order of their start (an epoch has "
                                  "%llu steps)",
                                  (unsigned long long)phase->start,
                                  (unsigned long long)phase[-1].start,
                                  (unsigned long long)steps_per_epoch);
            goto destroy_regime;
        }
        regime.count++;
    }
    *out = regime;
    return CO_OK;

destroy_regime:
    co_regime_destroy(&regime);
    return status;
}

void co_regime_destroy(co_regime *regime)
{
    co_free(regime->phases);
    *regime = (co_regime){0};
}

/* The last phase up to `step` that sets the key; NULL where none does. */
static const co_regime_phase *find_setter(const co_regime *regime, int index, uint64_t step)
{
    for (int i = regime->count - 1; i >= 0; i--) {
        if (regime->phases[i].start <= step && sets(&regime->phases[i], index)) {
            return &regime->phases[i];
        }
    }
    return NULL;
}

static double apply_ramp(const co_regime *regime, double lr, double workers, uint64_t step)
{
    const co_regime_phase *ramp = find_setter(regime, LR_RAMPUP, step);
    if (ramp == NULL || !ramp->lr_rampup) {
        return lr;
    }
    const co_regime_phase *warmup = find_setter(regime, WARMUP_EPOCHS, step);
    double epochs = warmup != NULL ? warmup->warmup_epochs : 5.0;
    return co_curve_ramp(lr, workers, epochs, (double)step / regime->steps_per_epoch);
}

static double apply_decay(const co_regime *regime, double lr, uint64_t step)
{
    const co_regime_phase *decay = find_setter(regime, LR_DECAY, step);
    if (decay == NULL) {
        return lr;
    }
    const co_regime_phase *every = find_setter(regime, LR_DECAY_STEPS, step);
    double steps = every != NULL ? every->lr_decay_steps : 100.0;
    return lr * pow(decay->lr_decay, floor((double)(step - decay->start) / steps));
}

co_hyper co_regime_at(const co_regime *regime, const co_hyper *base, double workers, uint64_t step)
{
    co_hyper hyper = *base;
    const co_regime_phase *lr = find_setter(regime, LR, step);
    const co_regime_phase *momentum = find_setter(regime, MOMENTUM, step);
    const co_regime_phase *nesterov = find_setter(regime, NESTEROV, step);
    const co_regime_phase *weight_decay = find_setter(regime, WEIGHT_DECAY, step);
    hyper.lr = lr != NULL ? lr->lr : hyper.lr;
    hyper.momentum = momentum != NULL ? momentum->momentum : hyper.momentum;
    hyper.nesterov = nesterov != NULL ? nesterov->nesterov : hyper.nesterov;
    hyper.weight_decay = weight_decay != NULL ? weight_decay->weight_decay : hyper.weight_decay;
    hyper.lr = apply_decay(regime, hyper.lr, step);
    hyper.lr = apply_ramp(regime, hyper.lr, workers, step);
    return hyper;
}

co_optimizer_kind co_regime_optimizer(const co_regime *regime, co_optimizer_kind base,
                                      uint64_t step)
{
    const co_regime_phase *phase = find_setter(regime, OPTIMIZER, step);
    return phase != NULL ? phase->optimizer : base;
}
