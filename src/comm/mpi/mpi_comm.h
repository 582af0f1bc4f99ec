/* What the files of the MPI engine share. Compiled twice: for Open MPI, and by the rules of
 * SimGrid's smpicc with CO_COMM_SIM. Only here is mpi.h known.
 */
#ifndef CO_COMM_MPI_MPI_COMM_H
#define CO_COMM_MPI_MPI_COMM_H

#include <mpi.h>

#include "comm/comm.h"

_Static_assert(sizeof(MPI_Request) <= sizeof(void *), "a co_request holds an MPI_Request");

enum { CO_SIM_BELLS = 16 };

typedef struct mpi_comm {
    co_comm base;
    MPI_Comm host_comm; /* the ranks of this host */
    int *host_of;
    char (*names)[CO_HOST_NAME_SIZE];
    MPI_Comm tell_comm;         /* for what ranks tell of themselves in a long wait */
    MPI_Request *tell_requests; /* (size) */
    co_pulse told;
    uint64_t told_ns;
    double reference_flops;       /* per second of the host that computing time is declared for */
    struct co_sim_sum *free_sums; /* of a simulation: mpi_sum.c */
    uint64_t sums;                /* that were begun */
    /* Messages of this rank to itself, which those who look at sums wait for beside them. */
    struct {
        MPI_Request requests[CO_SIM_BELLS];
        double sent[CO_SIM_BELLS]; /* virtual time */
        int oldest;
        double takes; /* seconds until one is there */
    } bells;
} mpi_comm;

static inline mpi_comm *mpi_of(co_comm *comm)
{
    return (mpi_comm *)comm;
}

/* co_wait.c: requests, the deadline, broadcast and gather by waiting for their requests. */
co_status co_mpi_wait(co_comm *comm, co_request *requests, int count, co_error *err);
void co_mpi_progress(co_comm *comm, co_request *requests, int count);
/* mpi_tell.c. In a wait that has lasted since start_ns: tells the others what this rank is at,
 * hears them, and looks whether all are in the same collective. */
co_status co_mpi_look(co_comm *comm, uint64_t start_ns, co_error *err);
/* MPI refused a message: where the ranks have gone apart *err says that instead. */
co_status co_mpi_explain(co_comm *comm, co_status status, co_error *err);
co_status co_mpi_tell_open(co_comm *comm, co_error *err);
void co_mpi_tell_close(co_comm *comm);
/* The message of a wait that took too long. */
co_status co_mpi_late(const co_comm *comm, int peer, co_error *err);
/* CO_PEER with MPI's own words unless code is MPI_SUCCESS. */
co_status co_mpi_check(int code, const char *what, co_error *err);

/* mpi_sum.c: the sums of a simulation. One that was started is given back by its wait. */
enum { CO_SIM_SUMS = 256 }; /* that are waited for at a time */
typedef struct co_sim_sum co_sim_sum;
co_status co_sim_sum_start(mpi_comm *comm, float *data, size_t count, co_sim_sum **out,
                           co_error *err);
/* Takes on those of which messages have come. */
co_status co_sim_sums_progress(mpi_comm *comm, co_sim_sum *const *sums, int count, co_error *err);
co_status co_sim_sum_wait(co_sim_sum *const *sums, int count, co_error *err);
/* The bells: of all ranks, before the first sum. */
co_status co_sim_sums_open(mpi_comm *comm, co_error *err);
void co_sim_sums_close(mpi_comm *comm);

/* mpi_window.c */
co_status co_mpi_window_open(co_comm *comm, size_t bytes, co_window **out, co_error *err);
void co_mpi_window_close(co_window *window);
co_status co_mpi_window_barrier(co_window *window, co_error *err);

#endif
