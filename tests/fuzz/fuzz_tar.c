/* Any bytes as a tar archive in memory: no crash, no leak; a member that is handed out has a path
 * that stays inside and, when it can be read, the size that its header says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool held)
{
    if (!held) {
        abort();
    }
}

static void take_member(co_tar *tar, const co_tar_member *member, size_t size)
{
    co_error err;
    co_bytes content = {0};
    require(member->path[0] != '/' && strncmp(member->path, "../", 3) != 0);
    require(strcmp(member->path, "..") != 0 && strstr(member->path, "/../") == NULL);
    require(member->bytes <= size);
    if (co_tar_read(tar, member, &content, &err) == CO_OK) {
        require(content.size == member->bytes);
        volatile uint8_t last = content.data[content.size - 1];
        (void)last;
        co_bytes_free(&content);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    co_error err;
    co_tar *tar = NULL;
    const co_bytes content = {.data = data, .size = size};
    if (size == 0 || co_tar_open("fuzz.tar", &content, &tar, &err) != CO_OK) {
        return 0;
    }
    bool more = true;
    for (;;) {
        co_tar_member member = {0};
        if (co_tar_next(tar, &more, &member, &err) != CO_OK || !more) {
            break;
        }
        take_member(tar, &member, size);
    }
    co_tar_close(tar);
    return 0;
}
