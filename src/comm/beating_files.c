#include "comm/beating_files.h"

/* What the call returned, as it is: errno is left alone. */
static int beating_open(void *context, const char *path, int flags, mode_t mode)
{
    const co_beating_files *own = context;
    int result = own->under->open(own->under->context, path, flags, mode);
    co_pulse_beat(own->pulse);
    return result;
}

static ssize_t beating_write(void *context, int fd, const void *data, size_t bytes)
{
    const co_beating_files *own = context;
    ssize_t result = own->under->write(own->under->context, fd, data, bytes);
    co_pulse_beat(own->pulse);
    return result;
}

static int beating_fsync(void *context, int fd)
{
    const co_beating_files *own = context;
    int result = own->under->fsync(own->under->context, fd);
    co_pulse_beat(own->pulse);
    return result;
}

static int beating_close(void *context, int fd)
{
    const co_beating_files *own = context;
    int result = own->under->close(own->under->context, fd);
    co_pulse_beat(own->pulse);
    return result;
}

static int beating_rename(void *context, const char *from, const char *to)
{
    const co_beating_files *own = context;
    int result = own->under->rename(own->under->context, from, to);
    co_pulse_beat(own->pulse);
    return result;
}

static int beating_unlink(void *context, const char *path)
{
    const co_beating_files *own = context;
    int result = own->under->unlink(own->under->context, path);
    co_pulse_beat(own->pulse);
    return result;
}

static int beating_mkdir(void *context, const char *path, mode_t mode)
{
    const co_beating_files *own = context;
    int result = own->under->mkdir(own->under->context, path, mode);
    co_pulse_beat(own->pulse);
    return result;
}

static int beating_rmdir(void *context, const char *path)
{
    const co_beating_files *own = context;
    int result = own->under->rmdir(own->under->context, path);
    co_pulse_beat(own->pulse);
    return result;
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
                .context = out,
            },
        .under = under,
        .pulse = pulse,
    };
}
