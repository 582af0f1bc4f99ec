#include "cli/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void co_gnuplot_quoted(FILE *script, const char *text)
{
    (void)fputc('\'', script);
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            (void)fputc('\'', script);
        }
        (void)fputc(*text, script);
    }
    (void)fputc('\'', script);
}

void co_gnuplot_output(FILE *script, const char *path, const char *size)
{
    size_t length = strlen(path);
    bool svg = length > 4 && strcmp(path + length - 4, ".svg") == 0;
    (void)fprintf(script, "set terminal %s size %s\nset output ",
                  svg ? "svg background 'white'" : "pngcairo", size);
    co_gnuplot_quoted(script, path);
    (void)fputc('\n', script);
}

/* Starts gnuplot with our pipe as its input. */
static co_status start_gnuplot(pid_t *process, FILE **script, co_error *err)
{
    char name[] = "gnuplot";
    char *arguments[] = {name, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return co_fail_errno(err, CO_FAILED, errno, "cannot start gnuplot");
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    int error = posix_spawnp(process, name, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[0]);
    *script = error == 0 ? fdopen(ends[1], "w") : NULL;
    if (*script == NULL) {
        (void)close(ends[1]);
    }
    if (error == ENOENT) {
        return co_fail(err, CO_UNSUPPORTED,
                       "gnuplot, which draws the picture, is not installed "
                       "(tools/setup.sh extra installs it)");
    }
    return error == 0 ? CO_OK : co_fail_errno(err, CO_FAILED, error, "cannot start gnuplot");
}

co_status co_gnuplot_draw(void (*put)(FILE *script, const void *arg), const void *arg,
                          const char *path, co_error *err)
{
    pid_t process = 0;
    FILE *script = NULL;
    int status = 0;
    CO_TRY(start_gnuplot(&process, &script, err));
    bool written = script != NULL;
    if (written) {
        put(script, arg);
        written = fclose(script) == 0;
    }
    pid_t ended = 0;
    do {
        ended = waitpid(process, &status, 0);
    } while (ended < 0 && errno == EINTR);
    if (!written || ended != process || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return co_fail(err, CO_FILE, "gnuplot could not draw %s (it says why above)", path);
    }
    return CO_OK;
}
