#include "comm/daemon.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading what is meant for a shell ---- */

typedef struct reader {
    const char *at;
    co_daemon *out;
    size_t used;  /* of out->text */
    bool dollar;  /* the word has one that a shell would look at */
    bool pending; /* a word has begun */
} reader;

static co_status strange(const reader *r, const char *what, co_error *err)
{
    return co_fail(err, CO_UNSUPPORTED,
                   "mpirun's command for another node has %s at '%.40s', which is known to no "
                   "version of Open MPI that this was written for",
                   what, r->at);
}

static co_status put(reader *r, char byte, co_error *err)
{
    if (r->used + 2 > CO_DAEMON_TEXT) {
        return co_fail(err, CO_UNSUPPORTED, "mpirun's command for another node is too long");
    }
    r->out->text[r->used++] = byte;
    r->out->text[r->used] = '\0';
    r->pending = true;
    return CO_OK;
}

/* Up to the closing quote; at: after the opening one. */
static co_status read_quoted(reader *r, char quote, co_error *err)
{
    r->pending = true;
    while (*r->at != quote) {
        if (*r->at == '\0' || (quote == '"' && *r->at == '`')) {
            return strange(r, "an open quotation", err);
        }
        if (quote == '"' && *r->at == '\\' && r->at[1] != '\0' &&
            strchr("\"\\$`", r->at[1]) != NULL) {
            r->at++;
        } else if (quote == '"' && *r->at == '$') {
            r->dollar = true;
        }
        CO_TRY(put(r, *r->at++, err));
    }
    r->at++;
    return CO_OK;
}

/* One word; a semicolon is one by itself. *start = NULL at the end. */
static co_status read_word(reader *r, const char **start, co_error *err)
{
    r->at += strspn(r->at, " \t");
    *start = r->out->text + r->used;
    r->out->text[r->used] = '\0';
    r->dollar = false;
    r->pending = false;
    if (*r->at == ';') {
        CO_TRY(put(r, *r->at++, err));
    }
    while (*r->at != '\0' && strchr(" \t;", *r->at) == NULL && strcmp(*start, ";") != 0) {
        char byte = *r->at++;
        if (byte == '"' || byte == '\'') {
            CO_TRY(read_quoted(r, byte, err));
        } else if (byte == '\\' && *r->at != '\0') {
            CO_TRY(put(r, *r->at++, err));
        } else if (strchr("|&<>()`*?#~\n\r", byte) != NULL) {
            r->at--;
            return strange(r, "a character for the shell", err);
        } else {
            r->dollar = r->dollar || byte == '$';
            CO_TRY(put(r, byte, err));
        }
    }
    if (!r->pending) {
        *start = NULL;
        return CO_OK;
    }
    if (r->used + 2 > CO_DAEMON_TEXT) {
        return co_fail(err, CO_UNSUPPORTED, "mpirun's command for another node is too long");
    }
    r->used++; /* the zero byte */
    return CO_OK;
}

static size_t name_length(const char *word)
{
    size_t length = 0;
    while (isalnum((unsigned char)word[length]) || word[length] == '_') {
        length++;
    }
    return length;
}

/* NAME=value, or NAME=value$NAME, which becomes NAME+=value. */
static co_status read_assignment(reader *r, char *word, co_error *err)
{
    size_t length = name_length(word);
    char *dollar = strchr(word, '$');
    if (r->dollar && dollar != NULL) {
        char plain[80];
        char braces[80];
        char guarded[80];
        (void)snprintf(plain, sizeof(plain), "$%.*s", (int)length, word);
        (void)snprintf(braces, sizeof(braces), "${%.*s}", (int)length, word);
        (void)snprintf(guarded, sizeof(guarded), "${%.*s:-}", (int)length, word);
        if (length > 64 || (strcmp(dollar, plain) != 0 && strcmp(dollar, braces) != 0 &&
                            strcmp(dollar, guarded) != 0)) {
            return strange(r, "another variable's value", err);
        }
        *dollar = '\0';
        memmove(word + length + 1, word + length, (size_t)(dollar - word) - length + 1);
        word[length] = '+'; /* it is shorter by far more than this one character */
    }
    r->out->words[r->out->count++] = word;
    return CO_OK;
}

/* What Open MPI puts around the command where the user's shell is a plain sh. */
static void strip_profile(char *line)
{
    static const char before[] = "( test ! -r ./.profile || . ./.profile;";
    size_t length = strlen(line);
    while (length > 0 && line[length - 1] == ' ') {
        line[--length] = '\0';
    }
    char *begin = line + strspn(line, " ");
    if (length > sizeof(before) && strncmp(begin, before, sizeof(before) - 1) == 0 &&
        line[length - 1] == ')') {
        line[length - 1] = '\0';
        memset(begin, ' ', sizeof(before) - 1);
    }
}

static co_status join(int count, char *const words[], char line[CO_DAEMON_TEXT], co_error *err)
{
    size_t used = 0;
    line[0] = '\0';
    for (int i = 0; i < count; i++) {
        int length = snprintf(line + used, CO_DAEMON_TEXT - used, "%s ", words[i]);
        if (length < 0 || (size_t)length >= CO_DAEMON_TEXT - used) {
            return co_fail(err, CO_UNSUPPORTED, "mpirun's command for another node is too long");
        }
        used += (size_t)length;
    }
    return CO_OK;
}

/* The program and its arguments: everything up to the end. */
static co_status read_program(reader *r, const char *word, co_error *err)
{
    while (word != NULL) {
        if (r->dollar || strcmp(word, ";") == 0 || r->out->count == CO_DAEMON_WORDS) {
            return strange(r, r->dollar ? "a variable" : "another command", err);
        }
        r->out->words[r->out->count++] = word;
        CO_TRY(read_word(r, &word, err));
    }
    return CO_OK;
}

/* `export NAME`, whose value is already known. */
static co_status skip_export(reader *r, co_error *err)
{
    const char *name = NULL;
    CO_TRY(read_word(r, &name, err));
    if (name == NULL || name[0] == '\0' || name[name_length(name)] != '\0') {
        return strange(r, "an export", err);
    }
    return CO_OK;
}

co_status co_daemon_read(int count, char *const words[], co_daemon *out, co_error *err)
{
    char line[CO_DAEMON_TEXT];
    CO_TRY(join(count, words, line, err));
    strip_profile(line);
    reader r = {.at = line, .out = out};
    out->count = 0;
    for (;;) {
        const char *word = NULL;
        CO_TRY(read_word(&r, &word, err));
        if (word == NULL) {
            return co_fail(err, CO_UNSUPPORTED, "mpirun's command for another node starts nothing");
        }
        size_t name = name_length(word);
        if (strcmp(word, ";") == 0) {
            continue;
        }
        if (strcmp(word, "export") == 0) {
            CO_TRY(skip_export(&r, err));
        } else if (name > 0 && word[name] == '=' && out->count < CO_DAEMON_WORDS) {
            CO_TRY(read_assignment(&r, out->text + (word - out->text), err));
        } else {
            CO_TRY(read_program(&r, word, err));
            out->words[out->count] = NULL;
            return CO_OK;
        }
    }
}

/* ---- before it is run ---- */

static bool may_be_set(const char *word, size_t length)
{
    static const char *const names[] = {"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
                                        "OPAL_PREFIX"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == length && strncmp(names[i], word, length) == 0) {
            return true;
        }
    }
    return false;
}

co_status co_daemon_check(int count, const char *const words[], int *first, co_error *err)
{
    int at = 0;
    for (; at < count; at++) {
        size_t name = name_length(words[at]);
        bool adds = words[at][name] == '+';
        if (name == 0 || words[at][name + adds] != '=') {
            break;
        }
        if (!may_be_set(words[at], name)) {
            return co_fail(err, CO_USAGE, "node 0 asks to set %.*s, which no orted needs",
                           (int)(name < 60 ? name : 60), words[at]);
        }
    }
    const char *slash = at < count ? strrchr(words[at], '/') : NULL;
    const char *program = at == count ? "" : slash != NULL ? slash + 1 : words[at];
    if (strcmp(program, "orted") != 0) {
        return co_fail(err, CO_USAGE, "node 0 asks to run '%.60s', which is no orted", program);
    }
    *first = at;
    return CO_OK;
}

co_status co_daemon_assign(const char *word, co_error *err)
{
    char name[80];
    char value[CO_DAEMON_TEXT];
    size_t length = name_length(word);
    bool adds = word[length] == '+';
    (void)snprintf(name, sizeof(name), "%.*s", (int)length, word);
    const char *old = adds ? getenv(name) : NULL;
    int size = snprintf(value, sizeof(value), "%s%s", word + length + 1 + adds,
                        old != NULL ? old : "");
    if (size < 0 || (size_t)size >= sizeof(value) || setenv(name, value, 1) != 0) {
        return co_fail(err, CO_MEMORY, "cannot set %s for the daemon of Open MPI", name);
    }
    return CO_OK;
}
