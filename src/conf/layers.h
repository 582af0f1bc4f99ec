/* The layers above the defaults, each as a list of assignments in the order given.
 *
 * Reading a layer finds unknown names and wrong forms; values are checked when the list is
 * applied. So the file and the profile can be found among the assignments before any is applied.
 */
#ifndef CO_CONF_LAYERS_H
#define CO_CONF_LAYERS_H

#include "conf/option.h"

typedef struct co_assignment {
    co_row row;
    char *text;               /* owned; NULL when `node` has the value */
    const co_yaml_node *node; /* borrowed from the document of the file */
    char *where;              /* owned */
} co_assignment;

typedef struct co_layer {
    co_source_kind kind;
    co_assignment *items;
    size_t count;
    size_t capacity;
} co_layer;

void co_layer_free(co_layer *layer);
/* Either text or node. Both texts are copied. */
CO_MUST_CHECK co_status co_layer_add(co_layer *layer, co_row row, const char *text,
                                     const co_yaml_node *node, const char *where, co_error *err);
/* The last assignment to `row`; NULL when there is none. */
const co_assignment *co_layer_find(const co_layer *layer, co_row row);

CO_MUST_CHECK co_status co_layer_read_arguments(co_layer *layer, co_command command, int count,
                                                char *const arguments[], co_error *err);
/* environment may be NULL. */
CO_MUST_CHECK co_status co_layer_read_environment(co_layer *layer, char *const environment[],
                                                  co_error *err);
/* `section` NULL: the whole document, or, with `is_s1`, its section "base" when it has one. */
CO_MUST_CHECK co_status co_layer_read_document(co_layer *layer, const co_yaml *document,
                                               const char *section, bool is_s1, co_error *err);
CO_MUST_CHECK co_status co_layer_read_profile(co_layer *layer, co_conf_profile profile,
                                              co_error *err);

/* The settings of a profile, one at a time: false after the last. For the reference page too. */
bool co_profile_setting(co_conf_profile profile, int index, co_row *row, const char **text);
const char *co_profile_summary(co_conf_profile profile);

/* What makes settings from others, after all layers: alr, alt_model, the profiles' rules. */
CO_MUST_CHECK co_status co_conf_resolve(co_conf *conf, co_error *err);
/* What cost_file says for cohort sim (costs.c). */
CO_MUST_CHECK co_status co_conf_read_costs(co_conf *conf, co_error *err);
/* Settings that contradict each other. */
CO_MUST_CHECK co_status co_conf_check(const co_conf *conf, co_error *err);
/* Its part for settings without effect (check_idle.c). */
CO_MUST_CHECK co_status co_conf_check_idle(const co_conf *conf, co_error *err);
/* Its part for --hosts, which may be NULL (check_hosts.c). */
CO_MUST_CHECK co_status co_conf_check_hosts(const char *hosts, const char *where, co_error *err);
/* Replaces the recorded source of a row. */
CO_MUST_CHECK co_status co_conf_set_source(co_conf *conf, co_row row, co_source_kind kind,
                                           const char *where, co_error *err);

/* Names of the reference systems whose features come later (later.c). */
typedef struct co_later {
    const char *names;   /* separated by blanks */
    const char *feature; /* "checkpoints and resume (0.3)" */
    const char *neutral; /* values, separated by blanks, that ask for nothing: accepted. A switch
                            has "" and is neutral when false */
} co_later;
const co_later *co_later_find(const char *name);
bool co_later_is_neutral(const co_later *later, const char *text);
const co_later *co_later_row(size_t index); /* NULL after the last */
co_status co_later_fail(const co_later *later, const char *where, const char *name, co_error *err);
/* Fail with "unknown ..." and the nearest name. */
co_status co_unknown_flag_fail(const char *flag, const char *name, co_error *err);
co_status co_unknown_setting_fail(const char *where, const char *name, co_error *err);

#endif
