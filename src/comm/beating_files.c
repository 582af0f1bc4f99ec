#include "comm/beating_files.h"

/* A full disk that is tried again and again gets nobody on. errno is left alone. */
static void beat_if(const co_beating_files *own, bool done)
{
    if (done) {
        co_pulse_beat(own->pulse);
    }
}

static int beating_open(void *context, const char *path, int flags, mode_t mode)
{
    const co_beating_files *own = context;
    int result = own->under->open(own->under->context, path, flags, mode);
    beat_if(own, result >= 0);
    return result;
}

static ssize_t beating_write(void *context, int fd, const void *data, size_t bytes)
{
    const co_beating_files *own = context;
    ssize_t result = own->under->write(own->under->context, fd, data, bytes);
    beat_if(own, result >= 0);
    return result;
}

static int beating_fsync(void *context, int fd)
{
    const co_beating_files *own = context;
    int result = own->under->fsync(own->under->context, fd);
    beat_if(own, result >= 0);
    return result;
}

static int beating_close(void *context, int fd)
{
    const co_beating_files *own = context;
    int result = own->under->close(own->under->context, fd);
    beat_if(own, result >= 0);
    return result;
}

static int beating_rename(void *context, const char *from, const char *to)
{
    const co_beating_files *own = context;
    int result = own->under->rename(own->under->context, from, to);
    beat_if(own, result >= 0);
    return result;
}

static int beating_unlink(void *context, const char *path)
{
    const co_beating_files *own = context;
    int result = own->under->unlink(own->under->context, path);
    beat_if(own, result >= 0);
    return result;
}

static int beating_mkdir(void *context, const char *path, mode_t mode)
{
    const co_beating_files *own = context;
    int result = own->under->mkdir(own->under->context, path, mode);
    beat_if(own, result >= 0);
    return result;
}

static int beating_rmdir(void *context, const char *path)
{
    const co_beating_files *own = context;
    int result = own->under->rmdir(own->under->context, path);
    beat_if(own, result >= 0);
    return result;
}

static void beating_progress(void *context)
{
    beat_if(context, true);
}

void co_beating_files_open(const co_files *under, co_pulse *pulse, co_beating_files *out)
{
    *out = (co_beating_files){
        .files =
            {
                .open = beating_open,
                .write = beating_write,
                .fsync = beating_fsync,
                .close = beating_close,
                .rename = beating_rename,
                .unlink = beating_unlink,
                .mkdir = beating_mkdir,
                .rmdir = beating_rmdir,
                .progress = beating_progress,
                .context = out,
            },
        .under = under,
        .pulse = pulse,
    };
}
