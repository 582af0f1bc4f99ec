/* Loading settings in tests: arguments as one literal list, a file from a literal text. */
#ifndef TESTS_CONF_HELPER_CONF_H
#define TESTS_CONF_HELPER_CONF_H

#include "conf/conf.h"

#define ARGUMENTS_MAX 32

typedef struct load_case {
    const char *file;                       /* the text of a YAML file; NULL for none */
    const char *environment[ARGUMENTS_MAX]; /* "COHORT_LR=1", ended by NULL */
    const char *arguments[ARGUMENTS_MAX];   /* "--lr", "1", ended by NULL; after "--config" the
                                               word "FILE" stands for the path of the file */
    co_command command;
} load_case;

/* co_conf_load of the case. Without "FILE" among the arguments, --config FILE is added when there
 * is a file. In error messages the file's path is written "FILE". */
co_status load(const load_case *c, co_conf *conf, co_error *err);

/* The case must load, and be freed by the caller. */
void must_load(const load_case *c, co_conf *conf);
/* The case must fail with CO_USAGE and a message that is `message`, all of it. */
void must_fail(const load_case *c, const char *message);

#define LOAD(conf, ...)    must_load(&(load_case){__VA_ARGS__}, (conf))
#define FAIL(message, ...) must_fail(&(load_case){__VA_ARGS__}, (message))

#endif
