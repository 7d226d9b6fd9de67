#include "engine/base/json.h"
#include "engine/base/jwt_internal.h"
#include "engine/base/mem.h"

#define KEYS_MAX 16 /* a set is a handful: the present keys and those being phased out */
#define KID_SIZE 128
#define WHY_SIZE 128

struct public_key {
    char kid[KID_SIZE];
    EVP_PKEY *key;
};

struct jwt_keys {
    struct public_key keys[KEYS_MAX];
    size_t count;
};

static bool member_is(json_t *jwk, const char *name, const char *text, bool required)
{
    json_t *value = json_object_get(jwk, name);

    if (!value)
        return !required;
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static struct slice member(json_t *jwk, const char *name)
{
    json_t *value = json_object_get(jwk, name);

    return slice_of(json_string_value(value), json_string_length(value));
}

/* Entries that are not Ed25519 signature keys with a kid are skipped, as a set may hold keys for
 * others. */
static void add_key(struct jwt_keys *k, json_t *jwk)
{
    struct public_key *to = &k->keys[k->count];
    uint8_t raw[JWT_KEY_SIZE];
    struct slice kid = member(jwk, "kid");

    if (k->count == KEYS_MAX || !member_is(jwk, "kty", "OKP", true) ||
        !member_is(jwk, "crv", "Ed25519", true) || !member_is(jwk, "alg", "EdDSA", false) ||
        !member_is(jwk, "use", "sig", false))
        return;
    if (kid.len == 0 || !slice_to_str(kid, to->kid, sizeof(to->kid)) ||
        base64url_decode(member(jwk, "x"), raw, sizeof(raw)) != sizeof(raw))
        return;
    to->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof(raw));
    if (to->key)
        k->count++;
}

enum status jwt_keys_parse(struct slice jwks, struct jwt_keys **ret_keys)
{
    char why[WHY_SIZE];
    json_t *json = json_parse_object(jwks, why, sizeof(why)), *list, *jwk;
    struct jwt_keys *k;
    size_t i;

    list = json_object_get(json, "keys");
    if (!json_is_array(list)) {
        json_decref(json);
        return STATUS_MALFORMED;
    }
    k = mem_alloc(sizeof(*k));
    json_array_foreach(list, i, jwk) add_key(k, jwk);
    json_decref(json);
    *ret_keys = k;
    return STATUS_OK;
}

void jwt_keys_free(struct jwt_keys *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->count; i++)
        EVP_PKEY_free(k->keys[i].key);
    mem_free(k);
}

EVP_PKEY *jwt_keys_find(const struct jwt_keys *k, const char *kid)
{
    for (size_t i = 0; i < k->count; i++) {
        if (strcmp(k->keys[i].kid, kid) == 0)
            return k->keys[i].key;
    }
    return NULL;
}
