/* MD5 (RFC 1321) and SHA-256 (FIPS 180-4): the checksums that archives are published with. MD5
 * tells damage, not malice. Pure functions of what is added; one thread per digest. */
#ifndef CO_DATA_DIGEST_H
#define CO_DATA_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum co_digest_kind { CO_DIGEST_MD5, CO_DIGEST_SHA256 } co_digest_kind;

enum { CO_DIGEST_BLOCK = 64, CO_DIGEST_TEXT_SIZE = 65 };

typedef struct co_digest {
    co_digest_kind kind;
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[CO_DIGEST_BLOCK]; /* bytes % 64 of it are filled */
} co_digest;

void co_digest_init(co_digest *digest, co_digest_kind kind);
void co_digest_add(co_digest *digest, const void *data, size_t bytes);
/* Lower-case hexadecimal digits; the digest is used up. */
void co_digest_text(co_digest *digest, char out[CO_DIGEST_TEXT_SIZE]);

/* Of a file's content; CO_FILE when it cannot be read. */
CO_MUST_CHECK co_status co_digest_file(const char *path, co_digest_kind kind,
                                       char out[CO_DIGEST_TEXT_SIZE], co_error *err);

/* A checksum as written: "md5:..." or "sha256:...", or the digits alone, whose number tells the
 * kind. *digits points into the text. false when it is none of these. */
bool co_digest_parse(const char *text, co_digest_kind *kind, const char **digits);

#endif
