#include "data/image/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "data/image/jpeg.h"
#include "data/image/png.h"

enum {
    FILE_BYTES_MAX = 1 << 29,
    MAPPED_BYTES_MIN = 1 << 18, /* below, a copy costs less than a mapping */
    REDUCE_MAX = 8,
    CHANNELS = 3,
};

/* JPEG's scaled transforms stand in for a part of the shrinking: as long as the filter still has
 * this factor to do, what differs is small (docs/METHODS.md 3). */
static const double filter_least = 2.0;

struct co_image_reader {
    co_jpeg *jpeg;
    co_image_pixels file;    /* the bytes of a file that is not mapped */
    co_image_pixels decoded; /* rows as stored */
    co_image_pixels narrow;  /* after the pass over rows */
    co_image_pixels row;     /* one row of the sample: sums, then bytes */
    co_resample_axis x;
    co_resample_axis y;
};

co_status co_image_reader_create(co_image_reader **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_image_reader), "image reader", &block, err));
    co_image_reader *reader = block;
    co_status status = co_jpeg_create(&reader->jpeg, err);
    if (status != CO_OK) {
        co_free(reader);
        return status;
    }
    *out = reader;
    return CO_OK;
}

void co_image_reader_destroy(co_image_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    co_jpeg_destroy(reader->jpeg);
    co_free(reader->file.data);
    co_free(reader->decoded.data);
    co_free(reader->narrow.data);
    co_free(reader->row.data);
    co_resample_free(&reader->x);
    co_resample_free(&reader->y);
    co_free(reader);
}

size_t co_image_reader_bytes(const co_image_reader *reader)
{
    return sizeof(*reader) + co_jpeg_bytes(reader->jpeg) + reader->file.capacity +
           reader->decoded.capacity + reader->narrow.capacity + reader->row.capacity +
           reader->x.capacity + reader->y.capacity;
}

/* ---- files ---- */

static co_status copy_file(co_image_reader *reader, int fd, co_image_file *file, co_error *err)
{
    CO_TRY(co_image_pixels_shape(&reader->file, 1, 1, 0, file->size, err));
    size_t done = 0;
    while (done < file->size) {
        ssize_t got = read(fd, reader->file.data + done, file->size - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return co_fail_errno(err, CO_DATA, errno, "%s: byte %zu: cannot be read", file->path,
                                 done);
        }
        if (got == 0) {
            return co_fail(err, CO_DATA, "%s: byte %zu: became shorter while it was read",
                           file->path, done);
        }
        done += (size_t)got;
    }
    file->bytes = reader->file.data;
    return CO_OK;
}

static co_status take_file(co_image_reader *reader, int fd, co_image_file *file, void **mapped,
                           co_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return co_fail_errno(err, CO_DATA, errno, "%s: cannot be examined", file->path);
    }
    if (!S_ISREG(info.st_mode)) {
        return co_fail(err, CO_DATA, "%s: is not a file", file->path);
    }
    if (info.st_size == 0 || info.st_size > FILE_BYTES_MAX) {
        return co_fail(err, CO_DATA, "%s: has %lld bytes: that is no image to learn from",
                       file->path, (long long)info.st_size);
    }
    file->size = (size_t)info.st_size;
    if (file->size < MAPPED_BYTES_MIN) {
        return copy_file(reader, fd, file, err);
    }
    *mapped = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (*mapped == MAP_FAILED) {
        *mapped = NULL;
        return copy_file(reader, fd, file, err);
    }
    file->bytes = *mapped;
    return CO_OK;
}

/* *mapped: to be unmapped after use, NULL when the file was copied. */
static co_status open_file(co_image_reader *reader, co_image_file *file, void **mapped,
                           co_error *err)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused */
    if (fd < 0) {
        return co_fail_errno(err, CO_DATA, errno, "%s: cannot be opened", file->path);
    }
    co_status status = take_file(reader, fd, file, mapped, err);
    close(fd);
    return status;
}

/* ---- decoding ---- */

static co_status read_head(co_image_reader *reader, const co_image_file *file, bool *jpeg,
                           co_image_head *head, co_error *err)
{
    *jpeg = co_jpeg_is(file->bytes, file->size);
    if (*jpeg) {
        return co_jpeg_head(reader->jpeg, file, head, err);
    }
    if (co_png_is(file->bytes, file->size)) {
        return co_png_head(file, head, err);
    }
    return co_fail(err, CO_DATA,
                   "%s: byte 0: is neither a JPEG nor a PNG, the two kinds that can be read",
                   file->path);
}

static int reduction_for(const co_image_view *view)
{
    double x = co_resample_scale(&view->x);
    double y = co_resample_scale(&view->y);
    double least = x < y ? x : y;
    int reduce = 1;
    while (reduce < REDUCE_MAX && least / (2 * reduce) >= filter_least) {
        reduce *= 2;
    }
    return reduce;
}

static void reduce_view(co_image_view *view, const co_image_head *head, int reduce)
{
    if (reduce > 1) {
        view->x = co_resample_reduced(&view->x, reduce, (head->width + reduce - 1) / reduce);
        view->y = co_resample_reduced(&view->y, reduce, (head->height + reduce - 1) / reduce);
    }
}

/* The pixels that the view reads; *got: where they are. */
static co_status decode(co_image_reader *reader, const co_image_file *file, bool jpeg, int reduce,
                        const co_image_view *view, co_image_rect *got, co_error *err)
{
    if (!jpeg) {
        CO_TRY(co_png_decode(file, &reader->decoded, err));
        *got = (co_image_rect){.width = reader->decoded.width, .height = reader->decoded.height};
        return CO_OK;
    }
    co_image_rect wanted = {0};
    int end = 0;
    co_resample_reach(&view->x, &wanted.left, &end);
    wanted.width = end - wanted.left;
    co_resample_reach(&view->y, &wanted.top, &end);
    wanted.height = end - wanted.top;
    return co_jpeg_decode(reader->jpeg, &wanted, reduce, &reader->decoded, got, err);
}

/* ---- from rows to the planes of a sample ---- */

/* One row of the resampled image, as stored, to where the upright sample has it. */
static void put_row(const co_image_view *view, const uint8_t *row, int channels, int y,
                    uint8_t *pixels)
{
    int size = view->x.count;
    int line = view->mirror_y ? size - 1 - y : y;
    ptrdiff_t step = view->exchange ? size : 1;
    ptrdiff_t start = view->exchange ? line : (ptrdiff_t)line * size;
    if (view->mirror_x) {
        start += step * (size - 1);
        step = -step;
    }
    for (int c = 0; c < CHANNELS; c++) {
        uint8_t *out = pixels + (ptrdiff_t)c * size * size + start;
        const uint8_t *in = row + (channels == 1 ? 0 : c);
        for (int x = 0; x < size; x++) {
            out[x * step] = in[x * channels];
        }
    }
}

static co_status resample(co_image_reader *reader, const co_image_view *view,
                          const co_image_rect *got, uint8_t *pixels, co_error *err)
{
    const co_image_pixels *decoded = &reader->decoded;
    int low = 0;
    int high = 0;
    co_resample_reach(&view->y, &low, &high);
    CO_TRY(co_resample_plan(&view->x, got->left, &reader->x, err));
    CO_TRY(co_resample_plan(&view->y, low, &reader->y, err));
    co_image_pixels part = *decoded; /* the rows that are needed */
    part.data += (size_t)(low - got->top) * (size_t)decoded->width * (size_t)decoded->channels;
    part.height = high - low;
    size_t bytes = (size_t)view->x.count * (size_t)decoded->channels;
    CO_TRY(co_image_pixels_shape(&reader->narrow, view->x.count, part.height, decoded->channels, 0,
                                 err));
    CO_TRY(co_image_pixels_shape(&reader->row, 1, 1, 0, bytes * (sizeof(int32_t) + 1), err));
    int32_t *sums = (int32_t *)(void *)reader->row.data;
    uint8_t *row = reader->row.data + bytes * sizeof(int32_t);
    co_resample_rows(&reader->x, &part, reader->narrow.data);
    for (int y = 0; y < view->y.count; y++) {
        co_resample_row(&reader->y, y, reader->narrow.data, bytes, sums, row);
        put_row(view, row, decoded->channels, y, pixels);
    }
    return CO_OK;
}

co_status co_image_read_bytes(co_image_reader *reader, const co_image_file *file,
                              const co_image_frame *frame, const co_sample_cut *cut,
                              uint8_t *pixels, co_error *err)
{
    bool jpeg = false;
    co_image_head head = {0};
    co_image_rect got = {0};
    CO_TRY(read_head(reader, file, &jpeg, &head, err));
    co_image_view view = co_image_view_of(frame, &head, cut);
    int reduce = jpeg ? reduction_for(&view) : 1;
    reduce_view(&view, &head, reduce);
    CO_TRY(decode(reader, file, jpeg, reduce, &view, &got, err));
    return resample(reader, &view, &got, pixels, err);
}

co_status co_image_read(co_image_reader *reader, const char *path, const co_image_frame *frame,
                        const co_sample_cut *cut, uint8_t *pixels, co_error *err)
{
    void *mapped = NULL;
    co_image_file file = {.path = path};
    CO_TRY(open_file(reader, &file, &mapped, err));
    co_status status = co_image_read_bytes(reader, &file, frame, cut, pixels, err);
    if (mapped != NULL) {
        munmap(mapped, file.size);
    }
    return status;
}

static co_status verify_bytes(co_image_reader *reader, const co_image_file *file, co_error *err)
{
    bool jpeg = false;
    co_image_head head = {0};
    CO_TRY(read_head(reader, file, &jpeg, &head, err));
    if (!jpeg) {
        return co_png_decode(file, &reader->decoded, err);
    }
    co_image_rect got = {0};
    /* Every coefficient is read also for an eighth of the size, and that is where damage shows. */
    const co_image_rect whole = {.width = (head.width + REDUCE_MAX - 1) / REDUCE_MAX,
                                 .height = (head.height + REDUCE_MAX - 1) / REDUCE_MAX};
    return co_jpeg_decode(reader->jpeg, &whole, REDUCE_MAX, &reader->decoded, &got, err);
}

co_status co_image_verify(co_image_reader *reader, const char *path, co_error *err)
{
    void *mapped = NULL;
    co_image_file file = {.path = path};
    CO_TRY(open_file(reader, &file, &mapped, err));
    co_status status = verify_bytes(reader, &file, err);
    if (mapped != NULL) {
        munmap(mapped, file.size);
    }
    return status;
}
