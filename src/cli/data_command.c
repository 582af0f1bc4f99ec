/* cohort data check | info | generate */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/cli.h"
#include "data/check.h"
#include "data/nt3_draw.h"
#include "train/job.h"

co_status co_cli_data_check(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_dataset_findings), "findings", &block, err));
    co_dataset_findings *findings = block;
    co_status status = co_dataset_check(settings->dataset, settings->dataset_dir, findings, err);
    if (status != CO_OK) {
        co_free(findings);
        return status;
    }
    for (uint64_t i = 0; i < findings->count && i < CO_CHECK_LISTED; i++) {
        printf("%s\n", findings->listed[i].text);
    }
    if (findings->count > CO_CHECK_LISTED) {
        printf("... and %llu more\n", (unsigned long long)(findings->count - CO_CHECK_LISTED));
    }
    uint64_t count = findings->count;
    co_free(findings);
    if (count > 0) {
        return co_fail(err, CO_DATA, "%s: %llu fault%s found", settings->dataset,
                       (unsigned long long)count, count == 1 ? "" : "s");
    }
    printf("%s: no faults found\n", settings->dataset);
    return CO_OK;
}

static void print_classes(const co_dataset_info *info, const co_dataset_summary *summary)
{
    printf("\n  class                           train       test\n");
    for (int c = 0; c < info->classes && c < CO_CHECK_CLASSES; c++) {
        printf("  %4d  %-20s %10u %10u\n", c, info->class_names != NULL ? info->class_names[c] : "",
               summary->histogram[CO_SPLIT_TRAIN][c], summary->histogram[CO_SPLIT_TEST][c]);
    }
}

static void print_left_out(const co_dataset *set)
{
    char told[CO_ERROR_SIZE];
    co_text text = co_text_over(told, sizeof(told));
    co_bad_samples_tell(co_dataset_left_out(set), &text);
    if (text.length > 0) {
        co_cli_print_row(stdout, "bad samples", "%s", told);
    }
}

static co_status print_info(co_dataset *set, co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(set);
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_dataset_summary), "summary", &block, err));
    co_dataset_summary *summary = block;
    co_status status = co_dataset_summarise(set, summary, err);
    if (status == CO_OK) {
        const co_moments *train = &summary->moments[CO_SPLIT_TRAIN];
        const co_moments *test = &summary->moments[CO_SPLIT_TEST];
        printf("%s (%s)\n", info->name, info->format);
        co_cli_print_row(stdout, "sample", "%d x %d x %d (channels, height, width)", info->channels,
                         info->height, info->width);
        co_cli_print_row(stdout, "training samples", "%u", info->samples[CO_SPLIT_TRAIN]);
        co_cli_print_row(stdout, "test samples", "%u", info->samples[CO_SPLIT_TEST]);
        print_left_out(set);
        if (co_dataset_note(set)[0] != '\0') {
            co_cli_print_row(stdout, "cache", "%s", co_dataset_note(set));
        }
        co_cli_print_row(stdout, "pixel mean, deviation", "train %.6f %.6f   test %.6f %.6f",
                         train->mean, train->std, test->mean, test->std);
        co_cli_print_size(stdout, "memory", co_dataset_memory_bytes(set));
        print_classes(info, summary);
    }
    co_free(summary);
    return status;
}

co_status co_cli_data_info(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    co_dataset_options options = co_job_dataset_options(settings);
    options.background = true;
    co_dataset *set = NULL;
    CO_TRY(co_dataset_open(settings->dataset, settings->dataset_dir, &options, &set, err));
    co_status status = print_info(set, err);
    co_dataset_close(set);
    return status;
}

co_status co_cli_data_generate(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    const co_nt3_drawing drawing = {.samples = (uint32_t)settings->samples,
                                    .features = (uint32_t)settings->features,
                                    .seed = settings->seed};
    const char *name = co_dataset_known_name(settings->dataset);
    if (name == NULL || strcmp(name, "nt3") != 0) {
        return co_fail(err, CO_USAGE,
                       "'%.60s' cannot be generated, only nt3 can (glyphs is built in and needs no "
                       "files)",
                       settings->dataset);
    }
    if (settings->dataset_dir == NULL) {
        return co_fail(err, CO_USAGE, "--dir: name the folder to write to");
    }
    CO_TRY(co_nt3_draw(settings->dataset_dir, &drawing, err));
    uint32_t rows[CO_SPLITS];
    co_nt3_drawn_samples(drawing.samples, rows);
    printf("%s: %u training and %u test rows of %u made-up features\n", settings->dataset_dir,
           rows[CO_SPLIT_TRAIN], rows[CO_SPLIT_TEST], drawing.features);
    return CO_OK;
}
