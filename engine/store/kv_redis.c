/* The life of a command:
 *
 *   submit -> encoded into the connection's buffer, a slot in the ring, a place in the deadlines
 *          -> sent with all others at the end of the turn
 *          -> reply: the oldest slot's request is completed       (Redis answers in order)
 *          -> deadline first: TIMEOUT now, the slot stays empty and swallows the late reply
 *          -> connection lost: UNAVAILABLE; nothing is ever sent again, except a script that Redis
 * said it does not know
 *          -> the oldest unanswered for a second: the breaker is open, submits are refused until
 * something is answered; the PING of each quiet half second, or the greeting of a new connection,
 * is the probe
 *
 * and of the connection: down -> opening -> greeting (INFO) -> ready -> down, after each loss a
 * random pause of at least 50 ms and at most twice what it could be the time before, 2 s in the
 * end. */
#include "engine/store/kv_redis.h"

#include "engine/base/buf.h"
#include "engine/base/log.h"
#include "engine/base/rng.h"
#include "engine/store/deadline.h"
#include "engine/store/kv_redis_conn.h"
#include "engine/store/resp.h"

#include <assert.h>
#include <stdio.h>

#define IN_FLIGHT_MAX 65536
#define CONNECT_MS    1000
#define RETRY_MS_MIN  50
#define RETRY_MS_MAX  2000
#define LATE_NS       INT64_C(2000000000) /* an oldest command so late: the connection is cut */
#define BEAT_MS       500
#define SILENT_NS     INT64_C(1000000000) /* an oldest command so old: refuse new ones */
#define SPARE_MAX     256                 /* buffers kept for the next scripts */
#define SPARE_BYTES   4096

enum phase { DOWN, OPENING, GREETING, READY };

enum slot_kind { SLOT_REQUEST, SLOT_GREETING, SLOT_LOAD, SLOT_BEAT };

/* A command that was sent and not answered. */
struct slot {
    struct kv_request *request; /* NULL: nobody waits any more */
    int64_t sent_ns, deadline_ns;
    enum slot_kind kind;
};

/* A script that was loaded over this connection by the command `load_seq`. */
struct known_script {
    const struct kv_script *script;
    uint64_t load_seq;
};

struct kv_redis {
    struct kv kv;
    struct loop *loop;
    char *address; /* owned */
    size_t in_flight_max;
    unsigned connect_ms, retry_ms;
    struct rng rng;
    enum phase phase;
    bool closing, silent;
    char why[160]; /* it is not ready */
    struct redis_conn *conn;
    int alive;                     /* connections and timers that still refer to this */
    struct timer step, tick, beat; /* the next attempt or the end of this one; deadlines; PING */
    bool ticking;
    int64_t now_ns; /* read once for all commands of a turn and all replies of a read */
    struct slot *ring;
    size_t ring_cap;     /* a power of two */
    uint64_t head, tail; /* sequence numbers of the oldest slot and of the next one */
    struct deadlines deadlines;
    struct known_script *known;
    size_t known_len;
    struct buf *spare[SPARE_MAX];
    size_t spare_len;
    struct kv_redis_metrics metrics;
    struct metric_group group;
};

#define METRIC_ROW_TAG kv_redis_metrics
static const struct metric_desc metric_descs[] = {KV_REDIS_METRICS(METRIC_ROW_)};

static struct kv_redis *redis_of(struct kv *kv)
{
    return container_of(kv, struct kv_redis, kv);
}

/* ---- the ring of slots ---- */

static struct slot *slot_at(struct kv_redis *r, uint64_t seq)
{
    return &r->ring[seq & (r->ring_cap - 1)];
}

static void ring_grow(struct kv_redis *r)
{
    size_t cap = r->ring_cap * 2;
    struct slot *ring = mem_alloc(cap * sizeof(*ring));

    for (uint64_t seq = r->head; seq != r->tail; seq++)
        ring[seq & (cap - 1)] = *slot_at(r, seq);
    mem_free(r->ring);
    r->ring = ring;
    r->ring_cap = cap;
}

static uint64_t ring_push(struct kv_redis *r, enum slot_kind kind, struct kv_request *request,
                          int64_t deadline_ns)
{
    if (r->tail - r->head == r->ring_cap)
        ring_grow(r);
    *slot_at(r, r->tail) = (struct slot){request, r->now_ns, deadline_ns, kind};
    r->metrics.redis_in_flight = (int64_t)(r->tail + 1 - r->head);
    if (!r->ticking) {
        r->ticking = true;
        timer_start(&r->tick, DEADLINE_TICK_MS, DEADLINE_TICK_MS);
    }
    return r->tail++;
}

static bool ring_pop(struct kv_redis *r, struct slot *ret_slot)
{
    if (r->head == r->tail)
        return false;
    *ret_slot = *slot_at(r, r->head++);
    r->metrics.redis_in_flight = (int64_t)(r->tail - r->head);
    return true;
}

/* ---- completing ---- */

static struct buf *spare_take(struct kv_redis *r)
{
    struct buf *b;

    if (r->spare_len > 0)
        return r->spare[--r->spare_len];
    b = mem_alloc(sizeof(*b));
    buf_init(b, SIZE_MAX / 2); /* a copy of what the connection's limit let through */
    return b;
}

static void spare_give(struct kv_redis *r, struct buf *b)
{
    if (!b)
        return;
    if (b->cap <= SPARE_BYTES && r->spare_len < SPARE_MAX) {
        buf_clear(b);
        r->spare[r->spare_len++] = b;
        return;
    }
    buf_free(b);
    mem_free(b);
}

static void complete(struct kv_redis *r, struct kv_request *request, enum status status,
                     const struct kv_reply *reply)
{
    list_remove(&request->link);
    spare_give(r, request->resend);
    request->resend = NULL;
    request->cb(request, status, reply);
}

static void complete_all(struct kv_redis *r, enum status status)
{
    struct slot slot;

    while (ring_pop(r, &slot)) {
        if (slot.request)
            complete(r, slot.request, status, NULL);
    }
}

/* ---- losing and making the connection ---- */

static void plan_retry(struct kv_redis *r)
{
    r->retry_ms = r->retry_ms * 2 > RETRY_MS_MAX ? RETRY_MS_MAX : r->retry_ms * 2;
    timer_start(&r->step, RETRY_MS_MIN + rng_below(&r->rng, r->retry_ms - RETRY_MS_MIN + 1), 0);
}

static void set_silent(struct kv_redis *r, bool silent)
{
    if (silent == r->silent)
        return;
    r->silent = silent;
    r->metrics.redis_breaker_open = silent;
    if (silent)
        log_warn("redis", "no answer, commands are refused", log_str("address", r->address));
    snprintf(r->why, sizeof(r->why), "%s", silent ? "redis: the server does not answer" : "");
}

/* The connection is closed or closing itself already. */
static void lost(struct kv_redis *r, const char *why)
{
    if (r->phase == READY)
        log_warn("redis", "connection lost", log_str("address", r->address), log_str("why", why));
    set_silent(r, false);
    snprintf(r->why, sizeof(r->why), "redis: %s", why);
    r->phase = DOWN;
    r->conn = NULL;
    r->metrics.redis_connected = 0;
    plan_retry(r);
    complete_all(r, STATUS_UNAVAILABLE);
}

static void cut(struct kv_redis *r, const char *why)
{
    redis_conn_close(r->conn);
    lost(r, why);
}

/* ---- scripts ---- */

static bool is_error(const struct kv_reply *reply, const char *word)
{
    return reply->kind == KV_ERROR && slice_starts_with(reply->str, slice_str(word));
}

static struct known_script *known_find(struct kv_redis *r, const struct kv_script *script)
{
    for (size_t i = 0; i < r->known_len; i++) {
        if (r->known[i].script == script)
            return &r->known[i];
    }
    return NULL;
}

static enum status load_script(struct kv_redis *r, const struct kv_script *script)
{
    struct slice args[] = {SLICE_LITERAL("SCRIPT"), SLICE_LITERAL("LOAD"),
                           slice_str(script->source)};
    struct known_script *known = known_find(r, script);

    if (resp_command(redis_conn_out(r->conn), args, array_len(args)))
        return STATUS_OVERLOADED;
    if (!known) {
        r->known = mem_resize(r->known, (r->known_len + 1) * sizeof(*r->known));
        known = &r->known[r->known_len++];
        known->script = script;
    }
    known->load_seq = ring_push(r, SLOT_LOAD, NULL, r->now_ns + LATE_NS);
    r->metrics.redis_scripts_loaded_total++;
    return STATUS_OK;
}

/* Redis forgot the script (SCRIPT FLUSH): nothing ran, so the command may go again, once, behind a
 * load that was sent after it. */
static bool resend(struct kv_redis *r, struct kv_request *request)
{
    struct buf *out = redis_conn_out(r->conn), *command = request->resend;
    const struct known_script *known = known_find(r, request->script);

    if (!command || (known && known->load_seq < request->seq && load_script(r, request->script)))
        return false;
    if (command->len > out->limit - out->len)
        return false;
    buf_append_slice(out, buf_slice(command));
    spare_give(r, command);
    request->resend = NULL;
    request->seq = ring_push(r, SLOT_REQUEST, request, request->deadline_ns);
    redis_conn_flush(r->conn);
    return true;
}

/* ---- replies ---- */

static void request_answered(struct kv_redis *r, const struct slot *slot,
                             const struct kv_reply *reply)
{
    struct kv_request *request = slot->request;

    if (!request)
        return;
    if (request->script && is_error(reply, "NOSCRIPT") && resend(r, request))
        return;
    if (r->metrics.redis_command_us.counts)
        hist_record(&r->metrics.redis_command_us, (uint64_t)(r->now_ns - slot->sent_ns) / 1000);
    if (reply->kind == KV_ERROR)
        r->metrics.redis_errors_total++;
    complete(r, request, reply->kind == KV_ERROR ? STATUS_INTERNAL : STATUS_OK, reply);
}

/* The value of "name:value\r\n" in an INFO text. */
static struct slice info_field(struct slice text, const char *name)
{
    size_t len = strlen(name);

    while (text.at) {
        struct slice line = slice_cut(&text, '\n');

        if (line.len > len && line.at[len] == ':' && memcmp(line.at, name, len) == 0) {
            line = slice_of(line.at + len + 1, line.len - len - 1);
            return line.len > 0 && line.at[line.len - 1] == '\r' ? slice_of(line.at, line.len - 1)
                                                                 : line;
        }
    }
    return SLICE_NONE;
}

static void set_run_id(struct kv_redis *r, struct slice run_id)
{
    char text[sizeof(r->kv.run_id)];

    if (!slice_to_str(run_id, text, sizeof(text)) || strcmp(text, r->kv.run_id) == 0)
        return;
    memcpy(r->kv.run_id, text, sizeof(text));
    if (r->kv.on_run_id)
        r->kv.on_run_id(&r->kv, r->kv.on_run_id_ctx);
}

static void greeted(struct kv_redis *r, const struct kv_reply *reply)
{
    struct slice text = reply->kind == KV_STR ? reply->str : SLICE_NONE;
    struct slice run_id = info_field(text, "run_id");

    if (!run_id.at)
        cut(r, "the server does not answer INFO");
    else if (slice_is(info_field(text, "loading"), "1"))
        cut(r, "the server is loading its data");
    else if (slice_is(info_field(text, "role"), "slave"))
        cut(r, "the server is a replica");
    else {
        r->phase = READY;
        r->why[0] = '\0';
        r->retry_ms = RETRY_MS_MIN;
        r->metrics.redis_connected = 1;
        timer_stop(&r->step);
        set_run_id(r, run_id);
    }
}

/* A server that cannot serve us any more although the connection stands: another one may, so
 * connect again. */
static const char *unfit(const struct kv_reply *reply)
{
    if (is_error(reply, "READONLY "))
        return "the server has become a replica";
    if (is_error(reply, "LOADING ") || is_error(reply, "MASTERDOWN "))
        return "the server is loading its data";
    return NULL;
}

static void on_reply(void *ctx, const struct kv_reply *reply)
{
    struct kv_redis *r = ctx;
    struct redis_conn *conn = r->conn;
    const char *why = unfit(reply);
    struct slot slot;

    if (!ring_pop(r, &slot)) {
        cut(r, "a reply to nothing");
        return;
    }
    set_silent(r, false);
    if (slot.kind == SLOT_GREETING)
        greeted(r, reply);
    else if (slot.kind == SLOT_REQUEST)
        request_answered(r, &slot, reply);
    else if (slot.kind == SLOT_LOAD && reply->kind == KV_ERROR)
        log_error("redis", "script refused", log_slice("why", reply->str));
    if (why && conn && r->conn == conn)
        cut(r, why);
}

static void on_turn(void *ctx)
{
    struct kv_redis *r = ctx;

    r->now_ns = loop_mono_ns(r->loop);
}

static void on_up(void *ctx)
{
    static const struct slice info[] = {SLICE_LITERAL("INFO"), SLICE_LITERAL("server"),
                                        SLICE_LITERAL("persistence"), SLICE_LITERAL("replication")};
    struct kv_redis *r = ctx;
    enum status status = resp_command(redis_conn_out(r->conn), info, array_len(info));

    assert(status == STATUS_OK); /* the buffer is empty */
    (void)status;
    on_turn(r);
    r->metrics.redis_connects_total++;
    r->phase = GREETING;
    r->known_len = 0;
    ring_push(r, SLOT_GREETING, NULL, r->now_ns + LATE_NS);
    redis_conn_flush(r->conn);
}

static void on_down(void *ctx, const char *why)
{
    lost(ctx, why);
}

/* ---- timers ---- */

static void free_if_done(struct kv_redis *r)
{
    if (--r->alive > 0)
        return;
    while (r->spare_len > 0) {
        struct buf *b = r->spare[--r->spare_len];

        buf_free(b);
        mem_free(b);
    }
    metric_group_free(&r->group);
    mem_free(r->known);
    mem_free(r->ring);
    mem_free(r->address);
    mem_free(r);
}

static void on_freed(void *ctx)
{
    free_if_done(ctx);
}

static void step_over(struct timer *timer)
{
    static const struct redis_conn_events events = {on_up, on_reply, on_turn, on_down, on_freed};
    struct kv_redis *r = container_of(timer, struct kv_redis, step);

    if (r->phase != DOWN) {
        cut(r, "no answer to the connect");
        return;
    }
    r->phase = OPENING;
    r->alive++;
    r->conn = redis_conn_open(r->loop, r->address, &events, r);
    timer_start(&r->step, r->connect_ms, 0);
}

static void beat_over(struct timer *timer)
{
    static const struct slice ping[] = {SLICE_LITERAL("PING")};
    struct kv_redis *r = container_of(timer, struct kv_redis, beat);

    if (r->phase != READY || r->closing || r->head != r->tail)
        return;
    on_turn(r);
    if (resp_command(redis_conn_out(r->conn), ping, array_len(ping)))
        return;
    ring_push(r, SLOT_BEAT, NULL, r->now_ns + LATE_NS);
    redis_conn_flush(r->conn);
}

static int64_t deadline_of(const struct list *link)
{
    return list_entry(link, struct kv_request, link)->deadline_ns;
}

static void tick_over(struct timer *timer)
{
    struct kv_redis *r = container_of(timer, struct kv_redis, tick);
    struct list expired, *link;

    list_init(&expired);
    on_turn(r);
    deadlines_expire(&r->deadlines, r->now_ns, deadline_of, &expired);
    while ((link = list_pop_front(&expired))) {
        struct kv_request *request = list_entry(link, struct kv_request, link);

        slot_at(r, request->seq)->request = NULL;
        r->metrics.redis_timeouts_total++;
        complete(r, request, STATUS_TIMEOUT, NULL);
    }
    if (r->phase == READY && r->head != r->tail &&
        slot_at(r, r->head)->sent_ns + SILENT_NS < r->now_ns)
        set_silent(r, true);
    if (r->conn && r->head != r->tail && slot_at(r, r->head)->deadline_ns + LATE_NS < r->now_ns)
        cut(r, "the server does not answer");
    if (r->head == r->tail && !r->closing) {
        r->ticking = false;
        timer_stop(&r->tick);
    }
}

/* ---- the ops table ---- */

static enum status may_submit(struct kv_redis *r)
{
    if (r->phase != READY || r->closing || r->silent)
        return STATUS_UNAVAILABLE;
    if (r->tail - r->head >= r->in_flight_max)
        return STATUS_OVERLOADED;
    if (redis_conn_out(r->conn)->len == 0)
        r->now_ns = loop_mono_ns(r->loop);
    return STATUS_OK;
}

static void submitted(struct kv_redis *r, struct kv_request *request, unsigned deadline_ms)
{
    request->kv = &r->kv;
    request->deadline_ns = r->now_ns + (int64_t)deadline_ms * 1000000;
    request->seq = ring_push(r, SLOT_REQUEST, request, request->deadline_ns);
    deadlines_add(&r->deadlines, &request->link, request->deadline_ns);
    r->metrics.redis_commands_total++;
    redis_conn_flush(r->conn);
}

static enum status redis_command(struct kv *kv, struct kv_request *request,
                                 const struct slice *args, size_t count, unsigned deadline_ms)
{
    struct kv_redis *r = redis_of(kv);
    enum status status = may_submit(r);

    if (status)
        return status;
    if (resp_command(redis_conn_out(r->conn), args, count))
        return STATUS_OVERLOADED;
    request->script = NULL;
    request->resend = NULL;
    submitted(r, request, deadline_ms);
    return STATUS_OK;
}

static enum status redis_eval(struct kv *kv, struct kv_request *request,
                              const struct kv_script *script, const struct slice *keys,
                              size_t key_count, const struct slice *args, size_t arg_count,
                              unsigned deadline_ms)
{
    struct kv_redis *r = redis_of(kv);
    enum status status = may_submit(r);
    struct buf *out;
    size_t start;

    assert(script->sha[0]); /* kv_script_init */
    if (!status && !known_find(r, script))
        status = load_script(r, script);
    if (status)
        return status;
    out = redis_conn_out(r->conn);
    start = out->len;
    if (resp_evalsha(out, script->sha, keys, key_count, args, arg_count)) {
        redis_conn_flush(r->conn); /* the load may be in it */
        return STATUS_OVERLOADED;
    }
    request->script = script;
    request->resend = spare_take(r);
    buf_append(request->resend, out->at + start, out->len - start);
    submitted(r, request, deadline_ms);
    return STATUS_OK;
}

static bool redis_ready(struct kv *kv, const char **ret_why)
{
    struct kv_redis *r = redis_of(kv);

    if (ret_why)
        *ret_why = r->why;
    return r->phase == READY && !r->silent;
}

/* Closing handles is what surely happens in the next turn, so here the requests are completed. */
static void step_closed(struct timer *timer)
{
    struct kv_redis *r = container_of(timer, struct kv_redis, step);

    complete_all(r, STATUS_CANCELED);
    free_if_done(r);
}

static void tick_closed(struct timer *timer)
{
    free_if_done(container_of(timer, struct kv_redis, tick));
}

static void beat_closed(struct timer *timer)
{
    free_if_done(container_of(timer, struct kv_redis, beat));
}

static void redis_close(struct kv *kv)
{
    struct kv_redis *r = redis_of(kv);

    assert(!r->closing);
    r->closing = true;
    if (r->conn)
        redis_conn_close(r->conn);
    r->conn = NULL;
    r->phase = DOWN;
    timer_close(&r->step, step_closed);
    timer_close(&r->tick, tick_closed);
    timer_close(&r->beat, beat_closed);
}

static const struct kv_ops ops = {
    .command = redis_command, .eval = redis_eval, .ready = redis_ready, .close = redis_close};

struct kv *kv_redis_new(struct loop *l, const struct kv_redis_options *options)
{
    struct kv_redis *r = mem_alloc(sizeof(*r));

    r->kv.ops = &ops;
    r->loop = l;
    r->address = mem_strdup(options->address);
    r->in_flight_max = options->in_flight_max ? options->in_flight_max : IN_FLIGHT_MAX;
    r->connect_ms = options->connect_ms ? options->connect_ms : CONNECT_MS;
    r->retry_ms = RETRY_MS_MIN;
    if (options->seed)
        rng_seed(&r->rng, options->seed);
    else
        rng_seed_random(&r->rng);
    snprintf(r->why, sizeof(r->why), "redis: connecting");
    r->now_ns = loop_mono_ns(l);
    deadlines_init(&r->deadlines, r->now_ns);
    r->ring_cap = 256;
    r->ring = mem_alloc(r->ring_cap * sizeof(*r->ring));
    r->group = (struct metric_group){metric_descs, array_len(metric_descs), &r->metrics, NULL, {0}};
    timer_init(l, &r->step, step_over);
    timer_init(l, &r->tick, tick_over);
    timer_init(l, &r->beat, beat_over);
    r->alive = 3; /* the timers */
    timer_start(&r->step, 0, 0);
    timer_start(&r->beat, BEAT_MS, BEAT_MS);
    return &r->kv;
}

struct metric_group *kv_redis_metrics(struct kv *kv)
{
    return &redis_of(kv)->group;
}
