/* The transfer of transfer.h by libcurl. */
#ifdef CO_HAVE_FETCH

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "data/transfer.h"

enum {
    TRIES = 4, /* without a byte more */
    CONNECT_SECONDS = 30,
    SILENT_SECONDS = 60,  /* not one byte for so long: the connection is dead */
    FIRST_PAUSE_MS = 500, /* doubled each time */
    PAUSE_STEP_MS = 50,
    REDIRECTS = 10,
    TAG_BYTES = 256,
    HTTP_PARTIAL = 206,
    HTTP_RANGE = 416,
    HTTP_TOO_MANY = 429,
    HTTP_SERVER = 500,
};

/* One attempt. */
typedef struct attempt {
    const co_transfer *t;
    CURL *curl;
    int fd;
    uint64_t start;       /* bytes that were there and that the server was asked to leave out */
    uint64_t at;          /* end of the file so far */
    uint64_t range_start; /* of Content-Range; UINT64_MAX: none */
    bool began;           /* the first byte of the body was seen */
    bool too_large;
    bool odd_range;      /* the server sent another part than it was asked for */
    int disk_error;      /* errno of a write */
    char tag[TAG_BYTES]; /* ETag or Last-Modified of what comes; "" none */
    char curl_text[CURL_ERROR_SIZE];
} attempt;

const char *co_transfer_library(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

/* ---- tags: which version of the file the bytes on disk are of ---- */

static bool tag_path(const char *path, char out[PATH_MAX])
{
    return snprintf(out, PATH_MAX, "%s.tag", path) < PATH_MAX;
}

static void read_tag(const char *path, char out[TAG_BYTES])
{
    char name[PATH_MAX];
    out[0] = '\0';
    FILE *file = tag_path(path, name) ? fopen(name, "re") : NULL;
    if (file != NULL) {
        if (fgets(out, TAG_BYTES, file) == NULL) {
            out[0] = '\0';
        }
        out[strcspn(out, "\r\n")] = '\0';
        (void)fclose(file);
    }
}

/* Without a tag the next run starts from the beginning: no failure. */
static void write_tag(const char *path, const char *tag)
{
    char name[PATH_MAX];
    if (!tag_path(path, name)) {
        return;
    }
    (void)unlink(name);
    FILE *file = tag[0] != '\0' ? fopen(name, "we") : NULL;
    if (file != NULL) {
        (void)fprintf(file, "%s\n", tag);
        (void)fclose(file);
    }
}

/* ---- what curl calls ---- */

static bool header_is(const char *line, size_t length, const char *name, const char **value)
{
    size_t size = strlen(name);
    if (length <= size || strncasecmp(line, name, size) != 0 || line[size] != ':') {
        return false;
    }
    *value = line + size + 1 + strspn(line + size + 1, " \t");
    return true;
}

static void keep_tag(attempt *a, const char *value)
{
    size_t length = strcspn(value, "\r\n");
    if (length < sizeof(a->tag)) {
        memcpy(a->tag, value, length);
        a->tag[length] = '\0';
    }
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    attempt *a = context;
    char line[TAG_BYTES + 64];
    const char *value = NULL;
    size_t length = size * count < sizeof(line) - 1 ? size * count : sizeof(line) - 1;
    memcpy(line, data, length);
    line[length] = '\0';
    if (strncmp(line, "HTTP/", 5) == 0) { /* after a redirect a new head begins */
        a->tag[0] = '\0';
        a->range_start = UINT64_MAX;
    } else if (header_is(line, length, "ETag", &value) && strncmp(value, "W/", 2) != 0) {
        keep_tag(a, value); /* a weak one says nothing about bytes */
    } else if (header_is(line, length, "Last-Modified", &value) && a->tag[0] == '\0') {
        keep_tag(a, value);
    } else if (header_is(line, length, "Content-Range", &value) &&
               strncasecmp(value, "bytes ", 6) == 0) {
        a->range_start = strtoull(value + 6, NULL, 10);
    }
    return size * count;
}

/* Where the body's first byte belongs. */
static bool begin_body(attempt *a)
{
    long code = 0;
    (void)curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &code);
    bool file = code == 0; /* file:// has no codes and always starts where it was told */
    bool partial = file || code == HTTP_PARTIAL;
    a->began = true;
    if (partial && a->start > 0 && !file && a->range_start != a->start) {
        a->odd_range = true;
        return false;
    }
    if (!partial) {
        a->start = 0; /* a server without ranges, or another version: from the beginning */
    }
    a->at = a->start;
    if (ftruncate(a->fd, (off_t)a->at) != 0 || lseek(a->fd, (off_t)a->at, SEEK_SET) < 0) {
        a->disk_error = errno;
        return false;
    }
    if (!file) {
        write_tag(a->t->path, a->tag);
    }
    return true;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    attempt *a = context;
    size_t bytes = size * count;
    if (!a->began && !begin_body(a)) {
        return CURL_WRITEFUNC_ERROR;
    }
    if (a->at + bytes > a->t->most_bytes) {
        a->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    for (size_t done = 0; done < bytes;) {
        ssize_t got = write(a->fd, data + done, bytes - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            a->disk_error = errno;
            return CURL_WRITEFUNC_ERROR;
        }
        done += (size_t)got;
        a->at += (uint64_t)got;
    }
    return bytes;
}

static bool stopped(const co_transfer *t)
{
    return t->stop != NULL && atomic_load_explicit(t->stop, memory_order_relaxed) != 0;
}

static int take_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
                         curl_off_t up)
{
    attempt *a = context;
    (void)up_total;
    (void)up;
    (void)now;
    if (a->t->progress != NULL && a->began) {
        a->t->progress(a->t->context, a->at, total > 0 ? a->start + (uint64_t)total : 0);
    }
    return stopped(a->t) ? 1 : 0;
}

/* ---- one attempt ---- */

#define SET(option, value) (void)curl_easy_setopt(a->curl, CURLOPT_##option, value)

static void set_protocols(attempt *a)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(PROTOCOLS_STR, a->t->plain_allowed ? "https,http,file" : "https");
    SET(REDIR_PROTOCOLS_STR, a->t->plain_allowed ? "https,http" : "https");
#else
    long web = a->t->plain_allowed ? CURLPROTO_HTTPS | CURLPROTO_HTTP : CURLPROTO_HTTPS;
    SET(PROTOCOLS, a->t->plain_allowed ? web | CURLPROTO_FILE : web);
    SET(REDIR_PROTOCOLS, web);
#endif
}

/* Nothing here fails but for lack of memory, which curl_easy_perform then says. A proxy comes from
 * the environment (https_proxy, no_proxy ...), as curl does it. */
static void set_options(attempt *a, struct curl_slist *headers)
{
    char range[32];
    SET(URL, a->t->url);
    set_protocols(a);
    SET(FOLLOWLOCATION, 1L);
    SET(MAXREDIRS, (long)REDIRECTS);
    SET(FAILONERROR, 1L);
    SET(NOSIGNAL, 1L);
    SET(CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    SET(LOW_SPEED_LIMIT, 1L);
    SET(LOW_SPEED_TIME, (long)SILENT_SECONDS);
    SET(USERAGENT, "cohort");
    SET(ERRORBUFFER, a->curl_text);
    SET(HEADERFUNCTION, take_header);
    SET(HEADERDATA, a);
    SET(WRITEFUNCTION, take_body);
    SET(WRITEDATA, a);
    SET(XFERINFOFUNCTION, take_progress);
    SET(XFERINFODATA, a);
    SET(NOPROGRESS, 0L);
    SET(HTTPHEADER, headers);
    if (a->t->cacert != NULL) {
        SET(CAINFO, a->t->cacert);
    }
    if (a->start > 0) {
        (void)snprintf(range, sizeof(range), "%llu-", (unsigned long long)a->start);
        SET(RANGE, range);
    }
}

static CURLcode perform(attempt *a, long *code)
{
    struct curl_slist *headers = NULL;
    char tag[TAG_BYTES];
    char line[TAG_BYTES + 16];
    struct stat info;
    read_tag(a->t->path, tag);
    bool file = strncmp(a->t->url, "file:", 5) == 0;
    /* Bytes of an unknown version are not continued: two halves of two versions fit nowhere. */
    bool known = fstat(a->fd, &info) == 0 && (tag[0] != '\0' || file);
    a->start = known ? (uint64_t)info.st_size : 0;
    a->at = a->start;
    a->range_start = UINT64_MAX;
    if (a->start > 0 && !file) {
        (void)snprintf(line, sizeof(line), "If-Range: %s", tag);
        headers = curl_slist_append(NULL, line);
    }
    set_options(a, headers);
    CURLcode result = curl_easy_perform(a->curl);
    (void)curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, code);
    curl_slist_free_all(headers);
    return result;
}

static co_status disk_fault(const attempt *a, int error, co_error *err)
{
    return co_fail_errno(err, CO_FILE, error, "%s: cannot be written after %llu bytes%s",
                         a->t->path, (unsigned long long)a->at,
                         error == ENOSPC || error == EDQUOT || error == EFBIG
                             ? " (the disk is full: make room, then the same command goes on from "
                               "there)"
                             : "");
}

static const char *advice(CURLcode result, long code)
{
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return "is there a network? A proxy is taken from the environment (https_proxy); --from "
               "names another mirror";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return "the server's certificate is not trusted; --cacert names a file of certificates "
               "to trust";
    case CURLE_FILE_COULDNT_READ_FILE:
        return "--from names the folder that holds the file";
    case CURLE_UNSUPPORTED_PROTOCOL:
        return "only https is allowed, unless --from says otherwise";
    case CURLE_HTTP_RETURNED_ERROR:
        return code == 404 || code == 410 ? "the file is no longer there; --from names another "
                                            "mirror"
                                          : "try again later; --from names another mirror";
    default:
        return "the same command goes on from there";
    }
}

static co_status fault_of(const attempt *a, CURLcode result, long code, co_error *err)
{
    if (a->disk_error != 0) {
        return disk_fault(a, a->disk_error, err);
    }
    if (a->too_large) {
        return co_fail(err, CO_DATA,
                       "%s: is larger than the %llu MiB it can have: not the file of that name",
                       a->t->url, (unsigned long long)(a->t->most_bytes >> 20));
    }
    if (result == CURLE_ABORTED_BY_CALLBACK) {
        return co_fail(err, CO_STOPPED,
                       "stopped; %llu bytes are kept, the same command goes on from there",
                       (unsigned long long)a->at);
    }
    const char *text = a->curl_text[0] != '\0' ? a->curl_text : curl_easy_strerror(result);
    return co_fail(err, CO_DATA, "%s: %s (after %llu bytes); %s", a->t->url, text,
                   (unsigned long long)a->at, advice(result, code));
}

/* ---- all attempts ---- */

static bool worth_another(const attempt *a, CURLcode result, long code)
{
    if (a->disk_error != 0 || a->too_large) {
        return false;
    }
    switch (result) {
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
        return true;
    case CURLE_HTTP_RETURNED_ERROR:
        return code >= HTTP_SERVER || code == HTTP_TOO_MANY || code == HTTP_RANGE;
    case CURLE_WRITE_ERROR:
        return a->odd_range;
    default:
        return false;
    }
}

static void pause_before(const co_transfer *t, int tries)
{
    const struct timespec step = {.tv_nsec = PAUSE_STEP_MS * 1000000L};
    int steps = (FIRST_PAUSE_MS << tries) / PAUSE_STEP_MS;
    for (int i = 0; i < steps && !stopped(t); i++) {
        (void)nanosleep(&step, NULL);
    }
}

/* A success without a body: an empty file, unless nothing was left to get of a local one. */
static bool finish_empty(attempt *a, long code)
{
    if (code != 0) {
        a->start = 0;
        a->at = 0;
    }
    return ftruncate(a->fd, (off_t)a->at) == 0;
}

static co_status run_attempts(const co_transfer *t, int fd, co_transferred *out, co_error *err)
{
    uint64_t best = 0;
    for (int tries = 0;;) {
        attempt a = {.t = t, .fd = fd, .curl = curl_easy_init()};
        long code = 0;
        if (a.curl == NULL) {
            return co_fail(err, CO_MEMORY, "%s: no memory for a connection", t->url);
        }
        CURLcode result = perform(&a, &code);
        curl_easy_cleanup(a.curl);
        if (result == CURLE_OK && !a.began && !finish_empty(&a, code)) {
            return disk_fault(&a, errno, err);
        }
        if (result == CURLE_OK) {
            *out = (co_transferred){.bytes = a.at, .resumed = a.start};
            return CO_OK;
        }
        if (code == HTTP_RANGE || a.odd_range) { /* what is here does not fit what is there */
            write_tag(t->path, "");
        }
        tries = a.at > best ? 0 : tries;
        best = a.at > best ? a.at : best;
        if (!worth_another(&a, result, code) || ++tries >= TRIES) {
            return fault_of(&a, result, code, err);
        }
        pause_before(t, tries - 1);
    }
}

co_status co_transfer_run(const co_transfer *transfer, co_transferred *out, co_error *err)
{
    int fd = open(transfer->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) {
        return co_fail_errno(err, CO_FILE, errno, "%s: cannot be written", transfer->path);
    }
    co_status status = run_attempts(transfer, fd, out, err);
    if (status == CO_OK && fsync(fd) != 0) {
        status = co_fail_errno(err, CO_FILE, errno, "%s: cannot be written", transfer->path);
    }
    if (close(fd) != 0 && status == CO_OK) {
        status = co_fail_errno(err, CO_FILE, errno, "%s: cannot be written", transfer->path);
    }
    return status;
}

#else
typedef int co_transfer_curl_is_empty; /* ISO C wants something in every file */
#endif
