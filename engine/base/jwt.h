/* JSON Web Tokens with EdDSA over Ed25519 (RFC 7519, RFC 8037) and JSON Web Key Sets (RFC 7517). No
 * other algorithm is ever accepted. */
#ifndef HOLDFAST_BASE_JWT_H
#define HOLDFAST_BASE_JWT_H

#include "engine/base/buf.h"

#define JWT_MAX 2048 /* bytes, a longer token is malformed before it is looked at */

struct jwt_signer; /* one private key */
struct jwt_keys;   /* a set of public keys by kid */

/* Claims of a pass. Strings are NUL-terminated, "" when absent. */
struct jwt_claims {
    char issuer[64], subject[64], audience[64], id[64]; /* iss sub aud jti */
    char identity[64];           /* "idn": hash of a verified identity, or "" */
    int64_t issued_s, expires_s; /* iat exp, seconds since 1970 */
};

/* PEM (PKCS#8) file. kid = RFC 7638 thumbprint of the public key. STATUS_IO when it cannot be
 * opened, STATUS_MALFORMED when it is no Ed25519 private key. */
enum status jwt_signer_load(const char *path, struct jwt_signer **ret_signer) MUST_CHECK;
void jwt_signer_free(struct jwt_signer *s);
/* Appends the compact form; on failure (STATUS_TOO_LARGE past JWT_MAX or the limit of `b`) nothing
 * is appended. */
enum status jwt_sign(struct jwt_signer *s, const struct jwt_claims *claims,
                     struct buf *b) MUST_CHECK;
/* Appends {"keys":[...]} with the public keys of these signers. */
void jwt_signer_jwks(struct jwt_signer *const *signers, size_t count, struct buf *b);

/* From the text of a JWKS document; entries that are not Ed25519 keys with a kid are skipped, as
 * are those past the 16th. Of two with one kid the first counts. */
enum status jwt_keys_parse(struct slice jwks, struct jwt_keys **ret_keys) MUST_CHECK;
void jwt_keys_free(struct jwt_keys *k);

/* STATUS_MALFORMED, STATUS_UNAUTHORIZED (unknown kid, bad signature, alg, typ, "crit", "nbf" to
 * come), STATUS_EXPIRED (at now_s, no leeway). Audience and meaning are the caller's to check. */
enum status jwt_verify(const struct jwt_keys *k, struct slice token, int64_t now_s,
                       struct jwt_claims *ret_claims) MUST_CHECK;

#endif
