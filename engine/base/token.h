/* Sealed tokens: a fixed binary layout, then HMAC-SHA256 (RFC 2104) over a type label and all
 * bytes, in base64url. Used for tickets of the line, booking access tokens and ticket codes.
 * Specification in the head of token.c. */
#ifndef HOLDFAST_BASE_TOKEN_H
#define HOLDFAST_BASE_TOKEN_H

#include "engine/base/encode.h"

#define TOKEN_MAC_SIZE    32
#define TOKEN_PAYLOAD_MAX 96
#define TOKEN_TEXT_MAX    BASE64URL_LEN(2 + TOKEN_PAYLOAD_MAX + TOKEN_MAC_SIZE)

struct token_key {
    uint8_t id;
    uint8_t secret[32];
};

/* The first key seals, all open. At most 8. Secrets are wiped by token_keys_free. */
struct token_keys {
    struct token_key keys[8];
    size_t count;
};

/* A file of `<id 0..255> <64 hex digits>` lines, # comments. STATUS_MALFORMED / STATUS_IO with
 * ret_why. */
enum status token_keys_load(struct token_keys *k, const char *path, char *ret_why,
                            size_t why_size) MUST_CHECK;
void token_keys_free(struct token_keys *k);

/* Seals `payload` (at most TOKEN_PAYLOAD_MAX bytes): text = base64url(version, key id, payload,
 * mac(label, all before)). `ret_text` takes TOKEN_TEXT_MAX + 1 bytes and is NUL-terminated; returns
 * its length. `label` separates the uses ("ticket", "booking"). */
size_t token_seal(const struct token_keys *k, const char *label, const void *payload, size_t len,
                  char *ret_text);

/* Opens a token whose payload must have exactly `len` bytes. Length first, then key id, MAC in
 * constant time. STATUS_UNAUTHORIZED for anything that is not ours; the reason is not told apart.
 */
enum status token_open(const struct token_keys *k, const char *label, struct slice text,
                       void *ret_payload, size_t len) MUST_CHECK;

/* HMAC-SHA256 and SHA-256 for the others (webhook signatures, fingerprints). */
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t ret_mac[32]);
void sha256(const void *data, size_t len, uint8_t ret_digest[32]);
bool secret_equal(const void *a, const void *b, size_t len); /* constant time */

#endif
