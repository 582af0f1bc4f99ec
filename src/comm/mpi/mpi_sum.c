/* Sums of a simulation. SimGrid's own collectives that do not block are linear in the ranks, and
 * its blocking ones leave nothing to overlap. So a sum is made of messages between pairs here, by
 * Rabenseifner's algorithm: ranks exchange halves, quarters, eighths ... of the buffer and add what
 * they get, until each has a piece of the whole sum, and then take the same way back, handing out
 * sums. Where the ranks are no power of two, some give all they have to a neighbour before, and
 * get the sum from it afterwards. A round begins when the one before it is complete and its rank
 * looks (co_mpi_progress, co_mpi_wait): messages are under way while the rank computes. */
#include "comm/mpi/mpi_comm.h"

#ifdef CO_COMM_SIM

#include "base/alloc.h"

enum { TAG_BELL = 999, TAG_FIRST = 1000, TAGS = 20000 };

/* What a round does; a range of 0 floats: nothing. */
typedef struct exchange {
    int peer;
    size_t send_begin;
    size_t send_count;
    size_t take_begin;
    size_t take_count;
    bool add; /* what is taken is added, or else put in its place */
} exchange;

struct co_sim_sum {
    co_sim_sum *next; /* of those not in use */
    mpi_comm *comm;
    float *data;
    size_t count;
    float *inbox;
    size_t inbox_floats;
    int tag;
    int round;
    int rounds;
    exchange now;
    MPI_Request parts[2]; /* of the round under way */
};

typedef struct range {
    size_t begin;
    size_t end;
} range;

/* The ranks that exchange halves: a power of two; `extra` others are served by a neighbour. */
typedef struct circle {
    int members;
    int levels;
    int extra;
    int place; /* of this rank; -1: a neighbour serves it */
} circle;

static circle circle_of(const co_comm *comm)
{
    circle c = {.members = 1};
    while (2 * c.members <= comm->size) {
        c.members *= 2;
        c.levels++;
    }
    c.extra = comm->size - c.members;
    c.place = comm->rank - c.extra;
    if (comm->rank < 2 * c.extra) {
        c.place = comm->rank % 2 == 1 ? comm->rank / 2 : -1;
    }
    return c;
}

static int rank_at(const circle *c, int place)
{
    return place < c->extra ? 2 * place + 1 : place + c->extra;
}

/* What is left to a place after so many halvings. */
static range left_to(size_t count, int place, int level)
{
    range r = {0, count};
    for (int i = 0; i < level; i++) {
        size_t middle = r.begin + (r.end - r.begin) / 2;
        if ((place >> i) % 2 == 0) {
            r.end = middle;
        } else {
            r.begin = middle;
        }
    }
    return r;
}

/* The first and the last round, of a rank and the neighbour that serves it. */
static exchange serve(const co_sim_sum *sum, const circle *c, bool first)
{
    const int rank = sum->comm->base.rank;
    exchange out = {.add = first};
    if (rank >= 2 * c->extra) {
        return out;
    }
    out.peer = rank ^ 1;
    if ((c->place < 0) == first) {
        out.send_count = sum->count;
    } else {
        out.take_count = sum->count;
    }
    return out;
}

static exchange exchange_of(const co_sim_sum *sum, int round)
{
    const circle c = circle_of(&sum->comm->base);
    exchange out = {0};
    if (round == 0 || round == 2 * c.levels + 1) {
        return serve(sum, &c, round == 0);
    }
    if (c.place < 0) {
        return out;
    }
    out.add = round <= c.levels;
    int level = out.add ? round - 1 : 2 * c.levels - round;
    int partner = c.place ^ (1 << level);
    range mine = left_to(sum->count, c.place, level + 1);
    range its = left_to(sum->count, partner, level + 1);
    range taken = out.add ? mine : its;
    range sent = out.add ? its : mine;
    out.peer = rank_at(&c, partner);
    out.send_begin = sent.begin;
    out.send_count = sent.end - sent.begin;
    out.take_begin = taken.begin;
    out.take_count = taken.end - taken.begin;
    return out;
}

/* Begins the next round that has something to do; none is left: round == rounds. */
static co_status begin_round(co_sim_sum *sum, co_error *err)
{
    exchange *now = &sum->now;
    for (; sum->round < sum->rounds; sum->round++) {
        *now = exchange_of(sum, sum->round);
        if (now->take_count > 0) {
            float *into = now->add ? sum->inbox : sum->data + now->take_begin;
            CO_TRY(co_mpi_check(MPI_Irecv(into, (int)now->take_count, MPI_FLOAT, now->peer,
                                          sum->tag, MPI_COMM_WORLD, &sum->parts[0]),
                                "sum", err));
        }
        if (now->send_count > 0) {
            CO_TRY(
                co_mpi_check(MPI_Isend(sum->data + now->send_begin, (int)now->send_count, MPI_FLOAT,
                                       now->peer, sum->tag, MPI_COMM_WORLD, &sum->parts[1]),
                             "sum", err));
        }
        if (now->take_count + now->send_count > 0) {
            return CO_OK;
        }
    }
    return CO_OK;
}

/* Both messages of a round are there. */
static co_status end_round(co_sim_sum *sum, co_error *err)
{
    const exchange *now = &sum->now;
    if (now->add && !sum->comm->base.sizes_only) {
        float *restrict to = sum->data + now->take_begin;
        const float *restrict from = sum->inbox;
        for (size_t i = 0; i < now->take_count; i++) {
            to[i] += from[i];
        }
    }
    sum->round++;
    return begin_round(sum, err);
}

static bool is_round_complete(const co_sim_sum *sum)
{
    return sum->parts[0] == MPI_REQUEST_NULL && sum->parts[1] == MPI_REQUEST_NULL;
}

static co_status give_inbox(co_sim_sum *sum, co_error *err)
{
    co_comm *comm = &sum->comm->base;
    const circle c = circle_of(comm);
    size_t floats = comm->rank < 2 * c.extra ? sum->count : sum->count - sum->count / 2;
    if (floats <= sum->inbox_floats) {
        return CO_OK;
    }
    void *block = NULL;
    CO_TRY(co_comm_alloc(comm, floats, sizeof(float), "numbers to add", &block, err));
    co_comm_free(comm, sum->inbox);
    sum->inbox = block;
    sum->inbox_floats = floats;
    return CO_OK;
}

static co_status take_free(mpi_comm *comm, co_sim_sum **out, co_error *err)
{
    void *block = comm->free_sums;
    if (block == NULL) {
        CO_TRY(co_alloc(1, sizeof(co_sim_sum), "sum", &block, err));
    } else {
        comm->free_sums = comm->free_sums->next;
    }
    *out = block;
    return CO_OK;
}

static void give_back(co_sim_sum *sum)
{
    sum->next = sum->comm->free_sums;
    sum->comm->free_sums = sum;
}

co_status co_sim_sum_start(mpi_comm *comm, float *data, size_t count, co_sim_sum **out,
                           co_error *err)
{
    co_sim_sum *sum = NULL;
    CO_TRY(take_free(comm, &sum, err));
    sum->comm = comm;
    sum->data = data;
    sum->count = count;
    sum->tag = TAG_FIRST + (int)(comm->sums++ % TAGS);
    sum->round = 0;
    sum->rounds = 2 * circle_of(&comm->base).levels + 2;
    sum->parts[0] = sum->parts[1] = MPI_REQUEST_NULL;
    co_status status = give_inbox(sum, err);
    if (status == CO_OK) {
        status = begin_round(sum, err);
    }
    if (status != CO_OK) {
        give_back(sum);
        return status;
    }
    *out = sum;
    return CO_OK;
}

/* ---- looking and waiting ---- */

/* (2 count) messages under way, MPI_REQUEST_NULL for none. Returns how many sums are not complete:
 * each of them has one. */
static int list_parts(co_sim_sum *const *sums, int count, MPI_Request *all)
{
    int left = 0;
    for (int i = 0; i < count; i++) {
        left += sums[i]->round < sums[i]->rounds;
        *all++ = sums[i]->parts[0];
        *all++ = sums[i]->parts[1];
    }
    return left;
}

/* Message number `index` of the list has come. */
static co_status take_part(co_sim_sum *const *sums, int index, co_error *err)
{
    co_sim_sum *sum = sums[index / 2];
    sum->parts[index % 2] = MPI_REQUEST_NULL;
    return is_round_complete(sum) ? end_round(sum, err) : CO_OK;
}

static co_status ring(mpi_comm *comm, int bell, co_error *err)
{
    const int rank = comm->base.rank;
    MPI_Request sent = MPI_REQUEST_NULL;
    CO_TRY(co_mpi_check(
        MPI_Irecv(NULL, 0, MPI_BYTE, rank, TAG_BELL, MPI_COMM_WORLD, &comm->bells.requests[bell]),
        "bell", err));
    CO_TRY(co_mpi_check(MPI_Isend(NULL, 0, MPI_BYTE, rank, TAG_BELL, MPI_COMM_WORLD, &sent), "bell",
                        err));
    comm->bells.sent[bell] = MPI_Wtime();
    return co_mpi_check(MPI_Wait(&sent, MPI_STATUS_IGNORE), "bell", err); /* it is buffered */
}

co_status co_sim_sums_open(mpi_comm *comm, co_error *err)
{
    for (int i = 0; i < CO_SIM_BELLS; i++) {
        comm->bells.requests[i] = MPI_REQUEST_NULL;
    }
    if (comm->base.size == 1) {
        return CO_OK;
    }
    CO_TRY(ring(comm, 0, err)); /* one to see how long it takes */
    CO_TRY(co_mpi_check(MPI_Wait(&comm->bells.requests[0], MPI_STATUS_IGNORE), "bell", err));
    comm->bells.takes = 1.01 * (MPI_Wtime() - comm->bells.sent[0]);
    for (int i = 0; i < CO_SIM_BELLS; i++) {
        CO_TRY(ring(comm, i, err));
    }
    return CO_OK;
}

/* MPI_Test and the like leave an entry in a list of SimGrid's (3.32) for every message that they
 * find complete, and all later ones are searched for in that list: the time of a step would grow
 * with the number of steps. Waiting leaves none. So this waits for any message or a bell that has
 * come long ago. More looks than there are bells in the time that a bell takes see nothing. */
co_status co_sim_sums_progress(mpi_comm *comm, co_sim_sum *const *sums, int count, co_error *err)
{
    MPI_Request all[2 * CO_SIM_SUMS + 1];
    const int bell = comm->bells.oldest;
    if (MPI_Wtime() - comm->bells.sent[bell] < comm->bells.takes) {
        return CO_OK;
    }
    while (list_parts(sums, count, all) > 0) {
        int index = 0;
        all[2 * count] = comm->bells.requests[bell];
        CO_TRY(
            co_mpi_check(MPI_Waitany(2 * count + 1, all, &index, MPI_STATUS_IGNORE), "sum", err));
        if (index == 2 * count) {
            comm->bells.oldest = (bell + 1) % CO_SIM_BELLS;
            return ring(comm, bell, err);
        }
        CO_TRY(take_part(sums, index, err));
    }
    return CO_OK;
}

co_status co_sim_sum_wait(co_sim_sum *const *sums, int count, co_error *err)
{
    MPI_Request all[2 * CO_SIM_SUMS];
    while (list_parts(sums, count, all) > 0) {
        int index = 0;
        CO_TRY(co_mpi_check(MPI_Waitany(2 * count, all, &index, MPI_STATUS_IGNORE), "sum", err));
        CO_TRY(take_part(sums, index, err));
    }
    for (int i = 0; i < count; i++) {
        give_back(sums[i]);
    }
    return CO_OK;
}

void co_sim_sums_close(mpi_comm *comm)
{
    for (int i = 0; i < CO_SIM_BELLS; i++) {
        (void)MPI_Wait(&comm->bells.requests[i], MPI_STATUS_IGNORE);
    }
    while (comm->free_sums != NULL) {
        co_sim_sum *sum = comm->free_sums;
        comm->free_sums = sum->next;
        co_comm_free(&comm->base, sum->inbox);
        co_free(sum);
    }
}

#endif
