/* Settings with a fixed set of values: X(constant, word). The order is that of the help. */
#ifndef CO_CONF_CHOICES_H
#define CO_CONF_CHOICES_H

#define CO_PROFILE_CHOICES(X)                                                                      \
    X(CO_CONF_PROFILE_NONE, "none")                                                                \
    X(CO_CONF_PROFILE_DEMO, "demo")                                                                \
    X(CO_CONF_PROFILE_S1, "s1")                                                                    \
    X(CO_CONF_PROFILE_S2, "s2")                                                                    \
    X(CO_CONF_PROFILE_S3, "s3")                                                                    \
    X(CO_CONF_PROFILE_S4, "s4")

#define CO_NORMALIZE_CHOICES(X)                                                                    \
    X(CO_CONF_NORMALIZE_DATASET, "dataset")                                                        \
    X(CO_CONF_NORMALIZE_HALF, "half")                                                              \
    X(CO_CONF_NORMALIZE_IMAGENET, "imagenet")                                                      \
    X(CO_CONF_NORMALIZE_CIFAR10, "cifar10")                                                        \
    X(CO_CONF_NORMALIZE_CIFAR100, "cifar100")                                                      \
    X(CO_CONF_NORMALIZE_SCALAR, "scalar")                                                          \
    X(CO_CONF_NORMALIZE_CHANNEL, "channel")                                                        \
    X(CO_CONF_NORMALIZE_NONE, "none")

#define CO_FLIP_CHOICES(X)                                                                         \
    X(CO_CONF_FLIP_NONE, "none")                                                                   \
    X(CO_CONF_FLIP_RANDOM, "random")                                                               \
    X(CO_CONF_FLIP_ALTERNATING, "alternating")

#define CO_TTA_CHOICES(X)                                                                          \
    X(CO_CONF_TTA_NONE, "none")                                                                    \
    X(CO_CONF_TTA_FLIP, "flip")
#define CO_BAD_SAMPLES_CHOICES(X)                                                                  \
    X(CO_CONF_BAD_SAMPLES_ERROR, "error")                                                          \
    X(CO_CONF_BAD_SAMPLES_SKIP, "skip")

#define CO_OPTIMIZER_CHOICES(X)                                                                    \
    X(CO_CONF_OPTIMIZER_SGD, "sgd")                                                                \
    X(CO_CONF_OPTIMIZER_ADAM, "adam")                                                              \
    X(CO_CONF_OPTIMIZER_ADAMW, "adamw")

#define CO_SCHEDULE_CHOICES(X)                                                                     \
    X(CO_CONF_SCHEDULE_CONSTANT, "constant")                                                       \
    X(CO_CONF_SCHEDULE_STEP, "step")                                                               \
    X(CO_CONF_SCHEDULE_EXPONENTIAL, "exponential")                                                 \
    X(CO_CONF_SCHEDULE_COSINE, "cosine")                                                           \
    X(CO_CONF_SCHEDULE_PIECEWISE_LINEAR, "piecewise-linear")

#define CO_NAN_POLICY_CHOICES(X)                                                                   \
    X(CO_CONF_NAN_STOP, "stop")                                                                    \
    X(CO_CONF_NAN_SKIP, "skip")                                                                    \
    X(CO_CONF_NAN_ROLLBACK, "rollback")

#define CO_METRIC_CHOICES(X)                                                                       \
    X(CO_CONF_METRIC_TEST_ACCURACY, "test-accuracy")                                               \
    X(CO_CONF_METRIC_TEST_LOSS, "test-loss")                                                       \
    X(CO_CONF_METRIC_VAL_ACCURACY, "val-accuracy")                                                 \
    X(CO_CONF_METRIC_VAL_LOSS, "val-loss")                                                         \
    X(CO_CONF_METRIC_TRAIN_ACCURACY, "train-accuracy")                                             \
    X(CO_CONF_METRIC_TRAIN_LOSS, "train-loss")

#define CO_EVALUATE_AT_CHOICES(X)                                                                  \
    X(CO_CONF_EVALUATE_AT_END, "end")                                                              \
    X(CO_CONF_EVALUATE_AT_START, "start")

#define CO_PROGRESS_CHOICES(X)                                                                     \
    X(CO_CONF_PROGRESS_AUTO, "auto")                                                               \
    X(CO_CONF_PROGRESS_ON, "on")                                                                   \
    X(CO_CONF_PROGRESS_OFF, "off")

#define CO_TENSORBOARD_NAMES_CHOICES(X)                                                            \
    X(CO_CONF_TENSORBOARD_S2, "s2")                                                                \
    X(CO_CONF_TENSORBOARD_S1, "s1")

#define CO_SORT_CHOICES(X)                                                                         \
    X(CO_CONF_SORT_NAME, "name")                                                                   \
    X(CO_CONF_SORT_STARTED, "started")                                                             \
    X(CO_CONF_SORT_ACCURACY, "accuracy")                                                           \
    X(CO_CONF_SORT_LOSS, "loss")

#define CO_BACKEND_CHOICES(X)                                                                      \
    X(CO_CONF_BACKEND_DNNL, "dnnl")                                                                \
    X(CO_CONF_BACKEND_REF, "ref")

#define CO_ISA_CHOICES(X)                                                                          \
    X(CO_CONF_ISA_AUTO, "auto")                                                                    \
    X(CO_CONF_ISA_AVX512, "avx512")                                                                \
    X(CO_CONF_ISA_AVX2, "avx2")                                                                    \
    X(CO_CONF_ISA_PLAIN, "plain")

#define CO_PARTITION_CHOICES(X)                                                                    \
    X(CO_CONF_PARTITION_SAMPLER, "sampler")                                                        \
    X(CO_CONF_PARTITION_SHARD, "shard")                                                            \
    X(CO_CONF_PARTITION_WHOLE, "whole")                                                            \
    X(CO_CONF_PARTITION_DATASET, "dataset")                                                        \
    X(CO_CONF_PARTITION_LABELS, "labels")                                                          \
    X(CO_CONF_PARTITION_LABELS_UNSCALED, "labels-unscaled")                                        \
    X(CO_CONF_PARTITION_DIRICHLET, "dirichlet")

#define CO_UNEVEN_CHOICES(X)                                                                       \
    X(CO_CONF_UNEVEN_PAD, "pad")                                                                   \
    X(CO_CONF_UNEVEN_DROP, "drop")

#define CO_REDUCE_CHOICES(X)                                                                       \
    X(CO_CONF_REDUCE_FAST, "fast")                                                                 \
    X(CO_CONF_REDUCE_ORDERED, "ordered")

#define CO_LR_SCALING_CHOICES(X)                                                                   \
    X(CO_CONF_LR_SCALING_NONE, "none")                                                             \
    X(CO_CONF_LR_SCALING_LINEAR, "linear")                                                         \
    X(CO_CONF_LR_SCALING_SQRT, "sqrt")

#define CO_BN_WORKERS_CHOICES(X)                                                                   \
    X(CO_CONF_BN_WORKERS_LOCAL, "local")                                                           \
    X(CO_CONF_BN_WORKERS_AVERAGE, "average")                                                       \
    X(CO_CONF_BN_WORKERS_SYNC, "sync")

#define CO_CHOICE_CONSTANT(constant, word) constant,
#define CO_CHOICE_WORD(constant, word)     word,

typedef enum co_conf_profile { CO_PROFILE_CHOICES(CO_CHOICE_CONSTANT) } co_conf_profile;
typedef enum co_conf_normalize { CO_NORMALIZE_CHOICES(CO_CHOICE_CONSTANT) } co_conf_normalize;
typedef enum co_conf_flip { CO_FLIP_CHOICES(CO_CHOICE_CONSTANT) } co_conf_flip;
typedef enum co_conf_tta { CO_TTA_CHOICES(CO_CHOICE_CONSTANT) } co_conf_tta;
typedef enum co_conf_bad_samples { CO_BAD_SAMPLES_CHOICES(CO_CHOICE_CONSTANT) } co_conf_bad_samples;
typedef enum co_conf_optimizer { CO_OPTIMIZER_CHOICES(CO_CHOICE_CONSTANT) } co_conf_optimizer;
typedef enum co_conf_schedule { CO_SCHEDULE_CHOICES(CO_CHOICE_CONSTANT) } co_conf_schedule;
typedef enum co_conf_nan_policy { CO_NAN_POLICY_CHOICES(CO_CHOICE_CONSTANT) } co_conf_nan_policy;
typedef enum co_conf_metric { CO_METRIC_CHOICES(CO_CHOICE_CONSTANT) } co_conf_metric;
typedef enum co_conf_evaluate_at { CO_EVALUATE_AT_CHOICES(CO_CHOICE_CONSTANT) } co_conf_evaluate_at;
typedef enum co_conf_progress { CO_PROGRESS_CHOICES(CO_CHOICE_CONSTANT) } co_conf_progress;
typedef enum co_conf_tensorboard_names {
    CO_TENSORBOARD_NAMES_CHOICES(CO_CHOICE_CONSTANT)
} co_conf_tensorboard_names;
typedef enum co_conf_sort { CO_SORT_CHOICES(CO_CHOICE_CONSTANT) } co_conf_sort;
typedef enum co_conf_backend { CO_BACKEND_CHOICES(CO_CHOICE_CONSTANT) } co_conf_backend;
typedef enum co_conf_partition { CO_PARTITION_CHOICES(CO_CHOICE_CONSTANT) } co_conf_partition;
typedef enum co_conf_uneven { CO_UNEVEN_CHOICES(CO_CHOICE_CONSTANT) } co_conf_uneven;
typedef enum co_conf_reduce { CO_REDUCE_CHOICES(CO_CHOICE_CONSTANT) } co_conf_reduce;
typedef enum co_conf_lr_scaling { CO_LR_SCALING_CHOICES(CO_CHOICE_CONSTANT) } co_conf_lr_scaling;
typedef enum co_conf_bn_workers { CO_BN_WORKERS_CHOICES(CO_CHOICE_CONSTANT) } co_conf_bn_workers;
typedef enum co_conf_isa { CO_ISA_CHOICES(CO_CHOICE_CONSTANT) } co_conf_isa;

#endif
