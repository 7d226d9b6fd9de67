/* Clients that are slow to send, slow to read or silent, each with its deadline. */
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"
#include "tests/unit/http_server_rig.h"

#include <criterion/criterion.h>

TestSuite(http_slow, .fini = assert_no_leaks);

static const struct http_server_options hasty = {
    .connections = 8, .requests = 8, .head_ms = 60, .body_ms = 60, .idle_ms = 60, .send_ms = 60};

Test(http_slow, a_slow_head_is_408)
{
    struct fixture f;

    begin_with(&f, &hasty);
    wire_say(&f.w, "GET /hello HTTP/1.1\r\nHost:");
    assert_problem(&f.w, 408, "request_timeout");
    wire_await_eof(&f.w);
    cr_assert_eq(f.values->http_timeouts_total, 1);
    end(&f);
}

Test(http_slow, a_head_that_trickles_does_not_move_its_deadline)
{
    struct http_server_options options = {
        .connections = 8, .requests = 8, .head_ms = 100, .idle_ms = 10000};
    struct fixture f;

    begin_with(&f, &options);
    wire_say(&f.w, "GET /hello HTTP/1.1\r\nHost: ");
    while (!f.w.eof && f.w.got.len == 0) {
        wire_say(&f.w, "x");
        wire_settle(&f.w, 5);
    }
    assert_problem(&f.w, 408, "request_timeout");
    end(&f);
}

Test(http_slow, a_slow_body_is_408)
{
    struct fixture f;

    begin_with(&f, &hasty);
    wire_say(&f.w, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel");
    assert_problem(&f.w, 408, "request_timeout");
    wire_await_eof(&f.w);
    end(&f);
}

Test(http_slow, an_idle_connection_is_closed_without_a_word)
{
    struct fixture f;
    struct wire w;

    begin_with(&f, &hasty);
    cr_assert_eq(wire_ask(&f.w, GET("/hello")), 200);
    wire_await_eof(&f.w);
    cr_assert_eq(f.w.got.len, 0);
    another(&f, &w);
    wire_await_eof(&w);
    wire_close(&w);
    end(&f);
}

Test(http_slow, a_handler_may_take_longer_than_any_deadline)
{
    struct fixture f;

    begin_with(&f, &hasty);
    wire_say(&f.w, GET("/park"));
    wire_settle(&f.w, 150);
    cr_assert_eq(f.parked_count, 1);
    answer_parked(&f);
    assert_body(&f.w, 200, "/park?:");
    end(&f);
}

Test(http_slow, a_client_that_does_not_read_is_cut)
{
    struct http_server_options options = {
        .connections = 8, .requests = 8, .send_ms = 60, .send_buffer = 16384};
    struct fixture f;

    begin_with(&f, &options);
    wire_say(&f.w, GET("/shared") GET("/shared") GET("/shared") GET("/shared"));
    LOOP_UNTIL(&f.loop, f.values->http_timeouts_total == 1, 5000);
    LOOP_UNTIL(&f.loop, f.values->http_connections == 0, 5000);
    cr_assert_gt(f.released, 0);
    end(&f);
}
