/* Waiting: polling with a deadline under Open MPI, blocking under SimGrid, where nobody is ever
 * late and who polls would never see the others. */
#include "comm/mpi/mpi_comm.h"

#include <sched.h>
#include <string.h>

co_status co_mpi_check(int code, const char *what, co_error *err)
{
    if (code == MPI_SUCCESS) {
        return CO_OK;
    }
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    return co_fail(err, CO_PEER, "MPI (%s): %s", what, text);
}

co_status co_mpi_late(const co_comm *comm, int peer, co_error *err)
{
    co_status status = CO_PEER;
    if (peer >= 0) {
        status = co_fail(err, CO_PEER,
                         "rank %d (%s) waited %.0f s for rank %d (%s) in step %llu (%s): is it "
                         "stopped, hung, or cut off?",
                         comm->rank, comm->names[comm->rank], comm->deadline, peer,
                         comm->names[peer], (unsigned long long)comm->step, comm->phase);
    } else {
        status = co_fail(err, CO_PEER,
                         "rank %d (%s) waited %.0f s for the other workers in step %llu (%s): one "
                         "of them is stopped, hung, or cut off.",
                         comm->rank, comm->names[comm->rank], comm->deadline,
                         (unsigned long long)comm->step, comm->phase);
    }
    co_comm_tell_calls(comm, err);
    return status;
}

static MPI_Request request_of(const co_request *request)
{
    MPI_Request out;
    memcpy(&out, &request->handle, sizeof(out));
    return out;
}

#ifdef CO_COMM_SIM

/* A collective under way is a sum of ours. */
static bool is_sum(const co_request *request)
{
    return request->peer < 0 && request->handle != NULL;
}

static co_status list_sums(const co_request *requests, int count, co_sim_sum **sums, int *found,
                           co_error *err)
{
    *found = 0;
    for (int i = 0; i < count; i++) {
        if (is_sum(&requests[i])) {
            if (*found == CO_SIM_SUMS) {
                return co_fail(err, CO_UNSUPPORTED, "more than %d sums at a time", CO_SIM_SUMS);
            }
            sums[(*found)++] = requests[i].handle;
        }
    }
    return CO_OK;
}

static co_status wait_sums(co_request *requests, int count, co_error *err)
{
    co_sim_sum *sums[CO_SIM_SUMS];
    int found = 0;
    CO_TRY(list_sums(requests, count, sums, &found, err));
    for (int i = 0; i < count; i++) {
        requests[i].handle = NULL; /* the others were waited for before */
    }
    return co_sim_sum_wait(sums, found, err);
}

co_status co_mpi_wait(co_comm *comm, co_request *requests, int count, co_error *err)
{
    (void)comm;
    for (int i = 0; i < count; i++) {
        if (requests[i].handle != NULL && !is_sum(&requests[i])) {
            MPI_Request request = request_of(&requests[i]);
            CO_TRY(co_mpi_check(MPI_Wait(&request, MPI_STATUS_IGNORE), "wait", err));
            requests[i].handle = NULL;
        }
    }
    return wait_sums(requests, count, err);
}

/* A fault shows in the wait. */
void co_mpi_progress(co_comm *comm, co_request *requests, int count)
{
    co_sim_sum *sums[CO_SIM_SUMS];
    int found = 0;
    co_error ignored = {0};
    if (list_sums(requests, count, sums, &found, &ignored) == CO_OK && found > 0) {
        (void)!co_sim_sums_progress(mpi_of(comm), sums, found, &ignored);
    }
}

#else

/* Tests one request; *done also for an empty one. */
static co_status test_one(co_request *request, bool *done, co_error *err)
{
    *done = true;
    if (request->handle == NULL) {
        return CO_OK;
    }
    MPI_Request mpi = request_of(request);
    int flag = 0;
    CO_TRY(co_mpi_check(MPI_Test(&mpi, &flag, MPI_STATUS_IGNORE), "wait", err));
    *done = flag != 0;
    if (*done) {
        request->handle = NULL;
    }
    return CO_OK;
}

static co_status wait_one(co_comm *comm, co_request *request, co_wait *wait, co_error *err)
{
    enum { TESTS_BEFORE_YIELD = 100, TESTS_BETWEEN_LOOKS = 256 };
    bool done = false;

    for (unsigned tests = 1;; tests++) {
        co_status status = test_one(request, &done, err);
        if (status != CO_OK) {
            return co_mpi_explain(comm, status, err);
        }
        if (done) {
            return CO_OK;
        }
        if (tests <= TESTS_BEFORE_YIELD) {
            continue;
        }
        sched_yield(); /* on a busy machine a long time: hence the look at the clock each time */
        if (tests % TESTS_BETWEEN_LOOKS == 0) {
            CO_TRY(co_mpi_look(comm, wait->begin_ns, err));
        }
        if (co_comm_wait_looks(comm, wait, request->peer)) {
            return co_mpi_late(comm, request->peer, err);
        }
    }
}

co_status co_mpi_wait(co_comm *comm, co_request *requests, int count, co_error *err)
{
    co_wait wait = co_comm_wait_begin(comm);
    for (int i = 0; i < count; i++) {
        CO_TRY(wait_one(comm, &requests[i], &wait, err));
    }
    return CO_OK;
}

/* Testing one request moves all of them; a fault shows in the wait. */
void co_mpi_progress(co_comm *comm, co_request *requests, int count)
{
    (void)comm;
    co_error ignored = {0};
    bool done = false;
    for (int i = 0; i < count; i++) {
        if (requests[i].handle != NULL) {
            (void)!test_one(&requests[i], &done, &ignored);
            return;
        }
    }
}

#endif
