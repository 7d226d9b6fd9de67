#include "engine/store/kv.h"

#include "engine/base/encode.h"

#include <assert.h>
#include <openssl/evp.h>

void kv_script_init(struct kv_script *script)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int done = EVP_Digest(script->source, strlen(script->source), digest, &len, EVP_sha1(), NULL);

    assert(done && len == 20);
    (void)done;
    hex_encode(digest, len, script->sha);
    script->sha[40] = '\0';
}

bool kv_reply_u64(const struct kv_reply *r, uint64_t *ret_value)
{
    if (r->kind == KV_STR)
        return slice_to_u64(r->str, ret_value);
    if (r->kind != KV_INT || r->integer < 0)
        return false;
    *ret_value = (uint64_t)r->integer;
    return true;
}

const struct kv_reply *kv_reply_at(const struct kv_reply *r, size_t index)
{
    static const struct kv_reply nil = {.kind = KV_NIL};

    return r->kind == KV_ARRAY && index < r->count ? &r->elements[index] : &nil;
}
