#include "engine/base/jwt.h"

#include "engine/base/encode.h"
#include "engine/base/json.h"
#include "engine/base/mem.h"
#include "tests/lib/guard.h"
#include "tests/lib/leaks.h"
#include "tests/lib/temp.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdio.h>

/* The key of RFC 8037, appendix A.1, and its thumbprint of A.3. */
#define RFC_PEM                                                                                    \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"                           \
    "-----END PRIVATE KEY-----\n"
#define RFC_KID "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
#define RFC_X   "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define RFC_JWKS                                                                                   \
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"EdDSA\",\"use\":\"sig\",\"kid\":"   \
    "\"" RFC_KID "\",\"x\":\"" RFC_X "\"}]}"

static const struct jwt_claims claims = {.issuer = "https://tickets.example",
                                         .subject = "42",
                                         .audience = "17",
                                         .id = "a-jti",
                                         .identity = "hash",
                                         .issued_s = 1000,
                                         .expires_s = 1600};

static struct temp_dir dir;
static struct jwt_signer *signer;
static struct jwt_keys *keys;
static struct buf token;

static enum status load_pem(const char *pem, struct jwt_signer **ret)
{
    char path[200];

    temp_file(&dir, "key.pem", pem, strlen(pem), path, sizeof(path));
    return jwt_signer_load(path, ret);
}

static void set_up(void)
{
    dir = temp_dir_new();
    buf_init(&token, 4096);
    cr_assert_eq(load_pem(RFC_PEM, &signer), STATUS_OK);
    cr_assert_eq(jwt_keys_parse(SLICE_LITERAL(RFC_JWKS), &keys), STATUS_OK);
}

static void tear_down(void)
{
    temp_dir_free(&dir);
    buf_free(&token);
    jwt_signer_free(signer);
    jwt_keys_free(keys);
    assert_no_leaks();
}

TestSuite(jwt, .init = set_up, .fini = tear_down);

static enum status verify(struct slice text, struct jwt_claims *ret)
{
    struct guard g = guard_new(text.at, text.len);
    enum status status = jwt_verify(keys, g.bytes, 1200, ret);

    guard_free(&g);
    return status;
}

/* ---- signing ---- */

Test(jwt, what_is_signed_verifies)
{
    struct jwt_claims got;

    cr_assert_eq(jwt_sign(signer, &claims, &token), STATUS_OK);
    cr_assert_eq(verify(buf_slice(&token), &got), STATUS_OK);
    cr_assert_str_eq(got.issuer, claims.issuer);
    cr_assert_str_eq(got.subject, "42");
    cr_assert_str_eq(got.audience, "17");
    cr_assert_str_eq(got.id, "a-jti");
    cr_assert_str_eq(got.identity, "hash");
    cr_assert_eq(got.issued_s, 1000);
    cr_assert_eq(got.expires_s, 1600);
}

Test(jwt, empty_claims_are_left_out)
{
    struct jwt_claims few = {.expires_s = 5000}, got;

    cr_assert_eq(jwt_sign(signer, &few, &token), STATUS_OK);
    cr_assert_eq(verify(buf_slice(&token), &got), STATUS_OK);
    cr_assert_str_eq(got.subject, "");
    cr_assert_str_eq(got.issuer, "");
}

Test(jwt, signing_appends_and_repeats)
{
    struct slice first;

    buf_append_str(&token, "x");
    cr_assert_eq(jwt_sign(signer, &claims, &token), STATUS_OK);
    cr_assert_eq(token.at[0], 'x');
    first = slice_of(token.at + 1, token.len - 1);
    buf_append_char(&token, ' ');
    cr_assert_eq(jwt_sign(signer, &claims, &token), STATUS_OK);
    cr_assert(
        slice_eq(slice_of(token.at + 1, first.len), slice_of(token.at + 2 + first.len, first.len)),
        "Ed25519 gives the same signature for the same text");
}

Test(jwt, what_does_not_fit_is_not_half_written)
{
    struct jwt_claims long_claims = claims;
    struct buf small;

    buf_init(&small, 300);
    buf_append_str(&small, "x");
    cr_assert_eq(jwt_sign(signer, &claims, &small), STATUS_TOO_LARGE);
    cr_assert(slice_is(buf_slice(&small), "x"));
    buf_free(&small);
    memset(long_claims.issuer, 1, sizeof(long_claims.issuer) - 1);
    memset(long_claims.subject, 1, sizeof(long_claims.subject) - 1);
    memset(long_claims.audience, 1, sizeof(long_claims.audience) - 1);
    memset(long_claims.id, 1, sizeof(long_claims.id) - 1);
    cr_assert_eq(jwt_sign(signer, &long_claims, &token), STATUS_TOO_LARGE,
                 "past JWT_MAX when escaped");
    cr_assert_eq(token.len, 0);
}

Test(jwt, the_key_set_and_thumbprint_of_the_rfc)
{
    struct buf b;

    buf_init(&b, 1000);
    jwt_signer_jwks(&signer, 1, &b);
    cr_assert(slice_is(buf_slice(&b), RFC_JWKS), "%.*s", SLICE_ARG(buf_slice(&b)));
    buf_clear(&b);
    jwt_signer_jwks(NULL, 0, &b);
    cr_assert(slice_is(buf_slice(&b), "{\"keys\":[]}"));
    buf_free(&b);
}

Test(jwt, files_that_are_no_ed25519_key)
{
    struct jwt_signer *s = NULL;
    const char *p256 = "-----BEGIN PRIVATE KEY-----\n"
                       "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\n"
                       "OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n"
                       "1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n"
                       "-----END PRIVATE KEY-----\n";

    cr_assert_eq(jwt_signer_load("/nonexistent.pem", &s), STATUS_IO);
    cr_assert_eq(load_pem("", &s), STATUS_MALFORMED);
    cr_assert_eq(load_pem("not a key", &s), STATUS_MALFORMED);
    cr_assert_eq(load_pem(p256, &s), STATUS_MALFORMED);
    cr_assert_null(s);
    jwt_signer_free(NULL);
}

/* ---- tokens that others made ---- */

/* Signs header and claims as they are, with the key of the RFC. */
static struct slice make(const char *header, const char *body)
{
    uint8_t raw[32], signature[64];
    size_t len = sizeof(signature);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY *key;
    char *at;

    cr_assert_eq(
        base64url_decode(SLICE_LITERAL("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"), raw, 32),
        32);
    key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, 32);
    buf_clear(&token);
    at = buf_reserve(&token, 4000);
    token.len = base64url_encode(header, strlen(header), at);
    token.at[token.len++] = '.';
    token.len += base64url_encode(body, strlen(body), token.at + token.len);
    cr_assert_eq(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key), 1);
    cr_assert_eq(EVP_DigestSign(ctx, signature, &len, (uint8_t *)token.at, token.len), 1);
    token.at[token.len++] = '.';
    token.len += base64url_encode(signature, 64, token.at + token.len);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return buf_slice(&token);
}

#define HEADER "{\"alg\":\"EdDSA\",\"kid\":\"" RFC_KID "\"}"

Test(jwt, headers)
{
    static const struct {
        const char *header;
        enum status status;
    } cases[] = {
        {HEADER, STATUS_OK},
        {"{\"typ\":\"JWT\",\"alg\":\"EdDSA\",\"kid\":\"" RFC_KID "\"}", STATUS_OK},
        {"{\"typ\":\"JOSE\",\"alg\":\"EdDSA\",\"kid\":\"" RFC_KID "\"}", STATUS_UNAUTHORIZED},
        {"{\"typ\":1,\"alg\":\"EdDSA\",\"kid\":\"" RFC_KID "\"}", STATUS_UNAUTHORIZED},
        {"{\"alg\":\"none\",\"kid\":\"" RFC_KID "\"}", STATUS_UNAUTHORIZED},
        {"{\"alg\":\"HS256\",\"kid\":\"" RFC_KID "\"}", STATUS_UNAUTHORIZED},
        {"{\"alg\":\"eddsa\",\"kid\":\"" RFC_KID "\"}", STATUS_UNAUTHORIZED},
        {"{\"kid\":\"" RFC_KID "\"}", STATUS_UNAUTHORIZED},
        {"{\"alg\":\"EdDSA\"}", STATUS_UNAUTHORIZED},
        {"{\"alg\":\"EdDSA\",\"kid\":5}", STATUS_UNAUTHORIZED},
        {"{\"alg\":\"EdDSA\",\"kid\":\"other\"}", STATUS_UNAUTHORIZED},
        {"{\"alg\":\"EdDSA\",\"crit\":[\"b64\"],\"b64\":false,\"kid\":\"" RFC_KID "\"}",
         STATUS_UNAUTHORIZED},
        {"{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\",\"kid\":\"" RFC_KID "\"}", STATUS_MALFORMED},
        {"[]", STATUS_MALFORMED},
        {"", STATUS_MALFORMED},
        {"{", STATUS_MALFORMED},
    };

    for (size_t i = 0; i < array_len(cases); i++) {
        struct jwt_claims got;

        cr_assert_eq(verify(make(cases[i].header, "{\"exp\":1600}"), &got), cases[i].status, "%s",
                     cases[i].header);
    }
}

Test(jwt, bodies)
{
    static const struct {
        const char *body;
        enum status status;
    } cases[] = {
        {"{\"exp\":1600}", STATUS_OK},
        {"{\"exp\":1600.9,\"iat\":1e3,\"more\":{\"a\":[1]}}", STATUS_OK},
        {"{\"exp\":1201}", STATUS_OK},
        {"{\"exp\":1200}", STATUS_EXPIRED},
        {"{\"exp\":0}", STATUS_EXPIRED},
        {"{\"exp\":1600,\"nbf\":1200}", STATUS_OK},
        {"{\"exp\":1600,\"nbf\":1201}", STATUS_UNAUTHORIZED},
        {"{\"exp\":1600,\"aud\":[\"17\"]}", STATUS_OK},
        {"{\"exp\":1600,\"aud\":[\"17\",\"18\"]}", STATUS_MALFORMED},
        {"{\"exp\":1600,\"aud\":[]}", STATUS_MALFORMED},
        {"{\"exp\":1600,\"aud\":17}", STATUS_MALFORMED},
        {"{}", STATUS_MALFORMED},
        {"{\"exp\":\"1600\"}", STATUS_MALFORMED},
        {"{\"exp\":-1}", STATUS_MALFORMED},
        {"{\"exp\":1e300}", STATUS_MALFORMED},
        {"{\"exp\":null}", STATUS_MALFORMED},
        {"{\"exp\":1600,\"iat\":\"x\"}", STATUS_MALFORMED},
        {"{\"exp\":1600,\"nbf\":\"x\"}", STATUS_MALFORMED},
        {"{\"exp\":1600,\"sub\":5}", STATUS_MALFORMED},
        {"{\"exp\":1600,\"sub\":null}", STATUS_MALFORMED},
        {"{\"exp\":1600,\"sub\":\"a\",\"sub\":\"b\"}", STATUS_MALFORMED},
        {"{\"exp\":1600,\"jti\":"
         "\"0123456789012345678901234567890123456789012345678901234567890123\"}",
         STATUS_MALFORMED},
        {"[]", STATUS_MALFORMED},
        {"", STATUS_MALFORMED},
    };

    for (size_t i = 0; i < array_len(cases); i++) {
        struct jwt_claims got;

        cr_assert_eq(verify(make(HEADER, cases[i].body), &got), cases[i].status, "%s",
                     cases[i].body);
    }
}

Test(jwt, the_one_entry_of_an_audience_list_is_the_audience)
{
    struct jwt_claims got;

    cr_assert_eq(verify(make(HEADER, "{\"exp\":1600,\"aud\":[\"17\"]}"), &got), STATUS_OK);
    cr_assert_str_eq(got.audience, "17");
}

Test(jwt, every_changed_character_is_noticed)
{
    struct jwt_claims got;

    cr_assert_eq(jwt_sign(signer, &claims, &token), STATUS_OK);
    for (size_t i = 0; i < token.len; i++) {
        char was = token.at[i];

        token.at[i] = was == 'A' ? 'B' : 'A';
        cr_assert_neq(verify(buf_slice(&token), &got), STATUS_OK, "%zu", i);
        token.at[i] = was;
    }
    cr_assert_eq(verify(buf_slice(&token), &got), STATUS_OK);
}

Test(jwt, truncated_extended_and_oversized_tokens)
{
    struct jwt_claims got;

    cr_assert_eq(jwt_sign(signer, &claims, &token), STATUS_OK);
    for (size_t len = 0; len < token.len; len++)
        cr_assert_neq(verify(slice_of(token.at, len), &got), STATUS_OK, "%zu", len);
    buf_append_char(&token, '.');
    cr_assert_eq(verify(buf_slice(&token), &got), STATUS_MALFORMED, "four parts");
    token.len--;
    buf_append_str(&token, "AA");
    cr_assert_eq(verify(buf_slice(&token), &got), STATUS_UNAUTHORIZED);
    while (token.len <= JWT_MAX)
        buf_append_char(&token, 'A');
    cr_assert_eq(verify(buf_slice(&token), &got), STATUS_MALFORMED);
    cr_assert_eq(verify(SLICE_NONE, &got), STATUS_MALFORMED);
    cr_assert_eq(verify(SLICE_LITERAL(".."), &got), STATUS_MALFORMED);
}

/* ---- key sets ---- */

static size_t parsed_keys(const char *text)
{
    struct jwt_claims got;
    enum status status;

    jwt_keys_free(keys);
    keys = NULL;
    status = jwt_keys_parse(slice_str(text), &keys);
    cr_assert_eq(status, STATUS_OK, "%s", text);
    return verify(make(HEADER, "{\"exp\":1600}"), &got) == STATUS_OK;
}

#define KEY(kty, crv, more, kid, x)                                                                \
    "{\"kty\":\"" kty "\",\"crv\":\"" crv "\"," more "\"kid\":\"" kid "\",\"x\":\"" x "\"}"

Test(jwt, entries_for_others_are_skipped)
{
    cr_assert(parsed_keys(
        "{\"keys\":[5,{},{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\",\"kid\":\"r\"}," KEY(
            "OKP", "Ed25519", "", RFC_KID, RFC_X) "],\"more\":1}"));
    cr_assert(!parsed_keys("{\"keys\":[]}"));
    cr_assert(!parsed_keys("{\"keys\":[" KEY("EC", "Ed25519", "", RFC_KID, RFC_X) "]}"));
    cr_assert(!parsed_keys("{\"keys\":[" KEY("OKP", "X25519", "", RFC_KID, RFC_X) "]}"));
    cr_assert(
        !parsed_keys("{\"keys\":[" KEY("OKP", "Ed25519", "\"use\":\"enc\",", RFC_KID, RFC_X) "]}"));
    cr_assert(!parsed_keys(
        "{\"keys\":[" KEY("OKP", "Ed25519", "\"alg\":\"ES256\",", RFC_KID, RFC_X) "]}"));
    cr_assert(!parsed_keys("{\"keys\":[" KEY("OKP", "Ed25519", "", "", RFC_X) "]}"));
    cr_assert(!parsed_keys("{\"keys\":[" KEY("OKP", "Ed25519", "", RFC_KID, "AAAA") "]}"));
    cr_assert(
        !parsed_keys("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" RFC_KID "\"}]}"));
}

Test(jwt, of_two_keys_with_one_kid_the_first_counts)
{
    const char *other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    char text[1000];

    snprintf(text, sizeof(text),
             "{\"keys\":[" KEY("OKP", "Ed25519", "", RFC_KID, RFC_X) "," KEY("OKP", "Ed25519", "",
                                                                             RFC_KID, "%s") "]}",
             other);
    cr_assert(parsed_keys(text));
    snprintf(text, sizeof(text),
             "{\"keys\":[" KEY("OKP", "Ed25519", "", RFC_KID, "%s") "," KEY("OKP", "Ed25519", "",
                                                                            RFC_KID, RFC_X) "]}",
             other);
    cr_assert(!parsed_keys(text));
}

Test(jwt, what_is_no_key_set_is_malformed)
{
    static const char *const bad[] = {"", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[", "null"};

    for (size_t i = 0; i < array_len(bad); i++) {
        struct jwt_keys *k = NULL;

        cr_assert_eq(jwt_keys_parse(slice_str(bad[i]), &k), STATUS_MALFORMED, "%s", bad[i]);
        cr_assert_null(k);
    }
    jwt_keys_free(NULL);
}

/* The example of RFC 8037, appendix A.4: the signature is right, the text is no token. */
Test(jwt, the_signature_of_the_rfc_is_checked_before_the_claims)
{
    const char *text =
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"
        "09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    struct jwt_claims got;

    cr_assert_eq(verify(slice_str(text), &got), STATUS_UNAUTHORIZED, "it names no kid");
}
