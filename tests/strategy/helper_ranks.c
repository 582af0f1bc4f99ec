#include "strategy/helper_ranks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_GATHER = -1 };

typedef struct message {
    struct message *next;
    int from;
    int to;
    int tag;
    size_t bytes;
    char data[];
} message;

typedef struct world {
    pthread_mutex_t lock;
    pthread_cond_t sent;
    message *first; /* in the order of sending */
    message *last;
    uint64_t between; /* bytes between hosts */
    pthread_barrier_t hosts[RANKS_MOST];
    void *parts[RANKS_MOST]; /* of the window, by rank */
    int host_of[RANKS_MOST];
    char names[RANKS_MOST][CO_HOST_NAME_SIZE];
    void (*work)(co_comm *comm, void *context);
    void *context;
} world;

typedef struct rank {
    co_comm base;
    world *world;
    void *parts[RANKS_MOST]; /* of its host's ranks */
    co_window window;
    pthread_t thread;
} rank;

typedef struct receipt {
    void *data;
    size_t bytes;
    int from;
    int tag;
} receipt;

static void put(rank *me, const void *data, size_t bytes, int to, int tag)
{
    world *w = me->world;
    message *m = malloc(sizeof(*m) + bytes);
    *m = (message){.from = me->base.rank, .to = to, .tag = tag, .bytes = bytes};
    memcpy(m->data, data, bytes);
    pthread_mutex_lock(&w->lock);
    if (w->last != NULL) {
        w->last->next = m;
    } else {
        w->first = m;
    }
    w->last = m;
    if (tag != TAG_GATHER && w->host_of[to] != me->base.host) {
        w->between += bytes;
    }
    pthread_cond_broadcast(&w->sent);
    pthread_mutex_unlock(&w->lock);
}

/* The oldest such message, unlinked; NULL when there is none. */
static message *take(world *w, int from, int to, int tag)
{
    message *before = NULL;
    for (message *m = w->first; m != NULL; before = m, m = m->next) {
        if (m->from == from && m->to == to && m->tag == tag) {
            if (before != NULL) {
                before->next = m->next;
            } else {
                w->first = m->next;
            }
            w->last = w->last == m ? before : w->last;
            return m;
        }
    }
    return NULL;
}

static void get(rank *me, void *data, size_t bytes, int from, int tag)
{
    world *w = me->world;
    message *m = NULL;
    pthread_mutex_lock(&w->lock);
    while ((m = take(w, from, me->base.rank, tag)) == NULL) {
        pthread_cond_wait(&w->sent, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    if (m->bytes != bytes) {
        abort(); /* the two sides do not mean the same message */
    }
    memcpy(data, m->data, bytes);
    free(m);
}

static co_status start_send(co_comm *comm, const void *data, size_t bytes, int to, int tag,
                            co_request *out, co_error *err)
{
    (void)err;
    put((rank *)comm, data, bytes, to, tag);
    *out = (co_request){.peer = to};
    return CO_OK;
}

static co_status start_receive(co_comm *comm, void *data, size_t bytes, int from, int tag,
                               co_request *out, co_error *err)
{
    (void)comm;
    (void)err;
    receipt *r = malloc(sizeof(*r));
    *r = (receipt){data, bytes, from, tag};
    *out = (co_request){.handle = r, .peer = from};
    return CO_OK;
}

static co_status wait_all(co_comm *comm, co_request *requests, int count, co_error *err)
{
    (void)err;
    for (int i = 0; i < count; i++) {
        receipt *r = requests[i].handle;
        if (r != NULL) {
            get((rank *)comm, r->data, r->bytes, r->from, r->tag);
            free(r);
            requests[i].handle = NULL;
        }
    }
    return CO_OK;
}

static co_status gather(co_comm *comm, const void *mine, size_t bytes, void *all, co_error *err)
{
    (void)err;
    for (int other = 0; other < comm->size; other++) {
        put((rank *)comm, mine, bytes, other, TAG_GATHER);
    }
    for (int other = 0; other < comm->size; other++) {
        get((rank *)comm, (char *)all + (size_t)other * bytes, bytes, other, TAG_GATHER);
    }
    return CO_OK;
}

static co_status broadcast(co_comm *comm, void *data, size_t bytes, int root, co_error *err)
{
    char *all = malloc(bytes * (size_t)comm->size);
    co_status status = gather(comm, data, bytes, all, err);
    memcpy(data, all + (size_t)root * bytes, bytes);
    free(all);
    return status;
}

static co_status start_sum(co_comm *comm, float *data, size_t count, co_request *out, co_error *err)
{
    float *all = malloc(count * sizeof(float) * (size_t)comm->size);
    co_status status = gather(comm, data, count * sizeof(float), all, err);
    for (size_t i = 0; i < count; i++) {
        data[i] = 0.0F;
        for (int r = 0; r < comm->size; r++) {
            data[i] += all[(size_t)r * count + i];
        }
    }
    free(all);
    *out = (co_request){.peer = -1};
    return status;
}

static void progress(co_comm *comm, co_request *requests, int count)
{
    (void)comm;
    (void)requests;
    (void)count;
}

static co_status window_barrier(co_window *window, co_error *err)
{
    (void)err;
    rank *me = (rank *)window->comm;
    (void)pthread_barrier_wait(&me->world->hosts[me->base.host]);
    return CO_OK;
}

static co_status window_open(co_comm *comm, size_t bytes, co_window **out, co_error *err)
{
    rank *me = (rank *)comm;
    me->window = (co_window){comm, comm->host_size, me->parts};
    void *part = NULL;
    if (posix_memalign(&part, 64, (bytes + 63) / 64 * 64) != 0) {
        abort();
    }
    memset(part, 0, bytes);
    me->world->parts[comm->rank] = part;
    co_status status = window_barrier(&me->window, err);
    for (int other = 0, i = 0; other < comm->size; other++) {
        if (comm->host_of[other] == comm->host) {
            me->parts[i++] = me->world->parts[other];
        }
    }
    *out = &me->window;
    return status;
}

static void window_close(co_window *window)
{
    co_error ignored;
    (void)!window_barrier(window, &ignored);
    free(window->part[window->comm->host_rank]);
}

static const co_comm_ops rank_ops = {
    .name = "threads",
    .broadcast = broadcast,
    .gather = gather,
    .start_sum = start_sum,
    .start_send = start_send,
    .start_receive = start_receive,
    .wait = wait_all,
    .progress = progress,
    .window_open = window_open,
    .window_close = window_close,
    .window_barrier = window_barrier,
};

static void *run(void *arg)
{
    rank *me = arg;
    me->world->work(&me->base, me->world->context);
    return NULL;
}

uint64_t ranks_run(int size, const int *host_of, void (*work)(co_comm *comm, void *context),
                   void *context)
{
    world w = {.work = work, .context = context};
    rank ranks[RANKS_MOST] = {0};
    int on_host[RANKS_MOST] = {0};
    int hosts = 0;
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.sent, NULL);
    memcpy(w.host_of, host_of, (size_t)size * sizeof(int));
    for (int r = 0; r < size; r++) {
        ranks[r].base.host_rank = on_host[host_of[r]]++;
        hosts = host_of[r] >= hosts ? host_of[r] + 1 : hosts;
    }
    for (int host = 0; host < hosts; host++) {
        pthread_barrier_init(&w.hosts[host], NULL, (unsigned)on_host[host]);
    }
    for (int r = 0; r < size; r++) {
        co_comm *comm = &ranks[r].base;
        comm->pulse = &comm->own_pulse;
        comm->ops = &rank_ops;
        comm->rank = r;
        comm->size = size;
        comm->host = host_of[r];
        comm->hosts = hosts;
        comm->host_size = on_host[host_of[r]];
        comm->host_of = w.host_of;
        comm->names = (const char(*)[CO_HOST_NAME_SIZE])w.names;
        comm->clock = co_clock_system;
        comm->phase = "test";
        ranks[r].world = &w;
        pthread_create(&ranks[r].thread, NULL, run, &ranks[r]);
    }
    for (int r = 0; r < size; r++) {
        pthread_join(ranks[r].thread, NULL);
    }
    for (int host = 0; host < hosts; host++) {
        pthread_barrier_destroy(&w.hosts[host]);
    }
    if (w.first != NULL) {
        abort(); /* a message that nobody wanted */
    }
    pthread_cond_destroy(&w.sent);
    pthread_mutex_destroy(&w.lock);
    return w.between;
}
