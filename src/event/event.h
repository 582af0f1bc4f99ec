/* What a run announces: small typed events of a fixed size, copied and never freed.
 *
 * The training thread fills one and hands it to co_announce (event/announce.h); sinks read it
 * later, in another thread. An event therefore holds no pointers; what is too large for it lies in
 * a blob, of which it has the number.
 */
#ifndef CO_EVENT_EVENT_H
#define CO_EVENT_EVENT_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define CO_EVENT_SIZE_MAX  192
#define CO_EVENT_NAME_SIZE 40
#define CO_EVENT_TEXT_SIZE 160

typedef enum co_event_kind {
    CO_EVENT_RUN_START = 1,
    CO_EVENT_STEP,
    CO_EVENT_EVALUATION,
    CO_EVENT_EPOCH_END,
    CO_EVENT_NOTE,
    CO_EVENT_RUN_END,
    CO_EVENT_HISTOGRAM,
    CO_EVENT_IMAGE,
    CO_EVENT_MARK, /* for the monitor, not for sinks: see co_announce_mark */
} co_event_kind;

typedef enum co_event_split {
    CO_EVENT_SPLIT_TRAIN,
    CO_EVENT_SPLIT_VAL,
    CO_EVENT_SPLIT_TEST,
} co_event_split;

typedef enum co_level {
    CO_LEVEL_DEBUG, /* shown with --verbose only */
    CO_LEVEL_NOTE,
    CO_LEVEL_WARNING,
    CO_LEVEL_ERROR,
} co_level;

typedef enum co_outcome {
    CO_OUTCOME_RUNNING,
    CO_OUTCOME_FINISHED,
    CO_OUTCOME_PREEMPTED, /* stopped by a signal or a limit, state saved */
    CO_OUTCOME_FAILED,
} co_outcome;

/* Numbers that were not measured are NaN; sinks leave them out. */

typedef struct co_event_run_start {
    int64_t wall_ns; /* filled in by co_announce */
    uint64_t steps_total;
    uint64_t steps_per_epoch;
    uint64_t first_step; /* steps done before: not 0 when resumed */
    uint32_t epochs;
    uint32_t batch_size;
    uint32_t parameters;
    uint32_t threads;
    char dataset[CO_EVENT_NAME_SIZE];
    char model[CO_EVENT_NAME_SIZE];
} co_event_run_start;

/* Whether there was anything to score: a simulation of times only has neither. A loss that is NaN
 * while hits were counted is a fault of the training, and told as such. */
static inline bool co_event_is_scored(double loss, double accuracy)
{
    return !(isnan(loss) && isnan(accuracy));
}

typedef struct co_event_step {
    uint64_t step;          /* steps done since training began, this one included */
    uint32_t epoch;         /* from 1 */
    uint32_t step_in_epoch; /* from 1 */
    uint32_t images;        /* samples in this batch */
    uint32_t reserved;
    double loss;         /* of this batch */
    double running_loss; /* moving average */
    double accuracy;     /* of this batch, 0..1 */
    double accuracy5;
    double epoch_loss; /* mean over the epoch so far; so are the next two */
    double epoch_accuracy;
    double epoch_accuracy5;
    double gradient_norm; /* L2 over all parameters */
    double weight_norm;   /* likewise, of the weights after the step */
    double learning_rate;
    double images_per_second;    /* recent */
    double communication_ms;     /* recent, of a step: see co_strategy.exposed_seconds; the mean */
    double communication_max_ms; /* over the workers, and that of the one that waited longest */
} co_event_step;

static inline bool co_event_step_is_scored(const co_event_step *step)
{
    return co_event_is_scored(step->loss, step->accuracy) || !isnan(step->running_loss);
}

typedef struct co_event_evaluation {
    uint64_t step;  /* steps done */
    uint32_t epoch; /* epochs done */
    uint32_t split; /* co_event_split */
    uint64_t samples;
    double loss;
    double accuracy;  /* 0..1 */
    double accuracy5; /* 0..1: true class among the first five */
    double duration;  /* seconds this evaluation took */
} co_event_evaluation;

typedef struct co_event_epoch_end {
    uint64_t step;
    uint32_t epoch; /* from 1 */
    uint32_t steps; /* in this epoch */
    uint64_t samples;
    double loss;     /* mean over the epoch's samples */
    double accuracy; /* 0..1, of the training batches as they were seen */
    double learning_rate;
    double duration; /* seconds, training steps only */
    double images_per_second;
} co_event_epoch_end;

typedef struct co_event_note {
    uint32_t level; /* co_level */
    uint32_t more;  /* not 0: the next event continues this text */
    char text[CO_EVENT_TEXT_SIZE];
} co_event_note;

typedef struct co_event_run_end {
    uint64_t step;
    uint32_t outcome; /* co_outcome */
    uint32_t epochs;  /* done */
    double test_accuracy;
    double test_loss;
    double images_per_second; /* over all training steps of this run */
    double communication_ms;  /* of a step, mean over the workers and the steps of this process */
} co_event_run_end;

/* Of a tensor; what it counts is a co_histogram in a blob (event/blob.h). */
typedef struct co_event_histogram {
    uint64_t step;
    uint32_t epoch;    /* from 1 */
    uint32_t gradient; /* not 0: of the gradient, else of the weights */
    uint32_t blob;
} co_event_histogram;

/* A sample that was taken for something else: a co_mistake in a blob. */
typedef struct co_event_image {
    uint64_t step;  /* steps done */
    uint32_t epoch; /* epochs done */
    uint32_t blob;
} co_event_image;

/* A place in the stream of events. */
typedef struct co_event_mark {
    uint64_t id; /* 1, 2, ... */
} co_event_mark;

typedef struct co_event {
    uint32_t kind; /* co_event_kind */
    uint32_t rank;
    double seconds; /* since the run started, monotonic */
    union {
        co_event_run_start run_start;
        co_event_step step;
        co_event_evaluation evaluation;
        co_event_epoch_end epoch_end;
        co_event_note note;
        co_event_run_end run_end;
        co_event_histogram histogram;
        co_event_image image;
        co_event_mark mark;
    };
} co_event;

_Static_assert(sizeof(co_event) <= CO_EVENT_SIZE_MAX, "an event is copied at every step");

/* "run_start", "step", ...; "?" for an unknown value. The same for the others. */
const char *co_event_kind_name(uint32_t kind);
const char *co_event_split_name(uint32_t split); /* "train", "val", "test" */
const char *co_level_name(uint32_t level);       /* "DEBUG", "INFO", "WARNING", "ERROR" */
const char *co_outcome_name(uint32_t outcome);   /* "running", "finished", "preempted", "failed" */

/* Copies a name into an event's field, cut after a whole character if it is too long. */
void co_event_set_name(char field[CO_EVENT_NAME_SIZE], const char *name);

/* Fills a note with as much of the text as fits and returns the rest ("" when that was all). */
const char *co_event_set_note(co_event_note *note, co_level level, const char *text);

#endif
