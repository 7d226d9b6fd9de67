/* The stores of the simulation (tests/sim) against the real ones: the same calls on both, every
 * answer and everything they keep must be equal. Seeded: a failure names its seed. Time is the real
 * server's; what has to grow old is made old by hand, so nothing waits. */
#include "engine/base/buf.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/booking/booking_lua.h"
#include "engine/booking/seat_store_internal.h"
#include "engine/store/kv_redis.h"
#include "tests/lib/leaks.h"
#include "tests/lib/servers.h"
#include "tests/lib/until.h"
#include "tests/sim/redis_model.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(fakes_agree, .timeout = 150);

enum { SEATS = 12, SEEDS = 15, STEPS = 80, FAR_MS = 100000000, TTL_SLACK_MS = 2000 };

static struct loop loop;
static struct server *server;
static struct kv *real;
static struct redis_model model;
static struct rng rng;
static uint64_t seed;
static char last[4096]; /* what was called */
static unsigned epoch;  /* of the mirror; only rises, as PostgreSQL's */

/* ---- one command on both ---- */

struct ask {
    struct kv_request request;
    enum status status;
    bool done;
    struct buf text; /* the answer */
    int64_t now_ms;
};

static void tell(struct buf *b, const struct kv_reply *r)
{
    switch (r->kind) {
    case KV_NIL: buf_append_str(b, "(nil)"); return;
    case KV_INT: buf_printf(b, "%" PRId64, r->integer); return;
    case KV_ERROR: buf_printf(b, "!%.*s", SLICE_ARG(r->str)); return;
    case KV_STR: buf_append_slice(b, r->str); return;
    case KV_ARRAY:
        buf_append_char(b, '[');
        for (size_t i = 0; i < r->count; i++) {
            buf_append_str(b, i ? ", " : "");
            tell(b, &r->elements[i]);
        }
        buf_append_char(b, ']');
    }
}

static void asked_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct ask *a = container_of(request, struct ask, request);
    struct slice words;
    int64_t now;

    a->status = status;
    a->done = true;
    if (!reply)
        return;
    tell(&a->text, reply);
    words = reply->str;
    if (reply->kind == KV_STR && words.len > 1 && words.at[0] != 'R' && words.at[1] == ' ') {
        slice_cut(&words, ' ');
        if (slice_to_i64(slice_cut(&words, ' '), &now) && now > 0)
            a->now_ms = now;
    }
}

static void wait_for(struct ask *a)
{
    LOOP_UNTIL(&loop, a->done, 5000);
    cr_assert(a->status == STATUS_OK || a->status == STATUS_INTERNAL, "%s: %s", last,
              status_code(a->status));
}

static void ask_begin(struct ask *a)
{
    *a = (struct ask){.request = {.cb = asked_cb}};
    buf_init(&a->text, 1 << 20);
}

static void read_time(void)
{
    struct ask a;
    struct slice args[] = {SLICE_LITERAL("TIME")};
    int64_t s, us;

    ask_begin(&a);
    cr_assert_eq(kv_command(real, &a.request, args, 1, 5000), STATUS_OK);
    wait_for(&a);
    buf_append_char(&a.text, '\0');
    cr_assert_eq(sscanf(a.text.at, "[%" SCNd64 ", %" SCNd64 "]", &s, &us), 2);
    model.now_ms = s * 1000 + us / 1000;
    buf_free(&a.text);
}

static void compare(struct ask *a, const struct kv_reply *modelled)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    tell(&b, modelled);
    cr_assert(slice_eq(buf_slice(&b), buf_slice(&a->text)),
              "seed %" PRIu64 ": %s\n  redis: %.*s\n  model: %.*s", seed, last, (int)a->text.len,
              a->text.at, (int)b.len, b.at);
    buf_free(&b);
    buf_free(&a->text);
}

static void note(const struct slice *args, size_t count, const char *name)
{
    size_t at = (size_t)snprintf(last, sizeof(last), "%s", name);

    for (size_t i = 0; i < count && at < sizeof(last) - 200; i++)
        at += (size_t)snprintf(last + at, sizeof(last) - at, " %.*s",
                               (int)(args[i].len < 100 ? args[i].len : 100), args[i].at);
}

static void both(const struct slice *args, size_t count)
{
    struct ask a;

    note(args, count, "");
    ask_begin(&a);
    cr_assert_eq(kv_command(real, &a.request, args, count, 5000), STATUS_OK);
    wait_for(&a);
    compare(&a, redis_run(&model, args, count));
}

static void both_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void both_text(const char *format, ...)
{
    struct slice args[64], rest;
    char text[2048];
    size_t count = 0;
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    rest = slice_str(text);
    while (rest.at)
        args[count++] = slice_cut(&rest, ' ');
    both(args, count);
}

/* ---- what both keep ---- */

static void read_into(struct buf *b, const struct slice *args, size_t count)
{
    struct ask a;

    ask_begin(&a);
    cr_assert_eq(kv_command(real, &a.request, args, count, 5000), STATUS_OK);
    wait_for(&a);
    buf_append_slice(b, buf_slice(&a.text));
    buf_free(&a.text);
}

static size_t content_of(struct slice type, struct slice key, struct slice ret_args[5])
{
    if (slice_is(type, "string")) {
        memcpy(ret_args, (struct slice[]){SLICE_LITERAL("GET"), key}, 2 * sizeof(key));
        return 2;
    }
    if (slice_is(type, "hash")) {
        memcpy(ret_args, (struct slice[]){SLICE_LITERAL("HGETALL"), key}, 2 * sizeof(key));
        return 2;
    }
    if (slice_is(type, "zset")) {
        memcpy(ret_args,
               (struct slice[]){SLICE_LITERAL("ZRANGE"), key, SLICE_LITERAL("0"),
                                SLICE_LITERAL("-1"), SLICE_LITERAL("WITHSCORES")},
               5 * sizeof(key));
        return 5;
    }
    memcpy(ret_args,
           (struct slice[]){SLICE_LITERAL("XRANGE"), key, SLICE_LITERAL("-"), SLICE_LITERAL("+")},
           4 * sizeof(key));
    return 4;
}

static void compare_ttl(struct slice key)
{
    struct slice args[] = {SLICE_LITERAL("PTTL"), key};
    int64_t modelled = redis_run(&model, args, 2)->integer, apart;
    struct buf b;

    buf_init(&b, 100);
    read_into(&b, args, 2);
    buf_append_char(&b, '\0');
    apart = modelled - strtoll(b.at, NULL, 10);
    cr_assert(modelled < 0 ? apart == 0 : llabs(apart) < TTL_SLACK_MS,
              "seed %" PRIu64 ": after %s: %.*s lives %.*s, in the model %" PRId64, seed, last,
              SLICE_ARG(key), (int)b.len, b.at, modelled);
    buf_free(&b);
}

static void compare_state(void)
{
    const struct kv_reply *keys =
        redis_run(&model, (struct slice[]){SLICE_LITERAL("KEYS"), SLICE_LITERAL("*")}, 2);
    char names[256][128], did[sizeof(last)];
    size_t count = keys->count;
    struct buf b;

    memcpy(did, last, sizeof(did));
    cr_assert_leq(count, 256);
    for (size_t i = 0; i < count; i++)
        slice_to_str(keys->elements[i].str, names[i], sizeof(names[i]));
    buf_init(&b, 100);
    read_into(&b, (struct slice[]){SLICE_LITERAL("DBSIZE")}, 1);
    buf_append_char(&b, '\0');
    cr_assert_eq(strtoull(b.at, NULL, 10), count,
                 "seed %" PRIu64 ": after %s: redis has %.*s keys, the model %zu", seed, did,
                 (int)b.len, b.at, count);
    buf_free(&b);
    for (size_t i = 0; i < count; i++) {
        struct slice key = slice_str(names[i]), args[5] = {SLICE_LITERAL("TYPE"), key}, type;
        char kind[16];

        type = redis_run(&model, args, 2)->str;
        slice_to_str(type, kind, sizeof(kind));
        both(args, 2);
        both(args, content_of(slice_str(kind), key, args));
        memcpy(last, did, sizeof(did));
        compare_ttl(key);
    }
}

/* ---- scripts, called as the seat store calls them ---- */

static char called[64][32]; /* names of scripts */
static size_t called_count;

static void remember(const char *name)
{
    for (size_t i = 0; i < called_count; i++) {
        if (strcmp(called[i], name) == 0)
            return;
    }
    cr_assert_lt(called_count, array_len(called));
    snprintf(called[called_count++], sizeof(called[0]), "%s", name);
}

/* A kv that runs each script on both, then answers as redis did. */
static enum status twin_eval(struct kv *kv, struct kv_request *request,
                             const struct kv_script *script, const struct slice *keys,
                             size_t key_count, const struct slice *args, size_t arg_count,
                             unsigned deadline_ms)
{
    const struct kv_reply *modelled;
    struct ask a;

    (void)kv;
    (void)request;
    read_time();
    note(args, arg_count, script->name);
    remember(script->name);
    ask_begin(&a);
    a.now_ms = model.now_ms;
    cr_assert_eq(kv_eval(real, &a.request, script, keys, key_count, args, arg_count, deadline_ms),
                 STATUS_OK);
    wait_for(&a);
    model.now_ms = a.now_ms;
    modelled = redis_eval(&model, script, keys, key_count, args, arg_count);
    compare(&a, modelled);
    return STATUS_CANCELED; /* so the seat store forgets the call */
}

static const struct kv_ops twin_ops = {.eval = twin_eval};
static struct kv twin = {.ops = &twin_ops, .run_id = "run"};

static uint32_t below(uint32_t n)
{
    return (uint32_t)rng_below(&rng, n);
}

/* Sorted, distinct. */
static size_t some_seats(uint32_t *ret_seats, uint32_t most)
{
    uint32_t want = 1 + below(most), n = 0;

    for (uint32_t seat = 0; seat < SEATS + 1 && n < want; seat++) {
        if (below(SEATS / 2) == 0)
            ret_seats[n++] = seat;
    }
    if (n == 0)
        ret_seats[n++] = below(SEATS);
    return n;
}

static void some_hold(struct hold *h)
{
    static const char *const sessions[] = {"", "", "s1", "s2"};

    h->event_id = 1;
    snprintf(h->id, sizeof(h->id), "1.hold%u", below(10));
    snprintf(h->session, sizeof(h->session), "%s", sessions[below(4)]);
    snprintf(h->customer, sizeof(h->customer), "%s", below(3) ? "" : "c1");
}

static void some_terms(struct hold_terms *t)
{
    *t = (struct hold_terms){.ttl_ms = 60000,
                             .cap_ms = 90000,
                             .max_seats = 6,
                             .max_holds = 2,
                             .session_expires_ms = model.now_ms + (below(10) ? FAR_MS : 30000)};
    if (below(3) == 0)
        snprintf(t->key, sizeof(t->key), "key%u", below(4));
    snprintf(t->fingerprint, sizeof(t->fingerprint), "%064u", below(2));
    if (below(4) == 0) {
        t->area_first = 6;
        t->area_capacity = 6;
        t->area_quantity = 1 + below(4);
        t->area_hint = 6 + below(6);
    }
}

static void versions_of(struct hold *h)
{
    struct slice ver = redis_string(&model, "{e1}:ver");

    for (size_t i = 0; i < h->seat_count; i++) {
        size_t at = 4 * h->seats[i];
        uint32_t version = 0;

        for (size_t k = at; k < at + 4; k++)
            version = version << 8 | (k < ver.len ? (unsigned char)ver.at[k] : 0);
        h->versions[i] = version + (below(4) ? 0 : below(2));
    }
}

/* Makes a hold old: past its promise, or past its grace too; with or without its locks. */
static void make_old(void)
{
    char id[24], key[40];
    struct slice seats, was;
    int64_t back = below(2) ? 70000 : 61000, expires;

    snprintf(id, sizeof(id), "1.hold%u", below(10));
    snprintf(key, sizeof(key), "{e1}:hold:%s", id);
    seats = redis_field(&model, key, "seats");
    was = redis_field(&model, key, "expires");
    if (!seats.at || redis_field(&model, key, "gone").at || !slice_to_i64(was, &expires))
        return;
    both_text("HSET %s expires %" PRId64, key, expires - back);
    both_text("ZADD {e1}:expiry %" PRId64 " %s", expires - back, id);
    for (uint32_t n = 0; n < SEATS && back == 70000; n++) {
        char lock[24];

        snprintf(lock, sizeof(lock), "{e1}seat:%u", n);
        if (slice_is(redis_string(&model, lock), id))
            both_text("DEL %s", lock);
    }
}

static void load_mirror(struct script *begin, struct script *load)
{
    struct slice key = SLICE_LITERAL("{e1}");
    char epoch_text[12], state[SEATS], versions[4 * SEATS] = {0};
    struct kv_request unused;

    snprintf(epoch_text, sizeof(epoch_text), "%u", ++epoch);
    for (size_t i = 0; i < SEATS; i++) {
        state[i] = "00023"[below(5)];
        versions[4 * i + 3] = (char)below(3);
    }
    if (twin_eval(NULL, &unused, &begin->kv, &key, 1,
                  (struct slice[]){SLICE_LITERAL("run"), SLICE_LITERAL("token"),
                                   slice_str(below(2) ? "1" : "0")},
                  3, 5000) &&
        below(5) == 0)
        return; /* begun, never ended */
    struct slice args[] = {
        SLICE_LITERAL("run"), below(5) ? SLICE_LITERAL("token") : SLICE_LITERAL("other"),
        slice_str(epoch_text), slice_of(state, SEATS), slice_of(versions, sizeof(versions))};
    (void)twin_eval(NULL, &unused, &load->kv, &key, 1, args, 5, 5000);
}

static int sold_answers;

static void sold_cb(struct hold_call *call, enum status status)
{
    (void)call;
    cr_assert_eq(status, STATUS_CANCELED);
    sold_answers++;
}

/* Sales of one turn go out together, at its end. */
static enum status call_sold(struct seat_store *s)
{
    struct hold_call calls[3];
    int count = 1 + (int)below(array_len(calls));

    sold_answers = 0;
    for (int i = 0; i < count; i++) {
        calls[i] = (struct hold_call){.cb = sold_cb,
                                      .trace = below(4) ? SLICE_NONE : SLICE_LITERAL("00-trace")};
        some_hold(&calls[i].hold);
        calls[i].hold.seat_count = some_seats(calls[i].hold.seats, 4);
        versions_of(&calls[i].hold);
        if (below(3) == 0)
            calls[i].hold.id[0] = '\0';
        cr_assert_eq(seat_store_sold(s, &calls[i]), STATUS_OK);
    }
    LOOP_UNTIL(&loop, sold_answers == count, 5000);
    return STATUS_CANCELED;
}

static enum status call_hold(struct seat_store *s)
{
    uint32_t add[SEATS + 1], drop[SEATS + 1];
    struct hold_call call = {.trace = below(4) ? SLICE_NONE : SLICE_LITERAL("00-trace")};
    struct hold_terms terms;

    some_terms(&terms);
    some_hold(&call.hold);
    call.hold.seat_count = some_seats(call.hold.seats, 4);
    switch (below(12)) {
    case 0:
    case 1:
    case 2:
    case 3: return seat_store_place(s, &call, &terms);
    case 4: return seat_store_extend(s, &call, &terms, 10000 * (1 + (int64_t)below(4)));
    case 5:
        return seat_store_swap(s, &call, &terms, add, some_seats(add, 3), drop,
                               below(2) ? some_seats(drop, 2) : 0);
    case 6: return seat_store_release(s, &call);
    case 7: return seat_store_get(s, &call);
    case 8: return below(3) ? seat_store_pay(s, &call, 20000) : seat_store_unpay(s, &call);
    case 9:
    case 10: return call_sold(s);
    default:
        versions_of(&call.hold);
        return seat_store_set(
            s, &call, (enum seat_state[]){SEAT_FREE, SEAT_SOLD, SEAT_BLOCKED}[below(3)], "refund");
    }
}

static enum status call_session(struct seat_store *s)
{
    struct session_call call = {.event_id = 1,
                                .expires_ms = model.now_ms + (below(5) ? FAR_MS : -1)};

    snprintf(call.session, sizeof(call.session), "s%u", 1 + below(2));
    return below(2) ? session_read(s, &call) : session_end(s, &call);
}

static enum status call_event(struct seat_store *s)
{
    struct hold_call call = {.hold = {.event_id = 1}};
    struct seat_read read = {.event_id = 1, .rev = 0};

    if (below(3))
        return seat_store_sweep(s, &call, 1 + below(3));
    slice_to_u64(redis_string(&model, "{e1}:rev"), &read.rev);
    read.rev -= below(2) && read.rev ? 1 : 0;
    return seat_store_read(s, &read);
}

static void trim(void)
{
    const struct slice *fields;
    size_t count, size = redis_stream_size(&model, "{e1}:log");

    both_text("XRANGE {e1}:log - + COUNT %u", 1 + below(5));
    if (size)
        both_text("XTRIM {e1}:log MINID %" PRIu64 "-1",
                  redis_stream_entry(&model, "{e1}:log", below((uint32_t)size), &fields, &count));
}

static void step(struct seat_store *s, struct script *begin, struct script *load)
{
    enum status status = STATUS_CANCELED;

    switch (below(16)) {
    case 0: load_mirror(begin, load); break;
    case 1: trim(); break;
    case 2:
    case 3: make_old(); break;
    case 4: status = call_session(s); break;
    case 5:
    case 6: status = call_event(s); break;
    case 7: both_text("DEL {e1}:sess:s%u", 1 + below(2)); break;
    default: status = call_hold(s); break;
    }
    cr_assert_eq(status, STATUS_CANCELED);
    compare_state();
}

/* ---- is anything left out? ---- */

static bool was_called(const char *name)
{
    for (size_t i = 0; i < called_count; i++) {
        if (strcmp(called[i], name) == 0)
            return true;
    }
    return false;
}

static uint64_t runs_of(struct slice command)
{
    const char *name;
    uint64_t runs;

    for (size_t i = 0; (name = redis_command_name(i, &runs)); i++) {
        if (slice_is(command, name))
            return runs;
    }
    return 0;
}

/* Every command that the text names, `call('NAME'`, has run. */
static void check_commands_of(const struct script *script)
{
    const char *at = script->kv.source;

    cr_assert(was_called(script->kv.name), "script %s was never compared", script->kv.name);
    while ((at = strstr(at, "call('"))) {
        at += sizeof("call('") - 1;
        cr_assert_gt(runs_of(slice_of(at, strcspn(at, "'"))), 0,
                     "%s calls %.*s, which was never compared", script->kv.name,
                     (int)strcspn(at, "'"), at);
    }
}

static void check_complete(const struct seat_store *s)
{
    const char *name;
    uint64_t runs;

    for (size_t i = 0; i < SCRIPT_COUNT; i++)
        check_commands_of(&s->scripts[i].script);
    for (size_t i = 0; (name = redis_command_name(i, &runs)); i++)
        cr_assert_gt(runs, 0, "%s is modelled and was not compared", name);
}

static void run_seed(struct seat_store *s, struct script *begin, struct script *load)
{
    rng_seed(&rng, seed);
    server_redis(server, "FLUSHALL");
    redis_flush(&model);
    read_time();
    do
        load_mirror(begin, load);
    while (!redis_string(&model, "{e1}:run").at);
    for (int i = 0; i < STEPS; i++)
        step(s, begin, load);
}

Test(fakes_agree, the_model_of_redis_answers_and_keeps_what_redis_does)
{
    struct script begin = {0}, load = {0};
    struct seat_store *s;

    server = servers_redis_start();
    loop_init(&loop, &clock_system);
    real = kv_redis_new(&loop, &(struct kv_redis_options){.address = server->address});
    LOOP_UNTIL(&loop, kv_ready(real, NULL), 5000);
    redis_init(&model);
    s = seat_store_new(&loop, &twin, NULL);
    script_init(&begin, "mirror_begin",
                (const char *const[SCRIPT_PARTS_MAX]){lua_common, lua_mirror_begin});
    script_init(&load, "mirror_load",
                (const char *const[SCRIPT_PARTS_MAX]){lua_common, lua_ending, lua_mirror_load});
    for (seed = 1; seed <= SEEDS; seed++)
        run_seed(s, &begin, &load);
    check_complete(s);
    check_commands_of(&begin);
    check_commands_of(&load);
    script_free(&begin);
    script_free(&load);
    seat_store_stop(s);
    seat_store_free(s);
    redis_free(&model);
    kv_close(real);
    loop_free(&loop);
    server_stop(server);
}
