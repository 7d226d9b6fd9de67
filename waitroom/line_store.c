#include "waitroom/line_store.h"

#include "engine/base/encode.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "waitroom/waitroom_lua.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define KEY_SIZE      80
#define INT_SIZE      24
#define RECOVER_MS    "3000"
#define SPENT_LIFE_MS "660000"  /* the life of a pass, and some */
#define BUCKET_LIFE_S "1209600" /* twice the life of a ticket */

static struct kv_script script_meter = {.name = "line_meter", .source = lua_line_meter};
static struct kv_script script_load = {.name = "line_load", .source = lua_line_load};
static struct kv_script script_settings = {.name = "line_settings", .source = lua_line_settings};
static struct kv_script script_reserve = {.name = "line_reserve", .source = lua_line_reserve};
static struct kv_script script_confirm = {.name = "line_confirm", .source = lua_line_confirm};
static struct kv_script script_back = {.name = "line_back", .source = lua_line_back};
static struct kv_script script_spent = {.name = "line_spent", .source = lua_line_spent};
static struct kv_script script_join = {.name = "line_join", .source = lua_line_join};
static struct kv_script script_claim = {.name = "line_claim", .source = lua_line_claim};

void line_store_init(void)
{
    kv_script_init(&script_meter);
    kv_script_init(&script_load);
    kv_script_init(&script_settings);
    kv_script_init(&script_reserve);
    kv_script_init(&script_confirm);
    kv_script_init(&script_back);
    kv_script_init(&script_spent);
    kv_script_init(&script_join);
    kv_script_init(&script_claim);
}

/* ---- keys and arguments, built on the stack: submits copy them ---- */

struct call_args {
    char key_text[7][KEY_SIZE];
    struct slice keys[7];
    size_t key_count;
    char int_text[20][INT_SIZE];
    size_t int_count;
    struct slice args[LINE_JOINS_MAX + 4];
    size_t arg_count;
};

static void add_key(struct call_args *a, uint64_t event_id, const char *rest)
{
    char *text = a->key_text[a->key_count];
    int len = snprintf(text, KEY_SIZE, "{e%" PRIu64 "}:%s", event_id, rest);

    assert(len > 0 && len < KEY_SIZE);
    a->keys[a->key_count++] = slice_of(text, (size_t)len);
}

static void add_slice(struct call_args *a, struct slice value)
{
    assert(a->arg_count < array_len(a->args));
    a->args[a->arg_count++] = value;
}

static void add_int(struct call_args *a, int64_t value)
{
    char *text = a->int_text[a->int_count++];
    int len = snprintf(text, INT_SIZE, "%" PRId64, value);

    assert(a->int_count <= array_len(a->int_text));
    add_slice(a, slice_of(text, (size_t)len));
}

static void call_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct line_call *call = container_of(request, struct line_call, kv);

    if (status == STATUS_OK) {
        call->outcome = LINE_DONE;
        call->read(call, reply);
    } else if (status == STATUS_INTERNAL) {
        /* Loading, read-only, out of memory: not the client's doing, and it passes. */
        log_warn("line_store", "redis refused", log_slice("why", reply->str));
        status = STATUS_UNAVAILABLE;
    }
    call->cb(call, status);
}

static enum status submit_within(struct kv *kv, struct line_call *call,
                                 const struct kv_script *script, const struct call_args *a,
                                 void (*read)(struct line_call *call, const struct kv_reply *reply),
                                 unsigned deadline_ms)
{
    call->read = read;
    call->kv.cb = call_cb;
    call->accepted = false;
    return kv_eval(kv, &call->kv, script, a->keys, a->key_count, a->args, a->arg_count,
                   deadline_ms);
}

static enum status submit(struct kv *kv, struct line_call *call, const struct kv_script *script,
                          const struct call_args *a,
                          void (*read)(struct line_call *call, const struct kv_reply *reply))
{
    return submit_within(kv, call, script, a, read, LINE_DEADLINE_MS);
}

static void begin(struct call_args *a, uint64_t event_id)
{
    a->key_count = a->int_count = a->arg_count = 0;
    add_key(a, event_id, "q:line");
}

static void add_settings(struct call_args *a, const struct line_settings *s)
{
    add_int(a, (int64_t)s->version);
    add_int(a, s->rate_per_minute);
    add_int(a, s->max_active);
    add_int(a, s->claim_ms);
    add_int(a, s->prequeue_ms);
    add_int(a, s->opens_ms);
    add_int(a, s->closes_ms);
    add_int(a, s->paused);
}

static int64_t int_at(const struct kv_reply *reply, size_t index)
{
    const struct kv_reply *element = kv_reply_at(reply, index);

    return element->kind == KV_INT ? element->integer : 0;
}

static uint64_t u64_at(const struct kv_reply *reply, size_t index)
{
    int64_t value = int_at(reply, index);

    return value > 0 ? (uint64_t)value : 0;
}

/* An empty array says that the line is not known. */
static bool forgotten(struct line_call *call, const struct kv_reply *reply, size_t expected)
{
    if (reply->kind == KV_ARRAY && reply->count >= expected)
        return false;
    call->outcome = LINE_FORGOTTEN;
    return true;
}

/* ---- the meter ---- */

enum view_field {
    VIEW_NOW,
    VIEW_EPOCH,
    VIEW_FIRST,
    VIEW_NEXT,
    VIEW_SERVING,
    VIEW_SETTLED,
    VIEW_TARGET,
    VIEW_ACTIVE,
    VIEW_PRESSURE,
    VIEW_MEASURED,
    VIEW_SEQ,
    VIEW_VERSION,
    VIEW_RATE,
    VIEW_MAX_ACTIVE,
    VIEW_CLAIM_MS,
    VIEW_PREQUEUE,
    VIEW_OPENS,
    VIEW_CLOSES,
    VIEW_PAUSED,
    VIEW_RESUME,
    VIEW_BORN,
    VIEW_OLD_HIGH,
    VIEW_PERSIST,
    VIEW_WANT,
    VIEW_AHEAD,
    VIEW_SALT,
    VIEW_SEATS,
    VIEW_COUNT,
};

static void read_settings(struct line_settings *s, const struct kv_reply *r)
{
    s->version = u64_at(r, VIEW_VERSION);
    s->rate_per_minute = int_at(r, VIEW_RATE);
    s->max_active = int_at(r, VIEW_MAX_ACTIVE);
    s->claim_ms = int_at(r, VIEW_CLAIM_MS);
    s->prequeue_ms = int_at(r, VIEW_PREQUEUE);
    s->opens_ms = int_at(r, VIEW_OPENS);
    s->closes_ms = int_at(r, VIEW_CLOSES);
    s->paused = int_at(r, VIEW_PAUSED) != 0;
}

static void read_meter(struct line_call *call, const struct kv_reply *r)
{
    struct meter_call *m = container_of(call, struct meter_call, call);
    struct line *line = &m->line;

    if (forgotten(call, r, VIEW_COUNT))
        return;
    read_settings(&line->settings, r);
    line->seen_ms = int_at(r, VIEW_NOW);
    line->epoch = (uint32_t)u64_at(r, VIEW_EPOCH);
    line->first = u64_at(r, VIEW_FIRST);
    line->next = u64_at(r, VIEW_NEXT);
    line->serving = u64_at(r, VIEW_SERVING);
    line->settled = u64_at(r, VIEW_SETTLED);
    line->old_high = u64_at(r, VIEW_OLD_HIGH);
    line->seq = u64_at(r, VIEW_SEQ);
    line->active = int_at(r, VIEW_ACTIVE);
    line->pressure = int_at(r, VIEW_PRESSURE);
    line->rate_milli = int_at(r, VIEW_MEASURED);
    line->resume_ms = int_at(r, VIEW_RESUME);
    line->born_ms = int_at(r, VIEW_BORN);
    if (hex_decode(kv_reply_at(r, VIEW_SALT)->str, line->salt, sizeof(line->salt)) !=
        (long)sizeof(line->salt))
        call->outcome = LINE_FORGOTTEN;
    line_parse_seats(line, kv_reply_at(r, VIEW_SEATS)->str);
    m->target = u64_at(r, VIEW_TARGET);
    m->persist = int_at(r, VIEW_PERSIST) != 0;
    m->want = u64_at(r, VIEW_WANT);
    m->ahead = u64_at(r, VIEW_AHEAD);
}

enum status line_store_meter(struct kv *kv, struct meter_call *m, uint64_t event_id)
{
    struct call_args a;

    begin(&a, event_id);
    add_key(&a, event_id, "q:active");
    add_key(&a, event_id, "q:pressure");
    add_key(&a, event_id, "q:seatsleft");
    add_key(&a, event_id, "q:calls");
    add_key(&a, event_id, "q:claimed");
    add_key(&a, event_id, "q:back");
    add_slice(&a, slice_str(kv->run_id));
    return submit(kv, &m->call, &script_meter, &a, read_meter);
}

/* ---- building it ---- */

static void read_accepted(struct line_call *call, const struct kv_reply *reply)
{
    call->accepted = reply->kind == KV_INT && reply->integer == 1;
}

static void read_set(struct line_call *call, const struct kv_reply *reply)
{
    call->accepted = reply->kind == KV_STR;
}

static void read_nothing(struct line_call *call, const struct kv_reply *reply)
{
    call->accepted = reply->kind != KV_ERROR;
}

static enum status command(struct kv *kv, struct line_call *call, const struct call_args *a,
                           void (*read)(struct line_call *call, const struct kv_reply *reply))
{
    call->read = read;
    call->kv.cb = call_cb;
    call->accepted = false;
    return kv_command(kv, &call->kv, a->args, a->arg_count, LINE_DEADLINE_MS);
}

enum status line_store_recover(struct kv *kv, struct line_call *c, uint64_t event_id,
                               const char *token)
{
    struct call_args a;

    begin(&a, event_id);
    add_key(&a, event_id, "q:recover");
    add_slice(&a, SLICE_LITERAL("SET"));
    add_slice(&a, a.keys[1]);
    add_slice(&a, slice_str(token));
    add_slice(&a, SLICE_LITERAL("NX"));
    add_slice(&a, SLICE_LITERAL("PX"));
    add_slice(&a, SLICE_LITERAL(RECOVER_MS));
    return command(kv, c, &a, read_set);
}

enum status line_store_load(struct kv *kv, struct line_call *c, uint64_t event_id,
                            const char *token, const struct line_record *record, int64_t pause_ms)
{
    struct call_args a;
    char salt[2 * sizeof(record->salt)];

    if (kv->run_id[0] == '\0')
        return STATUS_UNAVAILABLE;
    begin(&a, event_id);
    add_key(&a, event_id, "q:calls");
    add_key(&a, event_id, "q:recover");
    add_key(&a, event_id, "q:back");
    hex_encode(record->salt, sizeof(record->salt), salt);
    add_slice(&a, slice_str(token));
    add_slice(&a, slice_str(kv->run_id));
    add_int(&a, record->epoch);
    add_int(&a, (int64_t)record->first);
    add_int(&a, (int64_t)record->settled);
    add_int(&a, (int64_t)record->watermark);
    add_int(&a, (int64_t)record->number_high);
    add_int(&a, record->born_ms);
    add_slice(&a, slice_of(salt, sizeof(salt)));
    add_int(&a, pause_ms);
    add_settings(&a, &record->settings);
    add_int(&a, LINE_GRACE_MS);
    return submit(kv, c, &script_load, &a, read_accepted);
}

enum status line_store_settings(struct kv *kv, struct line_call *c, uint64_t event_id,
                                const struct line_settings *settings)
{
    struct call_args a;

    begin(&a, event_id);
    add_slice(&a, slice_str(kv->run_id));
    add_settings(&a, settings);
    return submit(kv, c, &script_settings, &a, read_accepted);
}

enum status line_store_reserve(struct kv *kv, struct line_call *c, uint64_t event_id,
                               uint32_t epoch, uint64_t high)
{
    struct call_args a;

    begin(&a, event_id);
    add_slice(&a, slice_str(kv->run_id));
    add_int(&a, epoch);
    add_int(&a, (int64_t)high);
    return submit(kv, c, &script_reserve, &a, read_accepted);
}

enum status line_store_confirm(struct kv *kv, struct line_call *c, uint64_t event_id,
                               uint32_t epoch, uint64_t watermark, uint64_t settled)
{
    struct call_args a;

    begin(&a, event_id);
    add_key(&a, event_id, "q:calls");
    add_slice(&a, slice_str(kv->run_id));
    add_int(&a, epoch);
    add_int(&a, (int64_t)watermark);
    add_int(&a, (int64_t)settled);
    return submit(kv, c, &script_confirm, &a, read_accepted);
}

enum status line_store_spent(struct kv *kv, struct line_call *c, uint64_t event_id,
                             const char (*sessions)[LINE_JTI_SIZE], size_t count)
{
    char text[LINE_SPENT_MAX][KEY_SIZE];
    struct slice keys[LINE_SPENT_MAX], life = SLICE_LITERAL(SPENT_LIFE_MS);

    assert(count > 0 && count <= LINE_SPENT_MAX);
    for (size_t i = 0; i < count; i++) {
        int len = snprintf(text[i], KEY_SIZE, "{e%" PRIu64 "}:sess:%s", event_id, sessions[i]);

        keys[i] = slice_of(text[i], (size_t)len);
    }
    c->read = read_accepted;
    c->kv.cb = call_cb;
    c->accepted = false;
    return kv_eval(kv, &c->kv, &script_spent, keys, count, &life, 1, LINE_DEADLINE_MS);
}

enum status line_store_forget(struct kv *kv, struct line_call *c, uint64_t event_id)
{
    struct call_args a;

    begin(&a, event_id);
    add_slice(&a, SLICE_LITERAL("DEL"));
    add_slice(&a, a.keys[0]);
    return command(kv, c, &a, read_nothing);
}

/* ---- joining ---- */

#define JOIN_HEAD  4
#define JOIN_WIDTH 3

static void read_join(struct line_call *call, const struct kv_reply *r)
{
    struct join_call *j = container_of(call, struct join_call, call);

    if (forgotten(call, r, JOIN_HEAD + JOIN_WIDTH * j->count))
        return;
    j->epoch = (uint32_t)u64_at(r, 0);
    j->next = u64_at(r, 2);
    for (size_t i = 0; i < j->count; i++) {
        size_t at = JOIN_HEAD + JOIN_WIDTH * i;

        j->slots[i].number = int_at(r, at);
        j->slots[i].given_s = int_at(r, at + 1);
        j->slots[i].fresh = int_at(r, at + 2) == 1;
    }
}

enum status line_store_join(struct kv *kv, struct join_call *j, uint64_t event_id,
                            unsigned deadline_ms)
{
    struct call_args a;

    begin(&a, event_id);
    assert(j->count > 0 && j->count <= LINE_JOINS_MAX);
    add_slice(&a, slice_str(kv->run_id));
    add_key(&a, event_id, "q:join:");
    a.key_count--; /* a prefix, handed over as an argument */
    add_slice(&a, a.keys[1]);
    add_slice(&a, SLICE_LITERAL(BUCKET_LIFE_S));
    for (size_t i = 0; i < j->count; i++)
        add_slice(&a, slice_of(j->slots[i].id, LINE_JOIN_ID_SIZE));
    return submit_within(kv, &j->call, &script_join, &a, read_join, deadline_ms);
}

/* ---- coming back ---- */

enum status line_store_back(struct kv *kv, struct line_call *c, uint64_t event_id, uint64_t number)
{
    struct call_args a;

    begin(&a, event_id);
    add_key(&a, event_id, "q:back");
    add_slice(&a, slice_str(kv->run_id));
    add_int(&a, (int64_t)number);
    return submit(kv, c, &script_back, &a, read_accepted);
}

/* ---- passes ---- */

static void read_claim(struct line_call *call, const struct kv_reply *r)
{
    struct claim_call *c = container_of(call, struct claim_call, call);

    if (forgotten(call, r, 4))
        return;
    c->claim = (enum claim_outcome)int_at(r, 0);
    c->issued_s = int_at(r, 1);
    c->serving = u64_at(r, 2);
}

enum status line_store_claim(struct kv *kv, struct claim_call *c, uint64_t event_id,
                             uint64_t number, const char *jti, bool take, unsigned deadline_ms)
{
    struct call_args a;
    char key[KEY_SIZE - 24];

    begin(&a, event_id);
    add_key(&a, event_id, "q:active");
    add_key(&a, event_id, "q:claimed");
    snprintf(key, sizeof(key), "q:pass:%" PRIu64, number / 100);
    add_key(&a, event_id, key);
    snprintf(key, sizeof(key), "sess:%s", jti);
    add_key(&a, event_id, key);
    add_key(&a, event_id, "q:back");
    add_slice(&a, slice_str(kv->run_id));
    add_int(&a, (int64_t)number);
    add_slice(&a, slice_str(jti));
    add_int(&a, LINE_PASS_LIFE_S);
    add_slice(&a, take ? SLICE_LITERAL("claim") : SLICE_LITERAL("look"));
    return submit_within(kv, &c->call, &script_claim, &a, read_claim, deadline_ms);
}
