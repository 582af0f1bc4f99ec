/* Any bytes as a message of another node, as who it says it is, and as mpirun's command: refused or
 * read, never a crash; words lie within the bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "comm/daemon.h"
#include "comm/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void as_message(const char *data, size_t size)
{
    co_message message;
    co_hello hello;
    co_error err = {.text = ""};
    size_t used = 0;
    int first = 0;
    if (co_wire_parse(data, size, &message, &used, &err) != CO_OK || used == 0) {
        check(used == 0);
        return;
    }
    const char *at = data + CO_WIRE_HEADER;
    check(used <= size && message.count <= CO_WIRE_WORDS);
    for (int i = 0; i < message.count; i++) { /* one behind the other, without gaps */
        check(message.words[i] == at);
        at += strlen(at) + 1;
    }
    check(at == data + used && message.words[message.count] == NULL);
    if (co_hello_read(&message, &hello, &err) == CO_OK) {
        check(hello.rank >= 0 && hello.workers >= 1 && strpbrk(hello.host, ",: \n") == NULL);
        check(co_hello_judge(&hello, &hello, &err) != CO_OK); /* that rank is taken */
    }
    if (co_daemon_check(message.count, message.words, &first, &err) == CO_OK) {
        check(strstr(message.words[first], "orted") != NULL);
    }
}

static void as_command(const char *data, size_t size)
{
    co_error err = {.text = ""};
    co_daemon *daemon = malloc(sizeof(*daemon));
    char *line = malloc(size + 1);
    check(daemon != NULL && line != NULL);
    memcpy(line, data, size);
    line[size] = '\0';
    if (co_daemon_read(1, &line, daemon, &err) == CO_OK) {
        check(daemon->count > 0 && daemon->words[daemon->count] == NULL);
        for (int i = 0; i < daemon->count; i++) {
            const char *word = daemon->words[i];
            check(word >= daemon->text && word + strlen(word) < daemon->text + CO_DAEMON_TEXT);
        }
    } else {
        check(err.text[0] != '\0');
    }
    free(line);
    free(daemon);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_message((const char *)data, size);
    as_command((const char *)data, size);
    return 0;
}
