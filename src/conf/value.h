/* One value of one row: from text or YAML into its field, and back to text.
 *
 * co_value_set checks type, range and shape, and replaces (and frees) what the field held only
 * when the new value is good. */
#ifndef CO_CONF_VALUE_H
#define CO_CONF_VALUE_H

#include "conf/option.h"
#include "conf/string.h"

/* Sets the field of `row` from `text`; `where` ("--lr", "COHORT_LR", "run.yaml:3:7") begins the
 * message. "" unsets a text, list or YAML value and is refused elsewhere. */
CO_MUST_CHECK co_status co_value_set(co_settings *settings, co_row row, const char *text,
                                     const char *where, co_error *err);
/* The same from a node of a document, which may be nested; errors name places inside it. */
CO_MUST_CHECK co_status co_value_set_node(co_settings *settings, co_row row,
                                          const co_yaml_node *node, const char *where,
                                          co_error *err);
/* Adds the value as YAML that co_value_set reads back to the same. */
void co_value_write(co_string *text, const co_settings *settings, co_row row);
/* The value goes over to `to`; the field of `from` is left unset. */
void co_value_move(co_settings *to, co_row row, co_settings *from);
/* Frees what the field holds and zeroes it. */
void co_value_clear(co_settings *settings, co_row row);

#endif
