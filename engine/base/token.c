/* A sealed token, before base64url:
 *
 *   offset  size  what
 *   0       1     version, 1
 *   1       1     key id
 *   2       n     payload, its layout is the caller's
 *   2+n     32    HMAC-SHA256(secret, label || 0x00 || bytes 0 .. 2+n-1)
 *
 * The label keeps a token of one use from being taken for another's; the zero byte keeps one label
 * from being the beginning of another. */

/* OpenSSL 3.0 calls the plain SHA256_ functions deprecated in favour of EVP, which fetches and
 * allocates around the same code. HMACs of 60 bytes on one core with SHA-NI: pads made each
 * time 5.0 M/s, pads kept beside the key 6.9, EVP_MAC_CTX_dup 1.9, EVP_MAC_init again 4.2, HMAC()
 * 0.9. Made each time: it is enough, and no second form of the secret is kept. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "engine/base/token.h"

#include "engine/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>

#define TOKEN_VERSION 1
#define HEAD_SIZE     2
#define SHA256_BLOCK  64
#define KEY_LINE_MAX  160

/* ---- SHA-256 and HMAC (RFC 2104) ---- */

struct hmac {
    SHA256_CTX inner, outer;
};

static void start_pad(SHA256_CTX *ctx, const uint8_t key[SHA256_BLOCK], uint8_t pad)
{
    uint8_t block[SHA256_BLOCK];

    for (size_t i = 0; i < SHA256_BLOCK; i++)
        block[i] = key[i] ^ pad;
    SHA256_Init(ctx);
    SHA256_Update(ctx, block, sizeof(block));
    OPENSSL_cleanse(block, sizeof(block));
}

static void hmac_start(struct hmac *h, const void *key, size_t key_len)
{
    uint8_t block[SHA256_BLOCK] = {0};

    if (key_len > sizeof(block))
        sha256(key, key_len, block);
    else if (key_len > 0)
        memcpy(block, key, key_len);
    start_pad(&h->inner, block, 0x36);
    start_pad(&h->outer, block, 0x5c);
    OPENSSL_cleanse(block, sizeof(block));
}

static void hmac_add(struct hmac *h, const void *data, size_t len)
{
    SHA256_Update(&h->inner, data, len);
}

static void hmac_end(struct hmac *h, uint8_t ret_mac[TOKEN_MAC_SIZE])
{
    SHA256_Final(ret_mac, &h->inner);
    SHA256_Update(&h->outer, ret_mac, TOKEN_MAC_SIZE);
    SHA256_Final(ret_mac, &h->outer);
    OPENSSL_cleanse(h, sizeof(*h));
}

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[32])
{
    struct hmac h;

    hmac_start(&h, key, key_len);
    hmac_add(&h, data, len);
    hmac_end(&h, ret_mac);
}

void sha256(const void *data, size_t len, uint8_t ret_digest[32])
{
    SHA256_CTX ctx;

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, data, len);
    SHA256_Final(ret_digest, &ctx);
}

bool secret_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

/* ---- keys ---- */

static const struct token_key *find_key(const struct token_keys *k, uint8_t id)
{
    for (size_t i = 0; i < k->count; i++) {
        if (k->keys[i].id == id)
            return &k->keys[i];
    }
    return NULL;
}

/* NULL or what is wrong with the line. */
static const char *add_key(struct token_keys *k, struct slice line)
{
    struct slice secret = slice_trim(line), number = slice_cut(&secret, ' ');
    struct token_key *key = &k->keys[k->count];
    uint64_t id;

    secret = slice_trim(secret);
    if (!slice_to_u64(number, &id) || id > UINT8_MAX)
        return "the key id is not a number from 0 to 255";
    if (find_key(k, (uint8_t)id))
        return "the key id was there before";
    if (k->count == array_len(k->keys))
        return "more than 8 keys";
    if (secret.len != 2 * sizeof(key->secret) ||
        hex_decode(secret, key->secret, sizeof(key->secret)) < 0)
        return "the secret is not 64 hex digits";
    key->id = (uint8_t)id;
    k->count++;
    return NULL;
}

static bool is_empty(struct slice line)
{
    line = slice_trim(line);
    return line.len == 0 || line.at[0] == '#';
}

static struct slice without_newline(const char *line)
{
    struct slice s = slice_str(line);

    while (s.len > 0 && (s.at[s.len - 1] == '\n' || s.at[s.len - 1] == '\r'))
        s.len--;
    return s;
}

static const char *load_lines(struct token_keys *k, FILE *f, int *ret_line)
{
    char line[KEY_LINE_MAX];
    const char *why = NULL;

    while (!why && fgets(line, sizeof(line), f)) {
        struct slice s = without_newline(line);

        ++*ret_line;
        if (strlen(line) == sizeof(line) - 1)
            why = "the line is too long";
        else if (!is_empty(s))
            why = add_key(k, s);
    }
    OPENSSL_cleanse(line, sizeof(line));
    return why;
}

enum status token_keys_load(struct token_keys *k, const char *path, char *ret_why, size_t why_size)
{
    FILE *f = fopen(path, "re");
    const char *why;
    bool failed;
    int line = 0;

    *k = (struct token_keys){0};
    if (!f) {
        snprintf(ret_why, why_size, "%s: %s", path, strerror(errno));
        return STATUS_IO;
    }
    setvbuf(f, NULL, _IONBF, 0); /* no copy of the secrets stays in stdio's buffer */
    why = load_lines(k, f, &line);
    failed = ferror(f);
    fclose(f);
    if (!why && !failed && k->count > 0)
        return STATUS_OK;
    if (failed)
        snprintf(ret_why, why_size, "%s: it cannot be read", path);
    else if (why)
        snprintf(ret_why, why_size, "%s line %d: %s", path, line, why);
    else
        snprintf(ret_why, why_size, "%s: there is no key", path);
    token_keys_free(k);
    return failed ? STATUS_IO : STATUS_MALFORMED;
}

void token_keys_free(struct token_keys *k)
{
    OPENSSL_cleanse(k, sizeof(*k));
}

/* ---- tokens ---- */

static void token_mac(const struct token_key *key, const char *label, const uint8_t *bytes,
                      size_t len, uint8_t ret_mac[TOKEN_MAC_SIZE])
{
    struct hmac h;

    hmac_start(&h, key->secret, sizeof(key->secret));
    hmac_add(&h, label, strlen(label) + 1);
    hmac_add(&h, bytes, len);
    hmac_end(&h, ret_mac);
}

size_t token_seal(const struct token_keys *k, const char *label, const void *payload, size_t len,
                  char *ret_text)
{
    uint8_t bytes[HEAD_SIZE + TOKEN_PAYLOAD_MAX + TOKEN_MAC_SIZE];
    size_t chars;

    assert(k->count > 0 && len <= TOKEN_PAYLOAD_MAX);
    bytes[0] = TOKEN_VERSION;
    bytes[1] = k->keys[0].id;
    if (len > 0)
        memcpy(bytes + HEAD_SIZE, payload, len);
    token_mac(&k->keys[0], label, bytes, HEAD_SIZE + len, bytes + HEAD_SIZE + len);
    chars = base64url_encode(bytes, HEAD_SIZE + len + TOKEN_MAC_SIZE, ret_text);
    ret_text[chars] = '\0';
    return chars;
}

enum status token_open(const struct token_keys *k, const char *label, struct slice text,
                       void *ret_payload, size_t len)
{
    uint8_t bytes[HEAD_SIZE + TOKEN_PAYLOAD_MAX + TOKEN_MAC_SIZE], mac[TOKEN_MAC_SIZE];
    size_t size = HEAD_SIZE + len + TOKEN_MAC_SIZE;
    const struct token_key *key;

    assert(len <= TOKEN_PAYLOAD_MAX);
    if (text.len != BASE64URL_LEN(size) || base64url_decode(text, bytes, size) != (long)size)
        return STATUS_UNAUTHORIZED;
    key = bytes[0] == TOKEN_VERSION ? find_key(k, bytes[1]) : NULL;
    if (!key)
        return STATUS_UNAUTHORIZED;
    token_mac(key, label, bytes, HEAD_SIZE + len, mac);
    if (!secret_equal(mac, bytes + HEAD_SIZE + len, TOKEN_MAC_SIZE))
        return STATUS_UNAUTHORIZED;
    if (len > 0)
        memcpy(ret_payload, bytes + HEAD_SIZE, len);
    return STATUS_OK;
}
