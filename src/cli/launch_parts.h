/* What the files of the front process share: launch.c starts a job and starts it again,
 * launch_folder.c keeps the job's folder, launch_process.c runs processes, launch_look.c looks
 * whether the workers get on, launch_mpirun.c speaks with mpirun, launch_verdict.c says what became
 * of a job. Not for others.
 */
#ifndef CO_CLI_LAUNCH_PARTS_H
#define CO_CLI_LAUNCH_PARTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/text.h"
#include "cli/cli.h"
#include "comm/pulse.h"

#define CO_JOB_FOLDER_VARIABLE   "CO_JOB_FOLDER" /* in the workers' environment */
#define CO_JOB_RESTARTS_VARIABLE "CO_JOB_RESTARTS"
#define CO_JOB_REASONS_VARIABLE  "CO_JOB_REASONS"
#define CO_JOB_RANKS             "ranks" /* the file of their pulses, in the folder */

enum { CO_LAUNCH_PATH = 4200, CO_LAUNCH_LINE = 1024, CO_LAUNCH_HELD = 8192 };

/* What the watcher has to know, in memory that it shares with the front process. */
typedef struct co_watched {
    _Atomic int program; /* mpirun or the only worker: leader of a session; 0: none runs */
} co_watched;

/* What mpirun and the workers say on the standard error. mpirun's own paragraphs, between rules,
 * are held back: they say in its words what the front process will say in ours. */
typedef struct co_ear {
    int fd; /* -1: nothing to listen to */
    char line[CO_LAUNCH_LINE];
    size_t length;
    bool in_paragraph;
    char held[CO_LAUNCH_HELD];
    size_t held_length;
    char said[CO_LAUNCH_LINE]; /* the first failure that a worker told */
    int lost_rank;             /* whom mpirun saw die; -1: it does not say */
    int lost_signal;           /* by which signal; 0: it ended by itself */
    char lost_host[CO_HOST_NAME_SIZE];
    char lost_node[CO_HOST_NAME_SIZE]; /* a host that mpirun lost; "": none */
    char refused[256];                 /* what ssh says of a host; "": nothing */
    bool unread;                       /* mpirun's output has no reader any more */
} co_ear;

typedef struct co_launch {
    const co_cli *cli;
    int workers;
    const char *hosts; /* NULL: this machine */
    char folder[64];   /* of the job, in /dev/shm */
    int held;          /* by us and our watcher: nobody else sweeps it */
    char place[80];    /* of this start, in the folder */
    char host[CO_HOST_NAME_SIZE];
    co_pulses pulses;
    co_watched *watched;
    pid_t watcher;
    int leash; /* the watcher sees it close when we end */
    int signals;
    int asked;    /* how often the user asked to stop */
    bool hung_up; /* at last by a lost terminal */
    co_ear ear;
    int restarts;
    char reasons[CO_LAUNCH_LINE];
    char run[CO_LAUNCH_PATH]; /* the run folder; "": the workers have not come so far */
} co_launch;

/* What became of one start of the workers. */
typedef struct co_verdict {
    co_status status;
    bool lost; /* a worker or mpirun was lost: starting again may help */
    bool told; /* the workers have said it */
    char text[CO_ERROR_SIZE];
} co_verdict;

/* How a process ended. */
typedef struct co_ended {
    int code;    /* its exit code, or 128 and the signal */
    bool killed; /* it itself died by that signal */
    bool late;   /* no worker began before the deadline: it was ended */
    bool early;  /* the user asked to stop before all workers had begun: it was ended */
    bool hung;   /* the workers did not get on: it was ended; co_look says how long */
    double hung_seconds;
    bool hung_stopped; /* by a signal */
} co_ended;

/* What the front process has seen of the pulses. Seconds are those between two looks, but one at
 * most: a front process that was stopped itself, or a machine that slept, has seen nothing. */
typedef struct co_look {
    double at;
    double seconds;  /* since the look before */
    uint64_t pulses; /* a hash of what they say */
    bool changed;    /* since the look before */
    bool in_step;    /* all that is visible is in the computing part of a step */
    double still;    /* seconds without a change */
    double stopped;  /* seconds that all workers have been stopped by a signal */
    double longest;  /* that a part of a step took */
} co_look;

/* launch_folder.c */
CO_MUST_CHECK co_status co_launch_open_folder(co_launch *launch, co_error *err);
void co_launch_close_folder(co_launch *launch);
/* The folder of one start: what its shared memory lies in. */
CO_MUST_CHECK co_status co_launch_open_place(co_launch *launch, co_error *err);
/* Ends what is left of the ranks of this host, waits until they are gone, removes what they had. */
void co_launch_sweep_place(const co_launch *launch);
/* All workers came to their end, and mpirun will; only where all of them are on this host. */
bool co_launch_all_ended(const co_launch *launch);
void co_launch_sweep(const char *folder);
void co_launch_sweep_dead_jobs(void);
/* The first line of a file of the folder, "" without one. */
void co_launch_read_word(const char *folder, const char *name, char *out, int size);
/* What a worker told by co_launch_report_failure; 0: nothing. */
int co_launch_failure(const co_launch *launch);
/* The run folder: its path as the first worker told it, whether it is finished, its newest
 * checkpoint (false: none), a line for its log, and the status of a run that could not write it. */
void co_launch_find_run(co_launch *launch);
bool co_launch_run_finished(const co_launch *launch);
bool co_launch_run_preempted(const co_launch *launch); /* stopped as asked, with a checkpoint */
bool co_launch_newest_step(const co_launch *launch, unsigned long long *step);
void co_launch_log(const co_launch *launch, const char *text);
void co_launch_close_run(const co_launch *launch);

/* launch_process.c */
CO_MUST_CHECK co_status co_launch_block_signals(co_launch *launch, co_error *err);
/* Starts the watcher unless it lives. */
CO_MUST_CHECK co_status co_launch_watch(co_launch *launch, co_error *err);
void co_launch_end_watch(co_launch *launch);
/* Runs words[0] until it ends; `listen`: with its standard error going through the ear. */
CO_MUST_CHECK co_status co_launch_run(co_launch *launch, char *words[], bool listen, co_ended *out,
                                      co_error *err);
/* Within how many seconds a worker must have begun: --deadline, but 30 at least; 0: no matter. */
double co_launch_start_deadline(const co_launch *launch);
/* Waits so many seconds, or until the user asks to stop (true). */
bool co_launch_pause(co_launch *launch, double seconds);

/* launch_look.c */
/* How many workers show themselves: those of other hosts do not, and count as if they did. */
int co_launch_joined(const co_launch *launch);
unsigned long long co_launch_furthest_step(const co_launch *launch);
/* Some worker is in what may last long: saving, or evaluating. */
bool co_launch_takes_long(const co_launch *launch);
/* The first look has all zeros before it. */
void co_launch_look(const co_launch *launch, co_look *look);
/* Whether the only worker hangs, or all workers of this host are stopped, for --deadline. */
bool co_launch_hangs(const co_launch *launch, const co_look *look, co_ended *out);
/* How long workers that were asked to stop may show nothing new. */
double co_launch_patience(const co_launch *launch, const co_look *look);
/* " in step 17 (backward)", " before its first step (start)" */
void co_launch_put_place(co_text *text, const co_pulse *pulse);
/* NULL: it does not show itself. */
const co_pulse *co_launch_pulse_of(const co_launch *launch, int rank);

/* launch_mpirun.c */
typedef struct co_words co_words;
/* The command line of this start; *out is freed by co_free. */
CO_MUST_CHECK co_status co_launch_words(const co_launch *launch, co_words **out, co_error *err);
char **co_words_list(co_words *words);
void co_ear_open(co_ear *ear, int fd);
/* Takes what is there to be read; false at the end. */
bool co_ear_hear(co_ear *ear);
/* Takes the rest and closes. */
void co_ear_close(co_ear *ear);

/* launch_places.c */
int co_launch_threads_each(const co_launch *launch);
/* To how many cores each worker is bound: its share, so that its helper threads (loader, monitor,
 * checkpoints) need not take the core that it computes on; 0: to none. */
int co_launch_cores_each(const co_launch *launch);

/* launch_verdict.c */
void co_launch_judge(co_launch *launch, const co_ended *ended, co_verdict *out);

#endif
