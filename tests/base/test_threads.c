/* The thread team: every member runs exactly once, and what it wrote is seen after the run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/threads.h"

enum { MEMBERS_MAX = 7, RUNS = 200, COUNT = 1000 };

typedef struct job {
    int calls[MEMBERS_MAX];   /* by member; no two members share an element */
    int threads[MEMBERS_MAX]; /* the size of the team as that member saw it */
    int64_t squares[COUNT];
} job;

static void work(void *arg, int thread, int threads)
{
    job *mine = arg;
    int begin = 0;
    int end = 0;
    mine->calls[thread]++;
    mine->threads[thread] = threads;
    co_team_share(COUNT, thread, threads, &begin, &end);
    for (int i = begin; i < end; i++) {
        mine->squares[i] += (int64_t)i * i;
    }
}

static void test_every_member_runs_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= MEMBERS_MAX; threads++) {
        co_error err;
        co_team *team = NULL;
        assert_int_equal(co_team_create(threads, &team, &err), CO_OK);
        assert_int_equal(co_team_threads(team), threads);
        job one;
        memset(&one, 0, sizeof(one));
        for (int run = 1; run <= RUNS; run++) {
            co_team_run(team, work, &one);
            for (int i = 0; i < threads; i++) {
                assert_int_equal(one.calls[i], run);
                assert_int_equal(one.threads[i], threads);
            }
        }
        for (int i = threads; i < MEMBERS_MAX; i++) {
            assert_int_equal(one.calls[i], 0);
        }
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(one.squares[i], (int64_t)RUNS * i * i);
        }
        co_team_destroy(team);
    }
}

static void test_teams_do_not_mix(void **state)
{
    (void)state;
    co_error err;
    co_team *teams[2] = {NULL, NULL};
    assert_int_equal(co_team_create(2, &teams[0], &err), CO_OK);
    assert_int_equal(co_team_create(3, &teams[1], &err), CO_OK);
    job jobs[2];
    memset(jobs, 0, sizeof(jobs));
    for (int run = 0; run < RUNS; run++) {
        co_team_run(teams[run % 2], work, &jobs[run % 2]);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(jobs[i].calls[0], RUNS / 2);
        assert_int_equal(jobs[i].calls[1], RUNS / 2);
        assert_int_equal(jobs[i].threads[1], 2 + i);
        co_team_destroy(teams[i]);
    }
    co_team_destroy(NULL);
}

static void test_shares_cover_the_range(void **state)
{
    (void)state;
    for (int count = 0; count <= 40; count++) {
        for (int threads = 1; threads <= 9; threads++) {
            int next = 0;
            for (int thread = 0; thread < threads; thread++) {
                int begin = -1;
                int end = -1;
                co_team_share(count, thread, threads, &begin, &end);
                assert_int_equal(begin, next);
                assert_true(end - begin == count / threads || end - begin == count / threads + 1);
                next = end;
            }
            assert_int_equal(next, count);
        }
    }
}

static void test_processors(void **state)
{
    (void)state;
    assert_true(co_cpu_count() >= 1);
    assert_true(strcmp(co_team_kind(), "OpenMP") == 0 ||
                strcmp(co_team_kind(), "POSIX threads") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_member_runs_once),
        cmocka_unit_test(test_teams_do_not_mix),
        cmocka_unit_test(test_shares_cover_the_range),
        cmocka_unit_test(test_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
