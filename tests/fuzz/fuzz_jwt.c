/* JSON Web Tokens and key sets. The key is that of RFC 8037, so that seeds can carry true
 * signatures. */
#include "engine/base/jwt.h"
#include "tests/fuzz/fuzz.h"

#define JWKS                                                                                       \
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\",\"x\":"                         \
    "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct jwt_keys *keys;
    struct jwt_keys *parsed;
    struct jwt_claims claims;

    if (!keys)
        must(jwt_keys_parse(SLICE_LITERAL(JWKS), &keys) == STATUS_OK);
    if (jwt_verify(keys, slice_of(at, len), 1000, &claims) == STATUS_OK)
        must(claims.expires_s > 1000);
    if (jwt_keys_parse(slice_of(at, len), &parsed) == STATUS_OK) {
        must(jwt_verify(parsed, slice_of(at, len), 0, &claims) != STATUS_OK);
        jwt_keys_free(parsed);
    }
    return 0;
}
