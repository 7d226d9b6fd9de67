#include "engine/booking/entry.h"

#include "engine/base/token.h"

#include <stdio.h>

/*   event known? --no--> wait for it --\
 *     |                                |-- 404, 503
 *   pass needed? --no--> ready
 *     |
 *   pass checked --unknown key--> wait for fresh keys, once --\
 *     |                                                       |-- 401, 403, 503
 *   ready
 *
 * Both waits are shared with others, and so have limits of their own; none is begun when no time is
 * left. */

static void refuse(struct entry *e, enum problem problem, const char *detail)
{
    http_reply_problem(e->req, problem, detail);
    e->refused(e);
}

static void fail(struct entry *e, enum status status)
{
    if (status == STATUS_NOT_FOUND)
        http_reply_problem(e->req, PROBLEM_NOT_FOUND, "There is no such event.");
    else
        http_reply_failure(e->req, status);
    e->refused(e);
}

static void check_pass(struct entry *e);

static void keys_cb(struct pass_wait *wait, enum status status)
{
    struct entry *e = container_of(wait, struct entry, pass_wait);

    if (status == STATUS_OK)
        check_pass(e);
    else
        fail(e, STATUS_UNAVAILABLE);
}

static void wait_for_keys(struct entry *e)
{
    enum status status = STATUS_TIMEOUT;

    if (e->refreshed) {
        refuse(e, PROBLEM_PASS_INVALID, NULL);
        return;
    }
    e->refreshed = true;
    e->pass_wait.cb = keys_cb;
    if (!http_late(e->req))
        status = passes_refresh(e->engine->passes, &e->pass_wait);
    if (status != STATUS_OK)
        fail(e, STATUS_UNAVAILABLE);
}

static void check_pass(struct entry *e)
{
    struct slice token = http_credential(e->req, "Bearer");
    struct jwt_claims claims;

    if (!token.at) {
        refuse(e, PROBLEM_PASS_REQUIRED, NULL);
        return;
    }
    switch (pass_check(e->engine->passes, token, e->event_id, &claims)) {
    case PASS_VALID:
    case PASS_EXPIRED:
        snprintf(e->session, sizeof(e->session), "%s", claims.id);
        snprintf(e->customer, sizeof(e->customer), "%s", claims.identity);
        e->session_expires_ms = claims.expires_s * 1000;
        e->ready(e);
        return;
    case PASS_INVALID: refuse(e, PROBLEM_PASS_INVALID, NULL); return;
    case PASS_UNKNOWN: wait_for_keys(e); return;
    }
}

static void event_known(struct entry *e, struct event *event)
{
    e->event = event_ref(event);
    if (e->need == ENTRY_SHOPPER && event->has_queue && e->engine->pressure)
        pressure_touch(e->engine->pressure, e->event_id);
    if (e->need == ENTRY_SHOPPER && event->has_queue)
        check_pass(e);
    else
        e->ready(e);
}

static void event_got_cb(struct event_wait *wait, enum status status, struct event *event)
{
    struct entry *e = container_of(wait, struct entry, event_wait);

    if (status == STATUS_OK)
        event_known(e, event);
    else
        fail(e, status);
}

void entry_begin(struct entry *entry, struct engine *engine, struct http_request *req,
                 uint64_t event_id, enum entry_need need, entry_fn ready, entry_fn refused)
{
    struct event *event = event_peek(engine->events, event_id);
    enum status status = STATUS_TIMEOUT;

    entry->engine = engine;
    entry->req = req;
    entry->event_id = event_id;
    entry->need = need;
    entry->ready = ready;
    entry->refused = refused;
    if (event) {
        event_known(entry, event);
        return;
    }
    entry->event_wait.cb = event_got_cb;
    if (!http_late(req))
        status = event_get(engine->events, event_id, &entry->event_wait);
    if (status != STATUS_OK)
        fail(entry, status);
}

void entry_end(struct entry *entry)
{
    event_unref(entry->event);
    entry->event = NULL;
}

bool idempotency_key(struct http_request *req, struct slice *ret_key)
{
    struct slice key = http_header_get(req, "idempotency-key");
    bool good = key.len <= 255;

    if (!key.at || key.len == 0) {
        http_reply_problem(req, PROBLEM_IDEMPOTENCY_KEY_MISSING, NULL);
        return false;
    }
    for (size_t i = 0; good && i < key.len; i++)
        good = key.at[i] > 0x20 && key.at[i] < 0x7f;
    if (!good)
        http_reply_problem(req, PROBLEM_BAD_REQUEST,
                           "Idempotency-Key must be 1 to 255 visible ASCII characters.");
    *ret_key = key;
    return good;
}

void entry_key(const struct entry *entry, struct slice key, char ret_hex[65])
{
    struct buf b;
    uint8_t digest[32];

    buf_init(&b, 1024);
    if (entry->session[0])
        buf_printf(&b, "session %s ", entry->session);
    else
        buf_printf(&b, "address %.*s ", SLICE_ARG(entry->req->peer));
    buf_append_slice(&b, key);
    sha256(b.at, b.len, digest);
    hex_encode(digest, sizeof(digest), ret_hex);
    ret_hex[64] = '\0';
    buf_free(&b);
}
