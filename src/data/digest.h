/* MD5 (RFC 1321) and SHA-256 (FIPS 180-4): the checksums that archives are published with. MD5
 * tells damage, not malice. Needs libmd; a build may lack it (and libcurl).
 */
#ifndef CO_DATA_DIGEST_H
#define CO_DATA_DIGEST_H

#include <stdbool.h>

#include "base/status.h"

typedef enum co_digest_kind { CO_DIGEST_MD5, CO_DIGEST_SHA256 } co_digest_kind;

enum { CO_DIGEST_TEXT_SIZE = 65 };

/* Of a file's content, in lower-case hexadecimal digits. CO_FILE when it cannot be read;
 * CO_UNSUPPORTED: no libmd. */
CO_MUST_CHECK co_status co_digest_file(const char *path, co_digest_kind kind,
                                       char out[CO_DIGEST_TEXT_SIZE], co_error *err);

/* A checksum as written: "md5:..." or "sha256:...", or the digits alone, whose number tells the
 * kind. *digits points into the text. false when it is none of these. */
bool co_digest_parse(const char *text, co_digest_kind *kind, const char **digits);

#endif
