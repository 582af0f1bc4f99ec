/* A training step allocates nothing: whole runs of the loop (loader, agent, plan, loss, strategy,
 * optimizer, schedule, events) of different lengths allocate equally often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "co_build.h"
#include "train/worker.h"

#if !CO_BUILD_SANITIZED && defined(__GLIBC__)

/* The C library's own allocator, behind the names that this program takes over. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_int counting;
static atomic_int counted;

static void count(void)
{
    if (atomic_load(&counting) != 0) {
        atomic_fetch_add(&counted, 1);
    }
}

void *malloc(size_t size)
{
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size)
{
    count();
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count();
    return __libc_memalign(alignment, size);
}

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

/* Allocations, by whatever library, while a run of that many steps trains. */
static int allocations_of(const char *steps, const char *const more[])
{
    char *arguments[24] = {"--train-split",         "0.05", "--no-evaluate",
                           "--log-interval",        "1",    "--max-steps",
                           (char *)(uintptr_t)steps};
    int words = 7;
    for (int i = 0; more[i] != NULL; i++) {
        arguments[words++] = (char *)(uintptr_t)more[i];
    }
    co_error err = {0};
    co_conf conf;
    co_job *job = NULL;
    co_ring *ring = NULL;
    co_train_result result;
    check(co_ring_create(64, &ring, &err), &err);
    const co_announcer announcer = {.ring = ring, .clock = &co_clock_system};
    check(co_conf_load(&conf, CO_COMMAND_TRAIN, words, arguments, NULL, &err), &err);
    check(co_job_open_training(&conf.values, &job, &err), &err);
    atomic_store(&counted, 0);
    atomic_store(&counting, 1);
    check(co_train(job, &announcer, NULL, &result, &err), &err);
    atomic_store(&counting, 0);
    co_job_close(job);
    co_conf_free(&conf);
    co_ring_destroy(ring);
    return atomic_load(&counted);
}

static void a_step_allocates_nothing(void **state)
{
    (void)state;
    static const char *const rows[][16] = {
        {"--threads", "1", "--loader-threads", "0", NULL},
        {"--threads", "2", "--loader-threads", "3", "--model", "mnistnet", NULL},
        {"--threads", "1", "--optimizer", "adam", "--lr-schedule", "cosine", NULL},
        {"--threads", "1", "--regime", "[{epoch: 0, lr: 0.01}, {step: 9, momentum: 0.5}]", NULL},
        {"--threads", "1", "--batch-size", "47", "--drop-last", "--no-shuffle", NULL},
        {"--threads", "1", "--accumulate", "2", "--ema-decay", "0.9", "--clip-norm", "1", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int few = allocations_of("5", rows[i]);
        int many = allocations_of("30", rows[i]);
        print_message("run %zu: %d and %d allocations\n", i, few, many);
        assert_int_equal(few, many);
    }
    atomic_store(&counted, 0);
    atomic_store(&counting, 1);
    free(malloc(1));
    atomic_store(&counting, 0);
    assert_int_equal(atomic_load(&counted), 1); /* the counter counts */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_step_allocates_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    printf("skipped: sanitizers have an allocator of their own\n");
    return 77;
}

#endif
