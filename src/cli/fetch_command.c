/* cohort data fetch: what is downloaded, with a line of progress on a terminal. */
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "data/fetch.h"

enum { LINE = 160, REDRAW_NS = 200000000 };

typedef struct display {
    const co_clock *clock;
    bool live;  /* the line of progress is wanted */
    bool quiet; /* nothing but the end */
    bool drawn; /* a line of progress stands on the terminal */
    uint64_t drawn_ns;
    uint64_t first_ns; /* of this file */
    uint64_t first_bytes;
    uint64_t last_bytes;
} display;

static void clear_line(display *d)
{
    if (d->drawn) {
        (void)fprintf(stderr, "\r\033[K");
        d->drawn = false;
    }
}

static void show_text(void *context, const char *text)
{
    display *d = context;
    clear_line(d);
    d->first_ns = 0;
    if (!d->quiet) {
        printf("%s\n", text);
        (void)fflush(stdout);
    }
}

static void show_progress(void *context, const char *name, uint64_t done, uint64_t total)
{
    display *d = context;
    uint64_t now = co_clock_ns(d->clock);
    if (!d->live || (d->drawn && now - d->drawn_ns < REDRAW_NS && done != total)) {
        return;
    }
    if (d->first_ns == 0 || done < d->last_bytes) { /* a new file, or from its beginning */
        d->first_ns = now;
        d->first_bytes = done;
    }
    d->last_bytes = done;
    char line[LINE];
    co_text text = co_text_over(line, sizeof(line));
    double seconds = (double)(now - d->first_ns) / 1e9;
    double speed = seconds > 0.0 ? (double)(done - d->first_bytes) / seconds : 0.0;
    co_text_printf(&text, "%s  ", name);
    co_text_size(&text, done);
    if (total > 0) {
        co_text_put(&text, " of ");
        co_text_size(&text, total);
        co_text_printf(&text, "  %d %%", (int)(100.0 * (double)done / (double)total));
    }
    if (speed > 0.0) {
        co_text_put(&text, "  ");
        co_text_size(&text, (uint64_t)speed);
        co_text_put(&text, "/s");
    }
    if (speed > 0.0 && total > done) {
        co_text_put(&text, "  ");
        co_text_duration(&text, (double)(total - done) / speed);
        co_text_put(&text, " left");
    }
    (void)fprintf(stderr, "\r%s\033[K", line);
    (void)fflush(stderr);
    d->drawn = true;
    d->drawn_ns = now;
}

co_status co_cli_data_fetch(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    bool live = settings->progress == CO_CONF_PROGRESS_ON ||
                (settings->progress == CO_CONF_PROGRESS_AUTO && isatty(STDERR_FILENO) == 1);
    display d = {.clock = cli->clock, .live = live && !settings->quiet, .quiet = settings->quiet};
    const co_fetch_options options = {
        .from = settings->from,
        .checksum = settings->checksum,
        .cacert = settings->cacert,
        .stop = cli->stop,
        .listener = {.say = show_text, .progress = show_progress, .context = &d},
    };
    if (cli->conf.sources[CO_ROW_dataset].kind == CO_SOURCE_DEFAULT) {
        return co_fail(err, CO_USAGE,
                       "which data set? such as 'cohort data fetch mnist' (mnist, fashion_mnist, "
                       "cifar10, cifar100, tinyimagenet, flower_photos, nt3)");
    }
    if (settings->dataset_dir == NULL) {
        return co_fail(err, CO_USAGE, "--dir: name the folder to put the data set into");
    }
    co_status status = co_fetch(settings->dataset, settings->dataset_dir, &options, err);
    clear_line(&d);
    return status;
}
