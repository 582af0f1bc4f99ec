#include "train/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { HEADER_BYTES = 128 };

struct co_trace {
    const co_files *files; /* borrowed */
    const co_model *model; /* borrowed */
    char *path;
    float *row; /* (values) */
    size_t values;
    uint64_t rows;
    int fd;
};

static size_t count_values(const co_graph *graph)
{
    size_t count = 0;
    for (int i = 0; i < graph->param_count; i++) {
        count += graph->params[i].count;
    }
    for (int i = 0; i < graph->stat_count; i++) {
        count += graph->stats[i].count;
    }
    return count;
}

static uint64_t bytes_of_rows(const co_trace *trace, uint64_t rows)
{
    return HEADER_BYTES + rows * trace->values * sizeof(float);
}

/* NumPy's format 1.0; the header has room for any number of rows. */
static void fill_header(const co_trace *trace, char out[HEADER_BYTES])
{
    enum { PREFIX = 10 };
    static const char magic[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, HEADER_BYTES - PREFIX, 0};
    memset(out, ' ', HEADER_BYTES);
    memcpy(out, magic, PREFIX);
    int length = snprintf(out + PREFIX, HEADER_BYTES - PREFIX,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %zu), }",
                          (unsigned long long)trace->rows, trace->values);
    out[PREFIX + length] = ' ';
    out[HEADER_BYTES - 1] = '\n';
}

static co_status write_at(const co_trace *trace, uint64_t offset, const void *data, size_t bytes,
                          co_error *err)
{
    const co_files *files = trace->files;
    const char *next = data;
    size_t left = bytes;
    if (lseek(trace->fd, (off_t)offset, SEEK_SET) < 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot write %s", trace->path);
    }
    while (left > 0) {
        ssize_t count = files->write(files->context, trace->fd, next, left);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return co_fail_errno(err, CO_FILE, count < 0 ? errno : ENOSPC, "cannot write %s",
                                 trace->path);
        }
        next += count;
        left -= (size_t)count;
    }
    return CO_OK;
}

static co_status write_header(const co_trace *trace, co_error *err)
{
    char header[HEADER_BYTES];
    fill_header(trace, header);
    return write_at(trace, 0, header, sizeof(header), err);
}

co_status co_trace_cut(co_trace *trace, uint64_t rows, co_error *err)
{
    struct stat info;
    uint64_t bytes = bytes_of_rows(trace, rows);
    if (fstat(trace->fd, &info) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot read %s", trace->path);
    }
    if (rows > 0 && (uint64_t)info.st_size < bytes) {
        return co_fail(err, CO_FILE,
                       "%s: has %lld bytes, but %llu rows were written: it was changed",
                       trace->path, (long long)info.st_size, (unsigned long long)rows);
    }
    if (ftruncate(trace->fd, (off_t)bytes) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot cut %s to %llu bytes", trace->path,
                             (unsigned long long)bytes);
    }
    trace->rows = rows;
    return write_header(trace, err);
}

static co_status open_file(co_trace *trace, const char *path, uint64_t rows, co_error *err)
{
    const co_files *files = trace->files;
    void *block = NULL;
    CO_TRY(co_strdup(path, &trace->path, err));
    CO_TRY(co_alloc(trace->values, sizeof(float), "row of the trajectory", &block, err));
    trace->row = block;
    trace->fd = files->open(files->context, path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (trace->fd < 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot create %s", path);
    }
    return co_trace_cut(trace, rows, err);
}

co_status co_trace_open(const co_files *files, const char *path, const co_model *model,
                        uint64_t rows, co_trace **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_trace), "trajectory", &block, err));
    co_trace *trace = block;
    trace->files = files;
    trace->model = model;
    trace->values = count_values(model->graph);
    trace->fd = -1;
    co_status status = open_file(trace, path, rows, err);
    if (status != CO_OK) {
        co_trace_close(trace);
        return status;
    }
    *out = trace;
    return CO_OK;
}

void co_trace_close(co_trace *trace)
{
    if (trace == NULL) {
        return;
    }
    if (trace->fd >= 0) {
        (void)trace->files->close(trace->files->context, trace->fd);
    }
    co_free(trace->row);
    co_free(trace->path);
    co_free(trace);
}

static size_t flatten(float *row, const co_tensor *tensors, int count, const float *values)
{
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        memcpy(row + at, values + tensors[i].offset, tensors[i].count * sizeof(float));
        at += tensors[i].count;
    }
    return at;
}

co_status co_trace_add(co_trace *trace, co_error *err)
{
    const co_model *model = trace->model;
    const co_graph *graph = model->graph;
    size_t done = flatten(trace->row, graph->params, graph->param_count, model->params);
    (void)flatten(trace->row + done, graph->stats, graph->stat_count, model->stats);
    CO_TRY(write_at(trace, bytes_of_rows(trace, trace->rows), trace->row,
                    trace->values * sizeof(float), err));
    trace->rows++;
    return write_header(trace, err);
}

bool co_trace_wants(uint32_t index, uint32_t steps, uint32_t saves)
{
    /* numpy.linspace(0, steps - 1, saves)[k] = k * ((steps - 1) / (saves - 1)), cut to an integer;
     * its last value is steps - 1 exactly. */
    for (uint32_t k = 0; k < saves; k++) {
        double interval = saves > 1 ? (double)(steps - 1) / (double)(saves - 1) : 0.0;
        double value = k + 1 == saves && saves > 1 ? (double)(steps - 1) : (double)k * interval;
        if (index == (uint32_t)value) {
            return true;
        }
    }
    return false;
}
