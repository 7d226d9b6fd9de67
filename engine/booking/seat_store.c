#include "engine/booking/seat_store_internal.h"

#include "engine/base/encode.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/*   submit -> script --NOMIRROR--> repair (mirror.h) --> script once more -> callback
 *               \--anything else----------------------------------------------^      */

#define CALL_MS   3000 /* of a whole call, a rebuild included */
#define SCRIPT_MS 1000 /* for one answer of Redis */

/* Calls of one event that wait for its mirror. */
struct repair {
    struct seat_store *store;
    uint64_t event_id;
    struct mirror_wait wait;
    struct list calls;
    struct list link;
};

struct seat_store *seat_store_new(struct loop *l, struct kv *kv, struct db *db)
{
    struct seat_store *s = mem_alloc(sizeof(*s));

    s->loop = l;
    s->kv = kv;
    s->mirror = mirror_new(l, kv, db);
    list_init(&s->repairing);
    seat_store_scripts_init(s);
    seat_store_sold_init(s);
    return s;
}

void seat_store_stop(struct seat_store *s)
{
    seat_store_sold_stop(s);
    mirror_stop(s->mirror);
}

void seat_store_free(struct seat_store *s)
{
    if (!s)
        return;
    mirror_free(s->mirror);
    seat_store_sold_free(s);
    assert(list_empty(&s->repairing));
    for (size_t i = 0; i < SCRIPT_COUNT; i++)
        script_free(&s->scripts[i].script);
    mem_free(s);
}

struct mirror *seat_store_mirror(struct seat_store *s)
{
    return s->mirror;
}

void hold_id_make(uint64_t event_id, char ret_id[HOLD_ID_SIZE])
{
    uint8_t secret[16];
    int len = snprintf(ret_id, HOLD_ID_SIZE, "%" PRIu64 ".", event_id);

    rng_secret(secret, sizeof(secret));
    ret_id[(size_t)len + base64url_encode(secret, sizeof(secret), ret_id + len)] = '\0';
}

bool hold_id_event(struct slice id, uint64_t *ret_event_id)
{
    uint8_t secret[16];
    struct slice event = slice_cut(&id, '.');

    return id.at && event.len < 20 && id.len == BASE64URL_LEN(sizeof(secret)) &&
           base64url_decode(id, secret, sizeof(secret)) == sizeof(secret) &&
           (event.at[0] != '0' || event.len == 1) && slice_to_u64(event, ret_event_id);
}

/* ---- arguments ---- */

void args_slice(struct script_args *a, struct slice s)
{
    assert(a->count < SCRIPT_ARGS_MAX);
    a->v[a->count++] = s.at ? s : slice_of("", 0);
}

void args_str(struct script_args *a, const char *text)
{
    args_slice(a, slice_str(text));
}

void args_i64(struct script_args *a, int64_t value)
{
    char *at = a->text + a->used;
    int len = snprintf(at, sizeof(a->text) - a->used, "%" PRId64, value);

    a->used += (size_t)len;
    assert(a->used < sizeof(a->text));
    args_slice(a, slice_of(at, (size_t)len));
}

/* ---- the way of a call ---- */

static void script_cb(struct kv_request *request, enum status status, const struct kv_reply *reply);

static enum status send_script(struct hold_call *call)
{
    struct seat_store *s = call->store;
    struct script_args a;
    char key[32];
    struct slice key_slice =
        slice_of(key, (size_t)snprintf(key, sizeof(key), "{e%" PRIu64 "}", call->hold.event_id));
    int64_t left_ms = (call->deadline_ns - loop_mono_ns(s->loop)) / 1000000;

    if (left_ms <= 0)
        return STATUS_TIMEOUT;
    a.count = a.used = 0;
    args_str(&a, s->kv->run_id);
    call->script->args(call, &a);
    call->kv.cb = script_cb;
    return kv_eval(s->kv, &call->kv, &call->script->script.kv, &key_slice, 1, a.v, a.count,
                   left_ms < SCRIPT_MS ? (unsigned)left_ms : SCRIPT_MS);
}

static void finish(struct hold_call *call, enum status status)
{
    if (call->script == &call->store->scripts[SCRIPT_SOLD])
        sold_finish(call, status);
    else
        call->cb(call, status);
}

enum status seat_store_submit(struct seat_store *s, struct hold_call *call, int script)
{
    call->store = s;
    call->script = &s->scripts[script];
    call->retried = false;
    call->deadline_ns = loop_mono_ns(s->loop) + CALL_MS * 1000000LL;
    if (call->due.at_ns && call->due.at_ns < call->deadline_ns)
        call->deadline_ns = call->due.at_ns;
    return send_script(call);
}

static void repaired_cb(struct mirror_wait *wait, enum status status)
{
    struct repair *repair = container_of(wait, struct repair, wait);
    struct list *link;

    list_remove(&repair->link);
    while ((link = list_pop_front(&repair->calls))) {
        struct hold_call *call = list_entry(link, struct hold_call, waiting);
        enum status sent = status == STATUS_OK ? send_script(call) : status;

        if (sent != STATUS_OK)
            finish(call,
                   sent == STATUS_NOT_FOUND || sent == STATUS_TIMEOUT ? STATUS_UNAVAILABLE : sent);
    }
    mem_free(repair);
}

/* Lets the call wait for the mirror of its event; one repair for all that wait. */
static enum status wait_for_mirror(struct hold_call *call)
{
    struct seat_store *s = call->store;
    struct repair *repair;
    enum status status;

    list_for_each (it, &s->repairing) {
        repair = list_entry(it, struct repair, link);
        if (repair->event_id == call->hold.event_id) {
            list_push_back(&repair->calls, &call->waiting);
            return STATUS_OK;
        }
    }
    repair = mem_alloc(sizeof(*repair));
    repair->store = s;
    repair->event_id = call->hold.event_id;
    repair->wait.cb = repaired_cb;
    list_init(&repair->calls);
    status = mirror_repair(s->mirror, repair->event_id, false, &repair->wait);
    if (status != STATUS_OK) {
        mem_free(repair);
        return status;
    }
    list_push_back(&s->repairing, &repair->link);
    list_push_back(&repair->calls, &call->waiting);
    return STATUS_OK;
}

static void script_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct hold_call *call = container_of(request, struct hold_call, kv);

    if (status == STATUS_INTERNAL && slice_starts_with(reply->str, SLICE_LITERAL("NOMIRROR"))) {
        status = STATUS_UNAVAILABLE;
        if (!call->retried && !call->script->no_repair) {
            call->retried = true;
            status = wait_for_mirror(call);
            if (status == STATUS_OK)
                return;
        }
    } else if (status == STATUS_INTERNAL) {
        log_error("seat_store", "a script failed", log_str("script", call->script->script.kv.name),
                  log_slice("why", reply->str));
    } else if (status == STATUS_OK && (reply->kind != KV_STR || !read_answer(call, reply->str))) {
        log_error("seat_store", "a script answered what it should not",
                  log_str("script", call->script->script.kv.name),
                  log_slice("answer",
                            slice_of(reply->str.at, reply->str.len < 200 ? reply->str.len : 200)));
        status = STATUS_PROTOCOL;
    }
    finish(call, status);
}
