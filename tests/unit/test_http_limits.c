/* What the server refuses, and that the refusal arrives: what cannot be read, what is too large,
 * too much at once, what the gate turns away. */
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"
#include "tests/unit/http_server_rig.h"

#include <criterion/criterion.h>

TestSuite(http_limits, .fini = assert_no_leaks);

/* ---- what is sent ---- */

static void assert_refused_and_closed(const char *text, int status, const char *code)
{
    struct fixture f;

    begin(&f);
    wire_say(&f.w, text);
    assert_problem(&f.w, status, code);
    wire_await_eof(&f.w);
    cr_assert_not(f.w.reset, "the answer must not be lost to a reset");
    cr_assert_eq(f.handled, 0);
    end(&f);
}

Test(http_limits, what_cannot_be_read_is_answered_and_closed)
{
    assert_refused_and_closed("nonsense\r\n\r\n" GET("/hello"), 400, "bad_request");
    assert_refused_and_closed("GET /hello HTTP/1.1\r\n\r\n" GET("/hello"), 400, "bad_request");
    assert_refused_and_closed("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: "
                              "4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET("/hello"),
                              400, "bad_request");
    assert_refused_and_closed("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                              "chunked\r\n\r\n5\nhello\r\n0\r\n\r\n" GET("/hello"),
                              400, "bad_request");
    assert_refused_and_closed("GET /hello HTTP/2.0\r\nHost: x\r\n\r\n", 505,
                              "version_not_supported");
}

Test(http_limits, a_long_line_is_414_and_a_long_head_431)
{
    struct buf text;

    buf_init(&text, 40000);
    buf_append_str(&text, "GET /");
    for (int i = 0; i < 9000; i++)
        buf_append_char(&text, 'a');
    buf_append_char(&text, '\0');
    assert_refused_and_closed(text.at, 414, "uri_too_long");
    buf_clear(&text);
    buf_append_str(&text, "GET /hello HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 70; i++)
        buf_append_str(&text, "a: b\r\n");
    buf_append(&text, "\r\n", 3);
    assert_refused_and_closed(text.at, 431, "head_too_large");
    buf_free(&text);
}

Test(http_limits, a_large_body_is_refused_before_it_is_read)
{
    assert_refused_and_closed("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n", 413,
                              "body_too_large");
    assert_refused_and_closed(
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n", 413,
        "body_too_large");
    assert_refused_and_closed(
        "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n",
        413, "body_too_large");
}

/* The client is still sending when the answer comes: closing at once would reset the connection and
 * lose the answer. */
Test(http_limits, a_refusal_reaches_a_client_that_is_still_sending)
{
    size_t size = 1000000;
    char *body = mem_alloc(size);
    struct fixture f;

    begin(&f);
    wire_say(&f.w, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    wire_send(&f.w, body, size);
    cr_assert_not(f.w.reset);
    assert_problem(&f.w, 413, "body_too_large");
    wire_await_eof(&f.w);
    cr_assert_not(f.w.reset);
    mem_free(body);
    end(&f);
}

Test(http_limits, a_route_may_take_more)
{
    size_t size = 3 * 1024 * 1024;
    char *body = mem_alloc(size);
    struct fixture f;
    struct wire_answer a;

    memset(body, 'b', size);
    begin(&f);
    wire_say(&f.w, "POST /big/one?q HTTP/1.1\r\nHost: x\r\nContent-Length: 3145728\r\n\r\n");
    wire_send(&f.w, body, size);
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.status, 200);
    cr_assert_eq(a.body_len, size);
    cr_assert_eq(memcmp(a.body, body, size), 0);
    wire_answer_free(&a);
    mem_free(body);
    end(&f);
}

Test(http_limits, expect_100_continue)
{
    struct fixture f;

    begin(&f);
    cr_assert_eq(
        wire_ask(
            &f.w,
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
        100);
    wire_say(&f.w, "ok");
    assert_body(&f.w, 200, "ok");
    wire_say(
        &f.w,
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok");
    assert_body(&f.w, 200, "ok");
    cr_assert_eq(wire_ask(&f.w, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\nExpect: "
                                "100-continue\r\n\r\n"),
                 413);
    wire_await_eof(&f.w);
    end(&f);
}

/* ---- too much at once ---- */

Test(http_limits, too_many_in_flight_are_shed_before_their_body_is_read)
{
    struct http_server_options options = {.connections = 8, .requests = 1};
    struct fixture f;
    struct wire w;
    struct wire_answer a;

    begin_with(&f, &options);
    wire_say(&f.w, GET("/park"));
    LOOP_UNTIL(&f.loop, f.parked_count == 1, 2000);
    another(&f, &w);
    wire_say(&w, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n");
    a = wire_answer(&w, false);
    cr_assert_eq(a.status, 503);
    cr_assert(strstr(a.head, "\r\nRetry-After: 1\r\n"));
    cr_assert(strstr(a.body, "\"overloaded\""));
    wire_answer_free(&a);
    wire_await_eof(&w);
    wire_close(&w);
    another(&f, &w);
    cr_assert_eq(wire_ask(&w, GET("/hello")), 503, "without a body the connection stays");
    answer_parked(&f);
    cr_assert_eq(wire_ask(&w, GET("/hello")), 200);
    cr_assert_eq(f.values->http_shed_total, 2);
    wire_close(&w);
    end(&f);
}

Test(http_limits, what_is_never_shed_is_not)
{
    struct http_server_options options = {.connections = 8, .requests = 1};
    struct fixture f;
    struct wire w;

    begin_with(&f, &options);
    wire_say(&f.w, GET("/park"));
    LOOP_UNTIL(&f.loop, f.parked_count == 1, 2000);
    another(&f, &w);
    cr_assert_eq(wire_ask(&w, GET("/hello")), 503);
    wire_say(&w, "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok");
    assert_body(&w, 200, "ok");
    answer_parked(&f);
    wire_close(&w);
    end(&f);
}

Test(http_limits, connections_beyond_the_pool_get_a_503)
{
    struct http_server_options options = {.connections = 2, .requests = 4};
    struct fixture f;
    struct wire w[2];
    struct wire_answer a;

    begin_with(&f, &options);
    cr_assert_eq(wire_ask(&f.w, GET("/hello")), 200);
    another(&f, &w[0]);
    cr_assert_eq(wire_ask(&w[0], GET("/hello")), 200);
    another(&f, &w[1]);
    a = wire_answer(&w[1], false);
    cr_assert_eq(a.status, 503);
    cr_assert(a.body[0] == '{' && a.body[a.body_len - 1] == '}', "%s", a.body);
    wire_answer_free(&a);
    wire_await_eof(&w[1]);
    wire_close(&w[1]);
    wire_close(&w[0]);
    LOOP_UNTIL(&f.loop, f.values->http_connections == 1, 5000);
    another(&f, &w[0]);
    cr_assert_eq(wire_ask(&w[0], GET("/hello")), 200);
    cr_assert_eq(f.values->http_connections_refused_total, 1);
    wire_close(&w[0]);
    end(&f);
}

/* ---- the gate ---- */

static bool gate(struct http_request *req, void *ctx)
{
    struct fixture *f = ctx;

    if (!f->refuse)
        return true;
    http_reply_problem(req, PROBLEM_RATE_LIMITED, NULL);
    return false;
}

static void over(struct http_request *req, bool waited, void *ctx)
{
    struct fixture *f = ctx;

    cr_assert(req->route);
    f->over++;
    f->over_waited += waited;
}

Test(http_limits, the_gate_is_asked_before_the_body_is_read)
{
    struct fixture f;

    begin(&f);
    http_server_gate(f.server, gate, NULL, &f);
    f.refuse = true;
    wire_say(&f.w, GET("/hello"));
    assert_problem(&f.w, 429, "rate_limited");
    wire_say(&f.w, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
    assert_problem(&f.w, 429, "rate_limited");
    wire_await_eof(&f.w);
    cr_assert_eq(f.handled, 0);
    end(&f);
}

Test(http_limits, a_refusal_leaves_the_connection_when_the_body_is_here)
{
    struct fixture f;

    begin(&f);
    http_server_gate(f.server, gate, NULL, &f);
    f.refuse = true;
    wire_say(&f.w,
             "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /" GET("/hello"));
    assert_problem(&f.w, 429, "rate_limited");
    assert_problem(&f.w, 429, "rate_limited");
    f.refuse = false;
    wire_say(&f.w, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                   "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ndef");
    assert_problem(&f.w, 404, "not_found");
    assert_body(&f.w, 200, "def");
    cr_assert_eq(f.handled, 1);
    end(&f);
}

Test(http_limits, the_gate_hears_of_the_end_of_what_it_let_in)
{
    struct fixture f;
    struct wire w;

    begin(&f);
    http_server_gate(f.server, gate, over, &f);
    cr_assert_eq(wire_ask(&f.w, GET("/hello")), 200);
    cr_assert(f.over == 1 && f.over_waited == 0, "answered at once");
    f.refuse = true;
    cr_assert_eq(wire_ask(&f.w, GET("/hello")), 429);
    cr_assert_eq(wire_ask(&f.w, GET("/nowhere")), 404);
    cr_assert_eq(f.over, 1, "what was refused was never in");
    f.refuse = false;
    wire_say(&f.w, GET("/park"));
    LOOP_UNTIL(&f.loop, f.parked_count == 1, 2000);
    cr_assert_eq(f.over, 1);
    answer_parked(&f);
    cr_assert(f.over == 2 && f.over_waited == 1, "answered later");
    another(&f, &w);
    wire_say(&w, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n");
    LOOP_UNTIL(&f.loop, f.values->http_requests_in_flight == 1, 2000);
    wire_close(&w);
    LOOP_UNTIL(&f.loop, f.over == 3, 2000);
    cr_assert_eq(f.over_waited, 1, "never handled");
    end(&f);
}

Test(http_limits, admin_routes_without_a_gate_are_refused)
{
    struct fixture f;
    struct wire_answer a;

    begin(&f);
    wire_say(&f.w, GET("/admin"));
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.status, 401);
    cr_assert(strstr(a.head, "\r\nWWW-Authenticate: Bearer\r\n"));
    wire_answer_free(&a);
    wire_say(&f.w, GET("/ws"));
    assert_problem(&f.w, 426, "upgrade_required");
    cr_assert_eq(f.handled, 0);
    end(&f);
}
