/* The waiting room's joins and passes when their requests have no time left, on stores that answer
 * when the test says so. */
#include "engine/net/http_server.h"
#include "tests/lib/fake_clock.h"
#include "tests/lib/fake_stores.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"
#include "tests/lib/wire.h"
#include "waitroom/join.h"
#include "waitroom/pass.h"
#include "waitroom/queue.h"
#include "waitroom/waitroom_api.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define REQUEST_MS 9000 /* the server's default */

TestSuite(join_due, .timeout = 30, .fini = assert_no_leaks);

static struct {
    struct fake_clock clock;
    struct loop loop;
    struct router router;
    struct http_server *server;
    struct fake_kv kv;
    struct fake_db db;
    struct waitroom room;
    struct wire w;
} f;

static void setup(void)
{
    const struct http_server_options options = {.connections = 16, .requests = 16};
    struct waitroom *w = &f.room;
    char why[100];

    memset(&f, 0, sizeof(f));
    fake_clock_init(&f.clock, INT64_C(1795258958000));
    fake_kv_init(&f.kv);
    fake_db_init(&f.db);
    loop_init(&f.loop, &f.clock.clock);
    w->loop = &f.loop;
    w->kv = &f.kv.kv;
    w->db = &f.db.db;
    w->queues_max = w->requests_max = 16;
    pool_init(&w->waiters, queue_waiter_size(), 16);
    pool_init(&w->joins, join_size(), 16);
    pool_init(&w->join_batches, join_batch_size(), 16);
    pool_init(&w->claims, pass_claim_size(), 16);
    w->queues = queues_new(w);
    line_store_init();
    router_init(&f.router);
    waitroom_api_add(&f.router, w);
    f.server = http_server_new(&f.loop, &f.router, &options);
    cr_assert_eq(http_server_listen(f.server, "127.0.0.1", 0, why, sizeof(why)), STATUS_OK, "%s",
                 why);
    wire_open(&f.w, &f.loop, http_server_port(f.server));
}

static void teardown(void)
{
    wire_close(&f.w);
    kv_close(f.room.kv);
    db_close(f.room.db);
    http_server_free(f.server);
    loop_free(&f.loop);
    waitroom_free(&f.room);
    router_free(&f.router);
}

static void ask(struct wire *w, char digit)
{
    char text[400];

    snprintf(text, sizeof(text),
             "POST /v1/queues/1/tickets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
             "Content-Length: 49\r\n\r\n{\"joinId\":\"00000000-0000-4000-8000-00000000000%c\"}",
             digit);
    wire_say(w, text);
}

static void is_refused(struct wire *w)
{
    struct wire_answer a = wire_answer(w, false);

    cr_assert_eq(a.status, 503, "%d %s", a.status, a.body);
    cr_assert(strstr(a.head, "Retry-After: "));
    wire_answer_free(&a);
}

/* The line is read, by the first pass of the meter. */
static void settle(void)
{
    queue_settle(queue_find(&f.room, 1), QUEUE_READY);
}

Test(join_due, a_join_whose_line_took_all_the_time_to_load_gets_no_number)
{
    setup();
    ask(&f.w, '1');
    LOOP_UNTIL(&f.loop, f.kv.count == 1, 5000);
    cr_assert_str_eq(f.kv.calls[0].name, "line_meter");
    fake_clock_advance(&f.clock, REQUEST_MS);
    settle();
    is_refused(&f.w);
    cr_assert_eq(f.kv.count, 1);
    teardown();
}

Test(join_due, joins_that_go_together_have_as_long_as_the_last_of_them)
{
    const struct http_server_metrics *values;
    struct wire other;

    setup();
    values = http_server_metrics(f.server)->base;
    wire_open(&other, &f.loop, http_server_port(f.server));
    ask(&f.w, '1');
    LOOP_UNTIL(&f.loop, f.kv.count == 1, 5000);
    fake_clock_advance(&f.clock, REQUEST_MS - 500);
    ask(&other, '2');
    LOOP_UNTIL(&f.loop, values->http_requests_in_flight == 2, 5000);
    fake_clock_advance(&f.clock, 500);
    settle();
    is_refused(&f.w);
    LOOP_UNTIL(&f.loop, f.kv.count == 2, 5000);
    cr_assert_str_eq(f.kv.calls[1].name, "line_join");
    cr_assert_eq(f.kv.calls[1].deadline_ms, LINE_DEADLINE_MS);
    wire_close(&other);
    teardown();
}
