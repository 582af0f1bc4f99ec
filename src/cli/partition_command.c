/* cohort data partition: a table of who has what, by worker and label. */
#include "base/alloc.h"
#include "cli/cli.h"
#include "data/dataset.h"
#include "data/partition.h"

enum { LABELS_SHOWN = 20, WORKERS_SHOWN = 64 };

static co_partition_kind kind_of(const co_settings *settings)
{
    static const co_partition_kind kinds[] = {
        [CO_CONF_PARTITION_SAMPLER] = CO_PARTITION_WHOLE,
        [CO_CONF_PARTITION_SHARD] = CO_PARTITION_SHARD,
        [CO_CONF_PARTITION_WHOLE] = CO_PARTITION_WHOLE,
        [CO_CONF_PARTITION_DATASET] = CO_PARTITION_DATASET,
        [CO_CONF_PARTITION_LABELS] = CO_PARTITION_LABELS,
        [CO_CONF_PARTITION_LABELS_UNSCALED] = CO_PARTITION_LABELS_UNSCALED,
        [CO_CONF_PARTITION_DIRICHLET] = CO_PARTITION_DIRICHLET,
    };
    return kinds[settings->partition];
}

/* Whether workers may be dealt unequal numbers, of which --uneven then makes equal ones. */
static bool is_dealt(const co_settings *settings)
{
    return settings->partition != CO_CONF_PARTITION_SAMPLER &&
           settings->partition != CO_CONF_PARTITION_WHOLE;
}

static void print_head(int classes, bool dealt)
{
    printf("  worker  samples%s", dealt ? "   dealt" : "");
    for (int c = 0; c < classes && c < LABELS_SHOWN; c++) {
        printf(" %7d", c);
    }
    printf("%s\n", classes > LABELS_SHOWN ? "  ..." : "");
}

/* `before`: as dealt, before the numbers were made equal; NULL: there is no such thing. */
static void print_worker(const co_partition *partition, const co_partition *before, uint32_t worker,
                         const int32_t *labels, int classes, uint32_t *counts)
{
    for (int c = 0; c < classes; c++) {
        counts[c] = 0;
    }
    for (uint32_t i = partition->begin[worker]; i < partition->begin[worker + 1]; i++) {
        counts[labels[partition->indices[i]]]++;
    }
    printf("  %6u %8u", worker, co_partition_count(partition, worker));
    if (before != NULL) {
        printf(" %7u", co_partition_count(before, worker));
    }
    for (int c = 0; c < classes && c < LABELS_SHOWN; c++) {
        if (counts[c] == 0) {
            printf("       .");
        } else {
            printf(" %7u", counts[c]);
        }
    }
    printf("\n");
}

/* What was repeated or left out, so that all workers take the same steps. */
static void print_sum(const co_settings *settings, const co_partition *partition,
                      const co_partition *before)
{
    const uint32_t all = partition->begin[partition->workers];
    const uint32_t dealt = before->begin[before->workers];
    printf("  all    %8u %7u", all, dealt);
    if (all > dealt) {
        printf("   workers with fewer repeat their own: %u times (--uneven pad)", all - dealt);
    } else if (all < dealt) {
        printf("   %u are left out%s", dealt - all,
               settings->partition == CO_CONF_PARTITION_LABELS ? "" : " (--uneven drop)");
    }
    printf("\n");
}

static co_status print_table(const co_settings *settings, const co_dataset *set,
                             const co_partition *partition, const co_partition *before,
                             co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(set);
    void *block = NULL;
    CO_TRY(co_alloc((size_t)info->classes, sizeof(uint32_t), "table", &block, err));
    if (settings->partition == CO_CONF_PARTITION_SAMPLER) {
        printf("every epoch's order is dealt out one by one: all labels to all workers, other "
               "samples every epoch\n");
    }
    printf("training samples of %s by worker and label\n", info->name);
    print_head(info->classes, before != NULL);
    for (uint32_t w = 0; w < partition->workers && w < WORKERS_SHOWN; w++) {
        print_worker(partition, before, w, co_dataset_labels(set, CO_SPLIT_TRAIN), info->classes,
                     block);
    }
    if (partition->workers > WORKERS_SHOWN) {
        printf("  ... and %u more workers\n", partition->workers - WORKERS_SHOWN);
    }
    if (before != NULL) {
        print_sum(settings, partition, before);
    }
    co_free(block);
    return CO_OK;
}

static co_status make_both(const co_settings *settings, const co_partition_rule *rule,
                           const co_subset *train, const co_dataset *set, co_partition *out,
                           co_partition *before, co_error *err)
{
    const int32_t *labels = co_dataset_labels(set, CO_SPLIT_TRAIN);
    const int classes = co_dataset_describe(set)->classes;
    CO_TRY(co_partition_make(rule, train, labels, classes, out, err));
    if (!is_dealt(settings)) {
        return CO_OK;
    }
    co_partition_rule uncut = *rule;
    uncut.uneven = CO_UNEVEN_KEEP;
    if (rule->kind == CO_PARTITION_LABELS) {
        uncut.kind = CO_PARTITION_LABELS_UNSCALED;
    }
    return co_partition_make(&uncut, train, labels, classes, before, err);
}

static co_status show(const co_settings *settings, co_dataset *set, co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(set);
    const co_partition_rule rule = {
        .kind = kind_of(settings),
        .uneven = settings->partition == CO_CONF_PARTITION_LABELS_UNSCALED ? CO_UNEVEN_KEEP
                  : settings->uneven == CO_CONF_UNEVEN_PAD                 ? CO_UNEVEN_PAD
                                                                           : CO_UNEVEN_DROP,
        .alpha = settings->dirichlet_alpha,
        .workers = (uint32_t)settings->workers,
        .seed = settings->seed,
    };
    co_subset train = {0};
    co_subset validation = {0};
    co_partition partition = {0};
    co_partition before = {0};
    CO_TRY(co_dataset_require(set, CO_SPLIT_TRAIN, err));
    CO_TRY(co_subset_split(info->samples[CO_SPLIT_TRAIN], settings->train_split, settings->val,
                           settings->seed, &train, &validation, err));
    co_status status = make_both(settings, &rule, &train, set, &partition, &before, err);
    if (status == CO_OK) {
        status = print_table(settings, set, &partition, before.begin != NULL ? &before : NULL, err);
    }
    co_partition_free(&before);
    co_partition_free(&partition);
    co_subset_free(&train);
    co_subset_free(&validation);
    return status;
}

co_status co_cli_data_partition(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    co_dataset *set = NULL;
    CO_TRY(co_dataset_open(settings->dataset, settings->dataset_dir, NULL, &set, err));
    co_status status = show(settings, set, err);
    co_dataset_close(set);
    return status;
}
