/* Signing and checking. A token is three base64url parts joined by dots: header, claims, signature
 * over the first two with their dot. */
#include "engine/base/jwt.h"

#include "engine/base/json.h"
#include "engine/base/jwt_internal.h"
#include "engine/base/mem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define WHY_SIZE 128

struct jwt_signer {
    EVP_PKEY *key;
    EVP_MD_CTX *ctx;
    char x[JWT_X_SIZE], kid[JWT_X_SIZE];
    struct buf header; /* base64url, with the dot; the same for every token */
};

/* ---- signer ---- */

/* RFC 7638: SHA-256 over the required members in alphabetical order, without spaces. */
static void thumbprint(const char *x, char ret_kid[JWT_X_SIZE])
{
    struct buf text;
    uint8_t digest[32];

    buf_init(&text, 256);
    buf_printf(&text, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}", x);
    sha256(text.at, text.len, digest);
    ret_kid[base64url_encode(digest, sizeof(digest), ret_kid)] = '\0';
    buf_free(&text);
}

static void append_base64url(struct buf *b, const void *bytes, size_t len)
{
    char *to = buf_reserve(b, BASE64URL_LEN(len));

    if (to)
        buf_commit(b, base64url_encode(bytes, len, to));
}

static void make_header(struct jwt_signer *s)
{
    struct buf text;

    buf_init(&text, 256);
    buf_printf(&text, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%s\"}", s->kid);
    append_base64url(&s->header, text.at, text.len);
    buf_append_char(&s->header, '.');
    buf_free(&text);
}

static EVP_PKEY *read_pem(const char *path, enum status *ret_status)
{
    FILE *f = fopen(path, "re");
    EVP_PKEY *key;

    *ret_status = STATUS_IO;
    if (!f)
        return NULL;
    setvbuf(f, NULL, _IONBF, 0); /* no copy of the key stays in stdio's buffer */
    key = PEM_read_PrivateKey(f, NULL, NULL, (void *)(uintptr_t) "");
    fclose(f);
    ERR_clear_error();
    *ret_status = STATUS_MALFORMED;
    return key;
}

enum status jwt_signer_load(const char *path, struct jwt_signer **ret_signer)
{
    struct jwt_signer *s = mem_alloc(sizeof(*s));
    uint8_t raw[JWT_KEY_SIZE];
    size_t len = sizeof(raw);
    enum status status;

    buf_init(&s->header, 512);
    s->key = read_pem(path, &status);
    s->ctx = EVP_MD_CTX_new();
    if (!s->key || !s->ctx || EVP_PKEY_get_base_id(s->key) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(s->key, raw, &len) != 1 || len != sizeof(raw)) {
        ERR_clear_error();
        jwt_signer_free(s);
        return status;
    }
    s->x[base64url_encode(raw, sizeof(raw), s->x)] = '\0';
    thumbprint(s->x, s->kid);
    make_header(s);
    *ret_signer = s;
    return STATUS_OK;
}

void jwt_signer_free(struct jwt_signer *s)
{
    if (!s)
        return;
    EVP_MD_CTX_free(s->ctx);
    EVP_PKEY_free(s->key);
    buf_free(&s->header);
    mem_free(s);
}

static void put_claim(struct json_out *w, const char *key, const char *value)
{
    if (*value)
        json_put_str(w, key, slice_str(value));
}

static void write_claims(const struct jwt_claims *c, struct buf *b)
{
    struct json_out w;

    json_begin(&w, b);
    json_object_begin(&w);
    put_claim(&w, "iss", c->issuer);
    put_claim(&w, "sub", c->subject);
    put_claim(&w, "aud", c->audience);
    put_claim(&w, "jti", c->id);
    put_claim(&w, "idn", c->identity);
    json_put_int(&w, "iat", c->issued_s);
    json_put_int(&w, "exp", c->expires_s);
    json_object_end(&w);
}

/* Appends '.' and the signature over all of `b` from `start`. */
static enum status append_signature(struct jwt_signer *s, struct buf *b, size_t start)
{
    uint8_t signature[JWT_SIGNATURE_SIZE];
    size_t len = sizeof(signature);
    bool made = EVP_DigestSignInit(s->ctx, NULL, NULL, NULL, s->key) == 1 &&
                EVP_DigestSign(s->ctx, signature, &len, (const uint8_t *)b->at + start,
                               b->len - start) == 1;

    EVP_MD_CTX_reset(s->ctx);
    if (!made) {
        ERR_clear_error();
        return STATUS_INTERNAL;
    }
    buf_append_char(b, '.');
    append_base64url(b, signature, len);
    return buf_status(b);
}

static enum status append_token(struct jwt_signer *s, const struct buf *claims, struct buf *b)
{
    size_t start = b->len;
    size_t len = s->header.len + BASE64URL_LEN(claims->len) + 1 + BASE64URL_LEN(JWT_SIGNATURE_SIZE);
    enum status status = buf_status(claims);

    if (status != STATUS_OK || len > JWT_MAX)
        return STATUS_TOO_LARGE;
    buf_append_slice(b, buf_slice(&s->header));
    append_base64url(b, claims->at, claims->len);
    status = buf_status(b);
    if (status == STATUS_OK)
        status = append_signature(s, b, start);
    if (status != STATUS_OK)
        b->len = start;
    return status;
}

enum status jwt_sign(struct jwt_signer *s, const struct jwt_claims *claims, struct buf *b)
{
    struct buf text;
    enum status status;

    buf_init(&text, JWT_MAX);
    write_claims(claims, &text);
    status = append_token(s, &text, b);
    buf_free(&text);
    return status;
}

void jwt_signer_jwks(struct jwt_signer *const *signers, size_t count, struct buf *b)
{
    struct json_out w;

    json_begin(&w, b);
    json_object_begin(&w);
    json_key(&w, "keys");
    json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(&w);
        json_put_str(&w, "kty", SLICE_LITERAL("OKP"));
        json_put_str(&w, "crv", SLICE_LITERAL("Ed25519"));
        json_put_str(&w, "alg", SLICE_LITERAL("EdDSA"));
        json_put_str(&w, "use", SLICE_LITERAL("sig"));
        json_put_str(&w, "kid", slice_str(signers[i]->kid));
        json_put_str(&w, "x", slice_str(signers[i]->x));
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
}

/* ---- verifying ---- */

/* The three parts, still in base64url. */
struct parts {
    struct slice header, claims, signature;
    struct slice signed_text; /* header, dot, claims */
};

static bool split(struct slice token, struct parts *ret)
{
    struct slice rest = token;

    ret->header = slice_cut(&rest, '.');
    ret->claims = rest.at ? slice_cut(&rest, '.') : SLICE_NONE;
    ret->signature = rest;
    if (!rest.at || (rest.len > 0 && memchr(rest.at, '.', rest.len)))
        return false;
    ret->signed_text = slice_of(token.at, (size_t)(rest.at - token.at) - 1);
    return true;
}

static json_t *parse_part(struct slice part)
{
    char bytes[JWT_MAX], why[WHY_SIZE];
    long len = base64url_decode(part, bytes, sizeof(bytes));

    return len < 0 ? NULL : json_parse_object(slice_of(bytes, (size_t)len), why, sizeof(why));
}

static bool string_is(json_t *object, const char *key, const char *text)
{
    json_t *value = json_object_get(object, key);

    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* A token that names extensions it depends on ("crit", RFC 7515 section 4.1.11) is refused: none is
 * known here. */
static bool acceptable(json_t *header)
{
    return string_is(header, "alg", "EdDSA") && !json_object_get(header, "crit") &&
           (!json_object_get(header, "typ") || string_is(header, "typ", "JWT"));
}

static enum status check_header(const struct jwt_keys *k, struct slice part, EVP_PKEY **ret_key)
{
    json_t *header = parse_part(part);
    const char *kid;

    if (!header)
        return STATUS_MALFORMED;
    kid = json_string_value(json_object_get(header, "kid"));
    *ret_key = kid && acceptable(header) ? jwt_keys_find(k, kid) : NULL;
    json_decref(header);
    return *ret_key ? STATUS_OK : STATUS_UNAUTHORIZED;
}

static enum status check_signature(EVP_PKEY *key, const struct parts *parts)
{
    uint8_t signature[JWT_SIGNATURE_SIZE];
    EVP_MD_CTX *ctx;
    bool valid;

    if (base64url_decode(parts->signature, signature, sizeof(signature)) != sizeof(signature))
        return STATUS_UNAUTHORIZED;
    ctx = EVP_MD_CTX_new();
    valid = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
            EVP_DigestVerify(ctx, signature, sizeof(signature),
                             (const uint8_t *)parts->signed_text.at, parts->signed_text.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return valid ? STATUS_OK : STATUS_UNAUTHORIZED;
}

/* Absent: "". */
static bool read_text(json_t *claims, const char *key, char *ret_text, size_t size)
{
    json_t *value = json_object_get(claims, key);

    /* "aud" may be a list (RFC 7519 section 4.1.3); ours has one entry. */
    if (json_is_array(value) && json_array_size(value) == 1)
        value = json_array_get(value, 0);
    ret_text[0] = '\0';
    if (!value)
        return true;
    return json_is_string(value) &&
           slice_to_str(slice_of(json_string_value(value), json_string_length(value)), ret_text,
                        size);
}

/* NumericDate may have a fraction, which is dropped. Beyond 2^53 a double is no count of seconds.
 */
static bool read_date(json_t *claims, const char *key, int64_t *ret_s)
{
    json_t *value = json_object_get(claims, key);
    double number = json_number_value(value);

    if (!json_is_number(value) || number < 0 || number > 0x1p53)
        return false;
    *ret_s = (int64_t)number;
    return true;
}

static bool read_claims(json_t *json, struct jwt_claims *ret, int64_t *ret_not_before_s)
{
    *ret = (struct jwt_claims){0};
    *ret_not_before_s = 0;
    return read_text(json, "iss", ret->issuer, sizeof(ret->issuer)) &&
           read_text(json, "sub", ret->subject, sizeof(ret->subject)) &&
           read_text(json, "aud", ret->audience, sizeof(ret->audience)) &&
           read_text(json, "jti", ret->id, sizeof(ret->id)) &&
           read_text(json, "idn", ret->identity, sizeof(ret->identity)) &&
           read_date(json, "exp", &ret->expires_s) &&
           (!json_object_get(json, "iat") || read_date(json, "iat", &ret->issued_s)) &&
           (!json_object_get(json, "nbf") || read_date(json, "nbf", ret_not_before_s));
}

static enum status check_claims(struct slice part, int64_t now_s, struct jwt_claims *ret_claims)
{
    json_t *json = parse_part(part);
    int64_t not_before_s;
    bool read = json && read_claims(json, ret_claims, &not_before_s);

    json_decref(json);
    if (!read)
        return STATUS_MALFORMED;
    if (now_s < not_before_s)
        return STATUS_UNAUTHORIZED;
    return now_s >= ret_claims->expires_s ? STATUS_EXPIRED : STATUS_OK;
}

enum status jwt_verify(const struct jwt_keys *k, struct slice token, int64_t now_s,
                       struct jwt_claims *ret_claims)
{
    struct parts parts;
    EVP_PKEY *key;
    enum status status;

    if (token.len > JWT_MAX || !split(token, &parts))
        return STATUS_MALFORMED;
    status = check_header(k, parts.header, &key);
    if (status == STATUS_OK)
        status = check_signature(key, &parts);
    if (status == STATUS_OK)
        status = check_claims(parts.claims, now_s, ret_claims);
    return status;
}
