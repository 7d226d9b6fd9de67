#include "engine/base/buf.h"
#include "engine/store/kv_redis.h"
#include "tests/lib/leaks.h"
#include "tests/lib/servers.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

TestSuite(kv_redis, .timeout = 60, .fini = assert_no_leaks);

/* A command of the test and what came of it. */
struct call {
    struct kv_request request;
    int calls;
    enum status status;
    enum kv_kind kind;
    int64_t integer;
    size_t count;
    char text[200];
};

static struct loop loop;
static struct server *redis;
static struct kv *kv;

static void answered(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct call *c = container_of(request, struct call, request);

    c->calls++;
    c->status = status;
    cr_assert_eq(reply != NULL, status == STATUS_OK || status == STATUS_INTERNAL);
    if (!reply)
        return;
    c->kind = reply->kind;
    c->integer = reply->integer;
    c->count = reply->count;
    slice_to_str(reply->str, c->text, sizeof(c->text));
}

static enum status send_words(struct call *c, const char *text, unsigned deadline_ms)
{
    struct slice rest = slice_str(text), args[16];
    size_t count = 0;

    *c = (struct call){.request.cb = answered};
    while (rest.at)
        args[count++] = slice_cut(&rest, ' ');
    return kv_command(kv, &c->request, args, count, deadline_ms);
}

static void send_ok(struct call *c, const char *text)
{
    cr_assert_eq(send_words(c, text, 2000), STATUS_OK);
    cr_assert_eq(c->calls, 0, "a callback never comes inside the submit");
}

static void run(struct call *c, const char *text)
{
    send_ok(c, text);
    LOOP_UNTIL(&loop, c->calls == 1, 3000);
}

static void setup_with(struct server *server, const struct kv_redis_options *options)
{
    redis = server;
    loop_init(&loop, &clock_system);
    kv = kv_redis_new(&loop, options);
    LOOP_UNTIL(&loop, kv_ready(kv, NULL), 3000);
}

static void setup(void)
{
    struct server *server = servers_redis_start();

    setup_with(server, &(struct kv_redis_options){.address = server->address});
}

static void teardown(void)
{
    kv_close(kv);
    loop_free(&loop);
    server_stop(redis);
}

Test(kv_redis, replies_of_every_kind)
{
    struct call c;

    setup();
    run(&c, "SET seat:1 held");
    cr_assert(c.kind == KV_STR && strcmp(c.text, "OK") == 0);
    run(&c, "GET seat:1");
    cr_assert(c.kind == KV_STR && strcmp(c.text, "held") == 0);
    run(&c, "GET seat:2");
    cr_assert_eq(c.kind, KV_NIL);
    run(&c, "INCRBY n 41");
    cr_assert(c.kind == KV_INT && c.integer == 41);
    run(&c, "MGET seat:1 seat:2 n");
    cr_assert(c.kind == KV_ARRAY && c.count == 3);
    run(&c, "INCR seat:1");
    cr_assert(c.status == STATUS_INTERNAL && c.kind == KV_ERROR && strncmp(c.text, "ERR ", 4) == 0);
    cr_assert_eq(strlen(kv->run_id), 40);
    teardown();
}

static void nested_answered(struct kv_request *request, enum status status,
                            const struct kv_reply *reply)
{
    const struct kv_reply *second = kv_reply_at(reply, 1);
    uint64_t n = 0;

    cr_assert_eq(status, STATUS_OK);
    cr_assert(kv_reply_u64(kv_reply_at(reply, 0), &n) && n == 7);
    cr_assert(kv_reply_u64(kv_reply_at(second, 0), &n) && n == 8);
    cr_assert(slice_is(kv_reply_at(kv_reply_at(second, 1), 0)->str, "deep"));
    cr_assert_eq(kv_reply_at(second, 2)->count, 0);
    cr_assert_eq(kv_reply_at(second, 99)->kind, KV_NIL);
    answered(request, status, reply);
}

Test(kv_redis, nested_arrays_and_large_strings)
{
    static char big[3 << 20];
    struct slice set[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("big"), slice_of(big, sizeof(big))};
    struct call c = {.request.cb = nested_answered}, length, written = {.request.cb = answered};
    struct slice nested[] = {SLICE_LITERAL("EVAL"),
                             SLICE_LITERAL("return {7, {'8', {'deep'}, {}}, 9}"),
                             SLICE_LITERAL("0")};

    setup();
    cr_assert_eq(kv_command(kv, &c.request, nested, 3, 1000), STATUS_OK);
    LOOP_UNTIL(&loop, c.calls == 1, 3000);
    memset(big, 'x', sizeof(big));
    cr_assert_eq(kv_command(kv, &written.request, set, 3, 5000), STATUS_OK);
    memset(big, 'y', sizeof(big)); /* it was copied */
    run(&length, "STRLEN big");
    cr_assert(written.calls == 1 && length.integer == sizeof(big));
    run(&length, "GETRANGE big 3145720 -1");
    cr_assert_str_eq(length.text, "xxxxxxxx");
    run(&length, "GET big");
    cr_assert(length.status == STATUS_OK && length.calls == 1);
    teardown();
}

Test(kv_redis, order_is_kept)
{
    enum { N = 5000 };
    static struct call calls[N];

    setup();
    for (int i = 0; i < N; i++)
        send_ok(&calls[i], "INCR n");
    LOOP_UNTIL(&loop, calls[N - 1].calls == 1, 5000);
    for (int i = 0; i < N; i++)
        cr_assert(calls[i].calls == 1 && calls[i].integer == i + 1);
    teardown();
}

static enum status eval(struct call *c, const struct kv_script *script, const char *key,
                        const char *arg)
{
    struct slice keys[] = {slice_str(key)}, args[] = {slice_str(arg)};

    *c = (struct call){.request.cb = answered};
    return kv_eval(kv, &c->request, script, keys, 1, args, 1, 2000);
}

Test(kv_redis, scripts_are_loaded_and_loaded_again_when_redis_forgot_them)
{
    struct kv_script script = {.name = "bump",
                               .source = "return redis.call('INCRBY', KEYS[1], ARGV[1])"};
    struct call a, b, c;

    setup();
    kv_script_init(&script);
    cr_assert_eq(eval(&a, &script, "n", "5"), STATUS_OK);
    cr_assert_eq(eval(&b, &script, "n", "6"), STATUS_OK);
    LOOP_UNTIL(&loop, a.calls && b.calls, 3000);
    cr_assert(a.integer == 5 && b.integer == 11);

    server_redis(redis, "SCRIPT FLUSH");
    cr_assert_eq(eval(&a, &script, "n", "1"), STATUS_OK);
    cr_assert_eq(eval(&b, &script, "n", "1"), STATUS_OK);
    send_ok(&c, "PING");
    LOOP_UNTIL(&loop, a.calls && b.calls && c.calls, 3000);
    cr_assert(a.status == STATUS_OK && a.integer == 12);
    cr_assert(b.status == STATUS_OK && b.integer == 13);
    cr_assert_eq(
        ((struct kv_redis_metrics *)kv_redis_metrics(kv)->base)->redis_scripts_loaded_total, 2,
        "once for both");
    teardown();
}

Test(kv_redis, a_script_that_redis_refuses_is_an_error_not_a_loop)
{
    struct kv_script script = {.name = "broken", .source = "this is not lua"};
    struct call c;

    setup();
    kv_script_init(&script);
    cr_assert_eq(eval(&c, &script, "n", "5"), STATUS_OK);
    LOOP_UNTIL(&loop, c.calls, 3000);
    cr_assert(c.status == STATUS_INTERNAL && strncmp(c.text, "NOSCRIPT", 8) == 0);
    teardown();
}

Test(kv_redis, a_dead_server_completes_what_was_in_flight_and_refuses_the_rest)
{
    struct call a, b, late;
    char run_id[41];
    const char *why = NULL;

    setup();
    memcpy(run_id, kv->run_id, sizeof(run_id));
    server_pause(redis);
    send_ok(&a, "INCR n");
    send_ok(&b, "INCR n");
    loop_turn(&loop, false);
    server_kill9(redis);
    LOOP_UNTIL(&loop, a.calls && b.calls, 3000);
    cr_assert(a.status == STATUS_UNAVAILABLE && b.status == STATUS_UNAVAILABLE);
    cr_assert(!kv_ready(kv, &why) && strncmp(why, "redis: ", 7) == 0);
    cr_assert_eq(send_words(&late, "INCR n", 1000), STATUS_UNAVAILABLE,
                 "nothing is queued offline");

    server_restart(redis);
    LOOP_UNTIL(&loop, kv_ready(kv, NULL), 5000);
    cr_assert_str_neq(kv->run_id, run_id);
    cr_assert_eq(late.calls, 0);
    run(&a, "GET n");
    cr_assert_eq(a.kind, KV_NIL, "nothing was sent again to the new server");
    teardown();
}

static void note_run_id(struct kv *changed, void *ctx)
{
    cr_assert_eq(changed, kv);
    (*(int *)ctx)++;
}

Test(kv_redis, run_id_is_told_when_it_changes)
{
    int told = 0;

    setup();
    kv->on_run_id = note_run_id;
    kv->on_run_id_ctx = &told;
    server_redis(redis, "CLIENT KILL TYPE normal");
    LOOP_UNTIL(&loop, !kv_ready(kv, NULL), 3000);
    LOOP_UNTIL(&loop, kv_ready(kv, NULL), 5000);
    cr_assert_eq(told, 0, "the same process");
    server_restart(redis);
    LOOP_UNTIL(&loop, told == 1 && kv_ready(kv, NULL), 5000);
    teardown();
}

Test(kv_redis, a_deadline_passes_and_the_late_answer_is_dropped)
{
    struct call slow, next;
    int64_t start_ns = clock_mono_ns(&clock_system), took_ms;

    setup();
    server_pause(redis);
    cr_assert_eq(send_words(&slow, "INCR n", 60), STATUS_OK);
    send_ok(&next, "INCR n");
    LOOP_UNTIL(&loop, slow.calls == 1, 3000);
    took_ms = (clock_mono_ns(&clock_system) - start_ns) / 1000000;
    cr_assert_eq(slow.status, STATUS_TIMEOUT);
    cr_assert_geq(took_ms, 60);
    cr_assert_eq(next.calls, 0);
    server_resume(redis);
    LOOP_UNTIL(&loop, next.calls == 1, 3000);
    cr_assert(next.status == STATUS_OK && next.integer == 2,
              "answers still belong to their commands");
    cr_assert_eq(slow.calls, 1);
    teardown();
}

Test(kv_redis, a_server_that_hangs_is_given_up)
{
    struct call c;

    setup();
    server_pause(redis);
    cr_assert_eq(send_words(&c, "PING", 50), STATUS_OK);
    LOOP_UNTIL(&loop, c.calls == 1, 1000);
    LOOP_UNTIL(&loop, !kv_ready(kv, NULL), 4000);
    server_resume(redis);
    LOOP_UNTIL(&loop, kv_ready(kv, NULL), 5000);
    run(&c, "PING");
    cr_assert_eq(c.status, STATUS_OK);
    teardown();
}

Test(kv_redis, a_frozen_server_is_noticed_though_nobody_asks_it_anything)
{
    struct kv_redis_metrics *metrics;
    struct call c;
    const char *why;

    setup();
    metrics = kv_redis_metrics(kv)->base;
    server_pause(redis);
    LOOP_UNTIL(&loop, !kv_ready(kv, &why), 4000);
    cr_assert_str_eq(why, "redis: the server does not answer");
    cr_assert_eq(metrics->redis_breaker_open, 1);
    cr_assert_eq(send_words(&c, "INCR n", 1000), STATUS_UNAVAILABLE, "at once");
    server_resume(redis);
    LOOP_UNTIL(&loop, kv_ready(kv, &why), 5000);
    cr_assert_str_eq(why, "");
    cr_assert_eq(metrics->redis_breaker_open, 0);
    run(&c, "INCR n");
    cr_assert_eq(c.integer, 1, "what was refused did not run");
    teardown();
}

Test(kv_redis, close_cancels_in_the_next_turn)
{
    struct call a, b;

    setup();
    send_ok(&a, "PING");
    send_ok(&b, "PING");
    kv_close(kv);
    cr_assert(a.calls == 0 && b.calls == 0);
    loop_free(&loop);
    cr_assert(a.calls == 1 && a.status == STATUS_CANCELED);
    cr_assert(b.calls == 1 && b.status == STATUS_CANCELED);
    server_stop(redis);
}

static void close_inside(struct kv_request *request, enum status status,
                         const struct kv_reply *reply)
{
    answered(request, status, reply);
    kv_close(kv);
}

Test(kv_redis, close_inside_a_callback)
{
    struct call a, b, c;

    setup();
    send_ok(&a, "PING");
    send_ok(&b, "PING");
    send_ok(&c, "PING");
    b.request.cb = close_inside;
    LOOP_UNTIL(&loop, c.calls == 1, 3000);
    loop_free(&loop);
    cr_assert(a.calls == 1 && b.calls == 1 && c.calls == 1);
    cr_assert(a.status == STATUS_OK && b.status == STATUS_OK && c.status == STATUS_CANCELED);
    server_stop(redis);
}

Test(kv_redis, the_limit_in_flight_is_an_answer)
{
    struct server *server = servers_redis_start();
    struct call a, b, c;

    setup_with(server, &(struct kv_redis_options){.address = server->address, .in_flight_max = 2});
    send_ok(&a, "PING");
    send_ok(&b, "PING");
    cr_assert_eq(send_words(&c, "PING", 100), STATUS_OVERLOADED);
    LOOP_UNTIL(&loop, a.calls && b.calls, 3000);
    run(&c, "PING");
    cr_assert_eq(c.status, STATUS_OK);
    teardown();
}

Test(kv_redis, a_unix_socket)
{
    struct server *server = servers_redis_start();
    struct call c;
    char address[200];

    snprintf(address, sizeof(address), "unix:%s/redis.sock", server->dir.path);
    setup_with(server, &(struct kv_redis_options){.address = address});
    run(&c, "PING");
    cr_assert_str_eq(c.text, "PONG");
    teardown();
}

Test(kv_redis, no_server_at_all)
{
    struct call c;
    const char *why;

    loop_init(&loop, &clock_system);
    kv = kv_redis_new(&loop, &(struct kv_redis_options){.address = "localhost:1"});
    LOOP_UNTIL(&loop, !kv_ready(kv, &why) && strstr(why, "refused"), 3000);
    cr_assert_eq(send_words(&c, "PING", 100), STATUS_UNAVAILABLE);
    kv_close(kv);
    loop_free(&loop);
}

/* ---- not a test of speed, only a number for the log: run with HOLDFAST_MEASURE=1 ---- */

struct pump {
    struct kv_request request;
    size_t *done, goal;
};

static const struct slice incr[] = {SLICE_LITERAL("INCR"), SLICE_LITERAL("counter")};

static void pump_answered(struct kv_request *request, enum status status,
                          const struct kv_reply *reply)
{
    struct pump *p = container_of(request, struct pump, request);

    cr_assert_eq(status, STATUS_OK);
    (void)reply;
    if (++*p->done < p->goal)
        cr_assert_eq(kv_command(kv, request, incr, 2, 1000), STATUS_OK);
}

static void measure(size_t width)
{
    static struct pump pumps[4096];
    size_t done = 0, goal = 2000000;
    int64_t start_ns = clock_mono_ns(&clock_system);

    for (size_t i = 0; i < width; i++) {
        pumps[i] = (struct pump){{.cb = pump_answered}, &done, goal};
        cr_assert_eq(kv_command(kv, &pumps[i].request, incr, 2, 1000), STATUS_OK);
    }
    while (done < goal + width - 1)
        loop_turn(&loop, true);
    fprintf(stderr, "kv_redis: INCR, %zu in flight: %.2f M/s\n", width,
            (double)done * 1e3 / (double)(clock_mono_ns(&clock_system) - start_ns));
}

Test(kv_redis, measure)
{
    if (!getenv("HOLDFAST_MEASURE"))
        return;
    setup();
    measure(64);
    measure(1024);
    measure(4096);
    teardown();
}
