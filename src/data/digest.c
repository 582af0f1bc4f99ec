#include "data/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

enum { MD5_ROUNDS = 64, SHA_ROUNDS = 64, MD5_WORDS = 4, SHA_WORDS = 8, READ_BYTES = 256 * 1024 };

static uint32_t left(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static uint32_t right(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

/* floor(2^32 |sin(i + 1)|) */
static const uint32_t md5_constants[MD5_ROUNDS] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static void md5_block(uint32_t state[MD5_WORDS], const uint8_t *block)
{
    static const uint8_t shifts[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    static const uint8_t steps[4] = {1, 5, 3, 7};
    static const uint8_t starts[4] = {0, 1, 5, 0};
    uint32_t a = state[0];
    uint32_t b = state[1];
    uint32_t c = state[2];
    uint32_t d = state[3];
    for (unsigned i = 0; i < MD5_ROUNDS; i++) {
        unsigned turn = i / 16;
        uint32_t f = turn == 0   ? (b & c) | (~b & d)
                     : turn == 1 ? (d & b) | (~d & c)
                     : turn == 2 ? b ^ c ^ d
                                 : c ^ (b | ~d);
        const uint8_t *at = block + 4 * ((steps[turn] * i + starts[turn]) % 16);
        uint32_t word = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                        (uint32_t)at[3] << 24;
        uint32_t sum = a + f + md5_constants[i] + word;
        a = d;
        d = c;
        c = b;
        b += left(sum, shifts[turn][i % 4]);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t sha_constants[SHA_ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static void sha_block(uint32_t state[SHA_WORDS], const uint8_t *block)
{
    uint32_t w[SHA_ROUNDS];
    uint32_t v[SHA_WORDS];
    for (int i = 0; i < 16; i++, block += 4) {
        w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 |
               (uint32_t)block[3];
    }
    for (int i = 16; i < SHA_ROUNDS; i++) {
        uint32_t s0 = right(w[i - 15], 7) ^ right(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = right(w[i - 2], 17) ^ right(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(v, state, sizeof(v));
    for (int i = 0; i < SHA_ROUNDS; i++) {
        uint32_t s1 = right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + s1 + choice + sha_constants[i] + w[i];
        uint32_t s0 = right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + s0 + majority;
    }
    for (int i = 0; i < SHA_WORDS; i++) {
        state[i] += v[i];
    }
}

static void add_block(co_digest *digest, const uint8_t *block)
{
    if (digest->kind == CO_DIGEST_MD5) {
        md5_block(digest->state, block);
    } else {
        sha_block(digest->state, block);
    }
}

void co_digest_init(co_digest *digest, co_digest_kind kind)
{
    static const uint32_t md5[SHA_WORDS] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    static const uint32_t sha[SHA_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    *digest = (co_digest){.kind = kind};
    memcpy(digest->state, kind == CO_DIGEST_MD5 ? md5 : sha, sizeof(digest->state));
}

void co_digest_add(co_digest *digest, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    size_t filled = (size_t)(digest->bytes % CO_DIGEST_BLOCK);
    digest->bytes += bytes;
    if (filled > 0) {
        size_t room = CO_DIGEST_BLOCK - filled;
        size_t take = bytes < room ? bytes : room;
        memcpy(digest->block + filled, at, take);
        at += take;
        bytes -= take;
        if (filled + take < CO_DIGEST_BLOCK) {
            return;
        }
        add_block(digest, digest->block);
    }
    for (; bytes >= CO_DIGEST_BLOCK; at += CO_DIGEST_BLOCK, bytes -= CO_DIGEST_BLOCK) {
        add_block(digest, at);
    }
    if (bytes > 0) {
        memcpy(digest->block, at, bytes);
    }
}

/* Byte i of a value of `size` bytes in the digest's byte order. */
static uint8_t byte_of(const co_digest *digest, uint64_t value, unsigned i, unsigned size)
{
    unsigned place = digest->kind == CO_DIGEST_MD5 ? i : size - 1 - i;
    return (uint8_t)(value >> (8 * place));
}

void co_digest_text(co_digest *digest, char out[CO_DIGEST_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t bits = 8 * digest->bytes;
    uint8_t padding[2 * CO_DIGEST_BLOCK] = {0x80};
    size_t filled = (size_t)(digest->bytes % CO_DIGEST_BLOCK);
    size_t zeros = filled < 56 ? 56 - filled : 120 - filled;
    for (unsigned i = 0; i < 8; i++) {
        padding[zeros + i] = byte_of(digest, bits, i, 8);
    }
    co_digest_add(digest, padding, zeros + 8);
    int words = digest->kind == CO_DIGEST_MD5 ? MD5_WORDS : SHA_WORDS;
    for (int w = 0; w < words; w++) {
        for (unsigned i = 0; i < 4; i++) {
            uint8_t byte = byte_of(digest, digest->state[w], i, 4);
            *out++ = digits[byte >> 4];
            *out++ = digits[byte & 15];
        }
    }
    *out = '\0';
}

static co_status add_file(int fd, const char *path, uint8_t *buffer, co_digest *digest,
                          co_error *err)
{
    for (;;) {
        ssize_t got = read(fd, buffer, READ_BYTES);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return co_fail_errno(err, CO_FILE, errno, "%s: cannot be read", path);
        }
        if (got == 0) {
            return CO_OK;
        }
        co_digest_add(digest, buffer, (size_t)got);
    }
}

co_status co_digest_file(const char *path, co_digest_kind kind, char out[CO_DIGEST_TEXT_SIZE],
                         co_error *err)
{
    co_digest digest;
    void *buffer = NULL;
    CO_TRY(co_alloc(READ_BYTES, 1, "checksum", &buffer, err));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    co_status status = CO_OK;
    co_digest_init(&digest, kind);
    if (fd < 0) {
        status = co_fail_errno(err, CO_FILE, errno, "%s: cannot be opened", path);
    } else {
        status = add_file(fd, path, buffer, &digest, err);
        close(fd);
    }
    co_free(buffer);
    if (status == CO_OK) {
        co_digest_text(&digest, out);
    }
    return status;
}

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
