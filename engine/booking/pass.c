#include "engine/booking/pass.h"

#include "engine/base/log.h"
#include "engine/base/map.h"
#include "engine/base/mem.h"
#include "engine/base/token.h"

#include <inttypes.h>
#include <stdio.h>

#define REFRESH_MS 3000 /* between two fetches for unknown keys */
#define RETRY_MS   500  /* while there are no keys at all */
#define FETCH_MS   2000

/* A pass that was verified: its Ed25519 signature is not looked at again. */
struct known_pass {
    uint8_t digest[32]; /* SHA-256 of the token */
    struct jwt_claims claims;
    struct list link;
};

struct passes {
    struct loop *loop;
    struct http_client *client;
    const char *url;
    struct jwt_keys *keys; /* NULL: none yet */
    bool fetching;
    int64_t fetched_ns; /* when the last fetch ended; 0: never */
    struct http_fetch fetch;
    struct timer retry;
    struct turn_end end;
    struct list waits, answered; /* for the fetch; for the end of the turn */
    struct map known;
    struct list known_list; /* oldest first */
    size_t remember;
};

static void fetch_keys(struct passes *p);

static void answer(struct list *waits, enum status status)
{
    struct list now, *link;

    list_init(&now);
    list_splice(&now, waits);
    while ((link = list_pop_front(&now))) {
        struct pass_wait *wait = list_entry(link, struct pass_wait, link);

        wait->cb(wait, status);
    }
}

static void end_cb(struct turn_end *end)
{
    answer(&container_of(end, struct passes, end)->answered, STATUS_OK);
}

static void retry_cb(struct timer *t)
{
    fetch_keys(container_of(t, struct passes, retry));
}

struct passes *passes_new(struct loop *l, struct http_client *client, const char *jwks_url,
                          size_t remember)
{
    struct passes *p = mem_alloc(sizeof(*p));

    p->loop = l;
    p->client = client;
    p->url = jwks_url && *jwks_url ? jwks_url : NULL;
    p->remember = remember;
    map_init(&p->known);
    list_init(&p->known_list);
    list_init(&p->waits);
    list_init(&p->answered);
    turn_end_init(&p->end, end_cb);
    timer_init(l, &p->retry, retry_cb);
    if (p->url)
        fetch_keys(p);
    return p;
}

static void forget(struct passes *p, struct known_pass *known)
{
    map_remove(&p->known, slice_of(known->digest, sizeof(known->digest)));
    list_remove(&known->link);
    mem_free(known);
}

void passes_stop(struct passes *p)
{
    p->url = NULL; /* no more fetches */
    turn_end_cancel(&p->end);
    timer_close(&p->retry, NULL);
    answer(&p->waits, STATUS_CANCELED);
    answer(&p->answered, STATUS_CANCELED);
}

void passes_free(struct passes *p)
{
    if (!p)
        return;
    while (!list_empty(&p->known_list))
        forget(p, list_entry(p->known_list.next, struct known_pass, link));
    map_free(&p->known);
    if (p->keys)
        jwt_keys_free(p->keys);
    mem_free(p);
}

bool passes_ready(struct passes *p, const char **ret_why)
{
    if (p->url && !p->keys) {
        *ret_why = "the keys of the passes could not be fetched yet";
        return false;
    }
    return true;
}

/* ---- keys ---- */

static enum status take_keys(struct passes *p)
{
    struct jwt_keys *keys;

    if (p->fetch.http_status != 200 ||
        jwt_keys_parse(buf_slice(&p->fetch.answer), &keys) != STATUS_OK)
        return STATUS_PROTOCOL;
    if (p->keys)
        jwt_keys_free(p->keys);
    p->keys = keys;
    return STATUS_OK;
}

static void fetch_cb(struct http_fetch *fetch, enum status status)
{
    struct passes *p = container_of(fetch, struct passes, fetch);

    p->fetching = false;
    p->fetched_ns = loop_mono_ns(p->loop);
    if (status == STATUS_OK)
        status = take_keys(p);
    http_fetch_release(fetch);
    if (status != STATUS_OK && p->url) {
        log_warn("pass", "keys could not be fetched", log_str("url", p->url), log_status(status));
        if (!p->keys)
            timer_start(&p->retry, RETRY_MS, 0);
    }
    answer(&p->waits, status);
}

static void fetch_keys(struct passes *p)
{
    p->fetch = (struct http_fetch){.method = HTTP_GET_,
                                   .url = p->url,
                                   .deadline_ms = FETCH_MS,
                                   .idempotent = true,
                                   .cb = fetch_cb};
    p->fetching = http_fetch_submit(p->client, &p->fetch) == STATUS_OK;
    if (!p->fetching && !p->keys)
        timer_start(&p->retry, RETRY_MS, 0);
}

enum status passes_refresh(struct passes *p, struct pass_wait *wait)
{
    if (!p->url)
        return STATUS_UNAVAILABLE;
    if (!p->fetching && p->keys && loop_mono_ns(p->loop) - p->fetched_ns < REFRESH_MS * 1000000LL) {
        list_push_back(&p->answered, &wait->link);
        loop_defer(p->loop, &p->end);
        return STATUS_OK;
    }
    if (!p->fetching)
        fetch_keys(p);
    if (!p->fetching)
        return STATUS_UNAVAILABLE;
    list_push_back(&p->waits, &wait->link);
    return STATUS_OK;
}

/* ---- passes ---- */

/* Both stand in names of keys and in lines of words. */
static bool plain(const char *text)
{
    for (; *text; text++) {
        if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
              (*text >= '0' && *text <= '9') || *text == '-' || *text == '_' || *text == '.'))
            return false;
    }
    return true;
}

static void remember(struct passes *p, const uint8_t digest[32], const struct jwt_claims *claims)
{
    struct known_pass *known = mem_alloc(sizeof(*known));

    if (p->known.len >= p->remember && !list_empty(&p->known_list))
        forget(p, list_entry(p->known_list.next, struct known_pass, link));
    memcpy(known->digest, digest, sizeof(known->digest));
    known->claims = *claims;
    map_put(&p->known, slice_of(known->digest, sizeof(known->digest)), known);
    list_push_back(&p->known_list, &known->link);
}

enum pass_verdict pass_check(struct passes *p, struct slice token, uint64_t event_id,
                             struct jwt_claims *ret_claims)
{
    uint8_t digest[32];
    struct known_pass *known;
    char audience[24];
    enum status status;

    if (token.len == 0 || token.len > JWT_MAX)
        return PASS_INVALID;
    sha256(token.at, token.len, digest);
    known = map_get(&p->known, slice_of(digest, sizeof(digest)));
    if (known) {
        *ret_claims = known->claims;
    } else {
        if (!p->keys)
            return PASS_UNKNOWN;
        status = jwt_verify(p->keys, token, 0,
                            ret_claims); /* as of 1970: whether it has expired is asked below */
        if (status == STATUS_UNAUTHORIZED)
            return PASS_UNKNOWN;
        if (status != STATUS_OK || ret_claims->id[0] == '\0' || !plain(ret_claims->id) ||
            !plain(ret_claims->identity))
            return PASS_INVALID;
        remember(p, digest, ret_claims);
    }
    snprintf(audience, sizeof(audience), "%" PRIu64, event_id);
    if (strcmp(ret_claims->audience, audience) != 0)
        return PASS_INVALID;
    return ret_claims->expires_s * 1000 > loop_wall_ms(p->loop) ? PASS_VALID : PASS_EXPIRED;
}
