#include "data/digest.h"

#include <string.h>

#ifdef CO_HAVE_FETCH

#include <errno.h>
#include <md5.h>
#include <sha2.h>

co_status co_digest_file(const char *path, co_digest_kind kind, char out[CO_DIGEST_TEXT_SIZE],
                         co_error *err)
{
    char digits[CO_DIGEST_TEXT_SIZE];
    if ((kind == CO_DIGEST_MD5 ? MD5File(path, digits) : SHA256File(path, digits)) == NULL) {
        return co_fail_errno(err, CO_FILE, errno, "%s: cannot be read", path);
    }
    memcpy(out, digits, kind == CO_DIGEST_MD5 ? MD5_DIGEST_STRING_LENGTH : sizeof(digits));
    return CO_OK;
}

#else

co_status co_digest_file(const char *path, co_digest_kind kind, char out[CO_DIGEST_TEXT_SIZE],
                         co_error *err)
{
    (void)kind;
    (void)out;
    return co_fail(err, CO_UNSUPPORTED, "%s: this build has no checksums: made without libmd",
                   path);
}

#endif

bool co_digest_parse(const char *text, co_digest_kind *kind, const char **digits)
{
    bool md5 = strncmp(text, "md5:", 4) == 0;
    bool sha = strncmp(text, "sha256:", 7) == 0;
    const char *at = text + (md5 ? 4 : sha ? 7 : 0);
    size_t length = strlen(at);
    if (length != strspn(at, "0123456789abcdef") || (md5 && length != 32) ||
        (sha && length != 64) || (length != 32 && length != 64)) {
        return false;
    }
    *kind = length == 32 ? CO_DIGEST_MD5 : CO_DIGEST_SHA256;
    *digits = at;
    return true;
}
