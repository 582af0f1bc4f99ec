#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include "base/alloc.h"

int co_cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 1;
    }
    return CPU_COUNT(&set);
}

#ifdef CO_OPENMP

#include <omp.h>

struct co_team {
    int threads;
};

const char *co_team_kind(void)
{
    return "OpenMP";
}

co_status co_team_create(int threads, co_team **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_team), "thread team", &block, err));
    co_team *team = block;
    team->threads = threads;
    omp_set_dynamic(0);
    omp_set_num_threads(threads);
    *out = team;
    return CO_OK;
}

void co_team_destroy(co_team *team)
{
    co_free(team);
}

void co_team_run(co_team *team, co_team_func func, void *arg)
{
    if (team->threads == 1) {
        func(arg, 0, 1);
        return;
    }
#pragma omp parallel num_threads(team->threads)
    func(arg, omp_get_thread_num(), omp_get_num_threads());
}

#else

/* Resolved at load time when a library (oneDNN) brings OpenMP in; absent otherwise. */
extern void omp_set_num_threads(int threads) __attribute__((weak));

typedef struct member {
    co_team *team;
    int index;
    pthread_t thread;
} member;

struct co_team {
    int threads;
    member *members; /* threads - 1 helpers; the caller is member 0 */
    int started;
    pthread_mutex_t mutex;
    pthread_cond_t work_ready;
    pthread_cond_t work_done;
    unsigned long generation; /* counts runs */
    int running;
    bool closing;
    co_team_func func;
    void *arg;
};

const char *co_team_kind(void)
{
    return "POSIX threads";
}

static void *member_main(void *arg)
{
    member *self = arg;
    co_team *team = self->team;
    unsigned long seen = 0;
    pthread_mutex_lock(&team->mutex);
    for (;;) {
        while (team->generation == seen && !team->closing) {
            pthread_cond_wait(&team->work_ready, &team->mutex);
        }
        if (team->closing) {
            break;
        }
        seen = team->generation;
        pthread_mutex_unlock(&team->mutex);
        team->func(team->arg, self->index, team->threads);
        pthread_mutex_lock(&team->mutex);
        if (--team->running == 0) {
            pthread_cond_signal(&team->work_done);
        }
    }
    pthread_mutex_unlock(&team->mutex);
    return NULL;
}

static co_status start_members(co_team *team, co_error *err)
{
    for (int i = 1; i < team->threads; i++) {
        member *next = &team->members[i - 1];
        next->team = team;
        next->index = i;
        int error = pthread_create(&next->thread, NULL, member_main, next);
        if (error != 0) {
            return co_fail_errno(err, CO_MEMORY, error, "cannot start thread %d of %d", i + 1,
                                 team->threads);
        }
        team->started = i;
    }
    return CO_OK;
}

co_status co_team_create(int threads, co_team **out, co_error *err)
{
    void *block = NULL;
    void *members = NULL;
    CO_TRY(co_alloc(1, sizeof(co_team), "thread team", &block, err));
    co_team *team = block;
    team->threads = threads;
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->work_ready, NULL);
    pthread_cond_init(&team->work_done, NULL);
    co_status status = co_alloc((size_t)threads - 1, sizeof(member), "thread team", &members, err);
    if (status == CO_OK) {
        team->members = members;
        status = start_members(team, err);
    }
    if (status != CO_OK) {
        co_team_destroy(team);
        return status;
    }
    if (omp_set_num_threads != NULL) {
        omp_set_num_threads(threads);
    }
    *out = team;
    return CO_OK;
}

void co_team_destroy(co_team *team)
{
    if (team == NULL) {
        return;
    }
    pthread_mutex_lock(&team->mutex);
    team->closing = true;
    pthread_cond_broadcast(&team->work_ready);
    pthread_mutex_unlock(&team->mutex);
    for (int i = 0; i < team->started; i++) {
        pthread_join(team->members[i].thread, NULL);
    }
    pthread_cond_destroy(&team->work_done);
    pthread_cond_destroy(&team->work_ready);
    pthread_mutex_destroy(&team->mutex);
    co_free(team->members);
    co_free(team);
}

void co_team_run(co_team *team, co_team_func func, void *arg)
{
    if (team->threads == 1) {
        func(arg, 0, 1);
        return;
    }
    pthread_mutex_lock(&team->mutex);
    team->func = func;
    team->arg = arg;
    team->running = team->threads - 1;
    team->generation++;
    pthread_cond_broadcast(&team->work_ready);
    pthread_mutex_unlock(&team->mutex);
    func(arg, 0, team->threads);
    pthread_mutex_lock(&team->mutex);
    while (team->running > 0) {
        pthread_cond_wait(&team->work_done, &team->mutex);
    }
    pthread_mutex_unlock(&team->mutex);
}

#endif

int co_team_threads(const co_team *team)
{
    return team->threads;
}
