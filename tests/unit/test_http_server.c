/* The server over real sockets, with a raw client in the same thread. */
#include "engine/net/http_exchange.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"
#include "tests/lib/wire.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

TestSuite(http_server, .fini = assert_no_leaks);

struct fixture {
    struct loop loop;
    struct router router;
    struct http_server *server;
    struct metric_page page;
    struct http_server_metrics *values;
    struct http_request *parked[8]; /* requests that a handler has not answered */
    size_t parked_count;
    int gone_when_answered, released, drained, handled;
    bool refuse;
    int over, over_waited; /* requests that the gate let in */
    struct wire w;
};

static void hello(struct http_request *req, void *ctx)
{
    struct fixture *f = ctx;

    f->handled++;
    http_header(req, "X-Own", "1");
    buf_append_str(req->out, "hello");
    http_reply(req, 200, "text/plain");
}

static void echo(struct http_request *req, void *ctx)
{
    struct fixture *f = ctx;

    f->handled++;
    buf_append_slice(req->out, req->body);
    http_reply(req, 200, "text/plain");
}

/* The body's memory may have moved the head: what points into it must have moved along. */
static void echo_big(struct http_request *req, void *ctx)
{
    cr_assert(slice_is(req->path, "/big/one"));
    cr_assert(slice_is(req->params[0], "one"));
    cr_assert(slice_is(req->query, "q"));
    echo(req, ctx);
}

/* Everything that a handler sees, to be compared as text. */
static void describe(struct http_request *req, void *ctx)
{
    bool bad;
    struct slice q = http_query_get(req, "q", &bad);
    struct slice again = http_query_get(req, "q", NULL);
    struct slice token = http_credential(req, "Bearer");
    struct slice shown = q.at ? q : SLICE_LITERAL("");

    (void)ctx;
    buf_printf(req->out,
               "path=%.*s query=%.*s p0=%.*s q=%s%.*s%s peer=%.*s token=%.*s trace=%.*s last=%.*s",
               SLICE_ARG(req->path), SLICE_ARG(req->query), SLICE_ARG(req->params[0]),
               q.at ? "[" : "-", SLICE_ARG(shown),
               q.at  ? "]"
               : bad ? "!"
                     : "",
               SLICE_ARG(req->peer), SLICE_ARG(token), SLICE_ARG(req->traceparent),
               SLICE_ARG(http_header_get(req, "x-twice")));
    cr_assert(!q.at || slice_eq(q, again));
    http_reply(req, 200, "text/plain");
}

static void park(struct http_request *req, void *ctx)
{
    struct fixture *f = ctx;

    cr_assert_lt(f->parked_count, array_len(f->parked));
    f->parked[f->parked_count++] = req;
}

/* The slices of a parked request are read only now: they must still be there. */
static void answer_parked(struct fixture *f)
{
    for (size_t i = 0; i < f->parked_count; i++) {
        struct http_request *req = f->parked[i];

        f->gone_when_answered += http_gone(req);
        buf_printf(req->out, "%.*s?%.*s:%.*s", SLICE_ARG(req->path), SLICE_ARG(req->query),
                   SLICE_ARG(req->body));
        http_reply(req, 200, "text/plain");
    }
    f->parked_count = 0;
}

static void released(void *arg)
{
    ((struct fixture *)arg)->released++;
}

#define LARGE_SIZE (3 * 1024 * 1024)
static char large[LARGE_SIZE];

static void shared(struct http_request *req, void *ctx)
{
    http_reply_shared(req, 200, "application/octet-stream", slice_of(large, sizeof(large)),
                      released, ctx);
}

static void built(struct http_request *req, void *ctx)
{
    (void)ctx;
    buf_append(req->out, large, sizeof(large));
    http_reply(req, 200, "application/octet-stream");
}

static void nothing(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply_empty(req, 204);
}

static void broken(struct http_request *req, void *ctx)
{
    (void)ctx;
    while (!req->out->failed)
        buf_append(req->out, large, sizeof(large));
    http_reply(req, 200, "text/plain");
}

static void problem(struct http_request *req, void *ctx)
{
    struct json_out w = http_problem_begin(req, PROBLEM_SEAT_UNAVAILABLE, "two \"seats\"\r\n");

    (void)ctx;
    json_put_int(&w, "count", 2);
    http_problem_end(req, &w, PROBLEM_SEAT_UNAVAILABLE);
}

static void failure(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply_failure(req, STATUS_TIMEOUT);
}

static void json(struct http_request *req, void *ctx)
{
    json_t *object = http_body_json(req);

    (void)ctx;
    if (!object)
        return;
    json_decref(object);
    http_reply_empty(req, 204);
}

static const struct route routes[] = {
    {HTTP_GET_, "/hello", hello, 0, 0},
    {HTTP_GET_, "/describe/{x}", describe, 0, 0},
    {HTTP_POST_, "/echo", echo, 0, 0},
    {HTTP_POST_, "/small", echo, 0, 10},
    {HTTP_POST_, "/big/{x}", echo_big, 0, 4 * 1024 * 1024},
    {HTTP_POST_, "/json", json, 0, 0},
    {HTTP_POST_, "/park", park, 0, 0},
    {HTTP_GET_, "/park", park, 0, 0},
    {HTTP_GET_, "/shared", shared, 0, 0},
    {HTTP_GET_, "/built", built, 0, 0},
    {HTTP_DELETE_, "/hello", nothing, 0, 0},
    {HTTP_GET_, "/broken", broken, 0, 0},
    {HTTP_GET_, "/problem", problem, 0, 0},
    {HTTP_GET_, "/failure", failure, 0, 0},
    {HTTP_GET_, "/admin", hello, ROUTE_ADMIN, 0},
    {HTTP_GET_, "/ws", hello, ROUTE_WEBSOCKET, 0},
    {HTTP_POST_, "/webhook", echo, ROUTE_NEVER_SHED, 0},
};

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

static const struct http_server_options usual = {.connections = 64, .requests = 64};

static void begin_with(struct fixture *f, const struct http_server_options *options)
{
    char why[100];

    memset(f, 0, sizeof(*f));
    loop_init(&f->loop, &clock_system);
    router_init(&f->router);
    router_add(&f->router, routes, array_len(routes), f);
    f->server = http_server_new(&f->loop, &f->router, options);
    metric_page_init(&f->page);
    metric_page_add(&f->page, http_server_metrics(f->server));
    f->values = http_server_metrics(f->server)->base;
    cr_assert_eq(http_server_listen(f->server, "127.0.0.1", 0, why, sizeof(why)), STATUS_OK, "%s",
                 why);
    wire_open(&f->w, &f->loop, http_server_port(f->server));
}

static void begin(struct fixture *f)
{
    begin_with(f, &usual);
}

static void end(struct fixture *f)
{
    wire_close(&f->w);
    if (f->server)
        http_server_free(f->server);
    loop_free(&f->loop);
    router_free(&f->router);
}

static void another(struct fixture *f, struct wire *w)
{
    wire_open(w, &f->loop, http_server_port(f->server));
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void assert_body(struct wire *w, int status, const char *body)
{
    struct wire_answer a = wire_answer(w, false);

    cr_assert_eq(a.status, status, "%s%s", a.head, a.body);
    cr_assert_str_eq(a.body, body);
    wire_answer_free(&a);
}

static void assert_problem(struct wire *w, int status, const char *code)
{
    struct wire_answer a = wire_answer(w, false);
    char member[64];

    snprintf(member, sizeof(member), "\"code\":\"%s\"", code);
    cr_assert_eq(a.status, status, "%s", a.head);
    cr_assert(strstr(a.head, "\r\nContent-Type: application/problem+json\r\n"));
    cr_assert(strstr(a.body, member), "%s", a.body);
    cr_assert(strstr(a.body, "\"requestId\":\""));
    wire_answer_free(&a);
}

/* ---- answers ---- */

Test(http_server, answers_a_request)
{
    struct fixture f;
    struct wire_answer a;

    begin(&f);
    wire_say(&f.w, GET("/hello"));
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.status, 200);
    cr_assert_str_eq(a.body, "hello");
    cr_assert(strstr(a.head, "HTTP/1.1 200 OK\r\nDate: "));
    cr_assert(strstr(a.head, " GMT\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"));
    cr_assert(strstr(a.head, "\r\nX-Own: 1\r\n"));
    cr_assert(strstr(a.head, "\r\nX-Request-Id: "));
    cr_assert_null(strstr(a.head, "Connection"));
    wire_answer_free(&a);
    cr_assert_eq(f.values->http_requests_total, 1);
    cr_assert_eq(f.values->http_requests_in_flight, 0);
    end(&f);
}

Test(http_server, head_has_the_length_and_no_body)
{
    struct fixture f;
    struct wire_answer a;

    begin(&f);
    wire_say(&f.w, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    a = wire_answer(&f.w, true);
    cr_assert_eq(a.status, 200);
    cr_assert(strstr(a.head, "\r\nContent-Length: 5\r\n"));
    wire_answer_free(&a);
    wire_say(&f.w, "DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.status, 204);
    cr_assert_null(strstr(a.head, "Content-Length"));
    wire_answer_free(&a);
    cr_assert_eq(wire_ask(&f.w, GET("/hello")), 200, "the connection goes on");
    end(&f);
}

Test(http_server, unknown_paths_and_methods)
{
    struct fixture f;
    struct wire_answer a;

    begin(&f);
    wire_say(&f.w, GET("/nothing"));
    assert_problem(&f.w, 404, "not_found");
    wire_say(&f.w, "PUT /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.status, 405);
    cr_assert(strstr(a.head, "\r\nAllow: GET, HEAD, DELETE\r\n"));
    wire_answer_free(&a);
    cr_assert_eq(wire_ask(&f.w, GET("/hello")), 200);
    wire_say(&f.w, "BREW /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_problem(&f.w, 501, "not_implemented");
    wire_await_eof(&f.w);
    end(&f);
}

Test(http_server, tells_the_handler_what_was_asked)
{
    struct fixture f;

    begin(&f);
    wire_say(&f.w, "GET /describe/7?a=1&q=%c3%a9+x%26&z HTTP/1.1\r\nHost: x\r\nAuthorization: "
                   "bearer  t0k \r\nX-Twice: 1\r\n"
                   "X-Forwarded-For: 9.9.9.9, 10.1.2.3\r\nx-twice: 2\r\n"
                   "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n");
    assert_body(
        &f.w, 200,
        "path=/describe/7 query=a=1&q=%c3%a9+x%26&z p0=7 q=[\xc3\xa9 x&] peer=10.1.2.3 token=t0k "
        "trace=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 last=2");
    wire_say(&f.w, "GET /describe/7?q=%zz HTTP/1.1\r\nHost: x\r\nAuthorization: Basic t0k\r\n"
                   "X-Forwarded-For: 9.9.9.9, evil\r\ntraceparent: junk\r\n\r\n");
    assert_body(&f.w, 200,
                "path=/describe/7 query=q=%zz p0=7 q=-! peer=127.0.0.1 token= trace= last=");
    end(&f);
}

/* Only a proxy on this machine may say whom it speaks for. */
Test(http_server, a_foreign_peer_cannot_name_another)
{
    static const char text[] =
        "GET /describe/7 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n";
    struct fixture f;
    struct conn *c;

    begin(&f);
    wire_say(&f.w, text);
    assert_body(&f.w, 200, "path=/describe/7 query= p0=7 q=- peer=9.9.9.9 token= trace= last=");
    c = list_entry(f.server->conns.all.next, struct conn, link);
    cr_assert_str_eq(c->peer, "127.0.0.1");
    memcpy(c->peer, "10.1.1.1", 9); /* a test cannot come from elsewhere */
    wire_say(&f.w, text);
    assert_body(&f.w, 200, "path=/describe/7 query= p0=7 q=- peer=10.1.1.1 token= trace= last=");
    end(&f);
}

Test(http_server, request_ids)
{
    struct fixture f;
    struct wire_answer a;

    begin(&f);
    wire_say(&f.w, "GET /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: ABC-123_x.Y\r\n\r\n");
    a = wire_answer(&f.w, false);
    cr_assert(strstr(a.head, "\r\nX-Request-Id: abc-123_x.y\r\n"));
    wire_answer_free(&a);
    wire_say(&f.w, "GET /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\"b\r\n\r\n");
    a = wire_answer(&f.w, false);
    cr_assert_null(strstr(a.head, "a\"b"), "an id that could forge a log line is replaced");
    wire_answer_free(&a);
    end(&f);
}

Test(http_server, problems_carry_members_of_their_own)
{
    struct fixture f;
    struct wire_answer a;

    begin(&f);
    wire_say(&f.w, GET("/problem"));
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.status, 409);
    cr_assert(strstr(a.body, "\"type\":\"/problems/seat_unavailable\""), "%s", a.body);
    cr_assert(strstr(a.body, "\"detail\":\"two \\\"seats\\\"\\r\\n\""), "%s", a.body);
    cr_assert(strstr(a.body, "\"instance\":\"/problem\""));
    cr_assert(strstr(a.body, "\"count\":2}"));
    wire_answer_free(&a);
    wire_say(&f.w, GET("/failure"));
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.status, 503);
    cr_assert(strstr(a.head, "\r\nRetry-After: 1\r\n"));
    wire_answer_free(&a);
    end(&f);
}

Test(http_server, an_answer_that_overflows_is_a_500)
{
    struct fixture f;

    begin(&f);
    wire_say(&f.w, GET("/broken"));
    assert_problem(&f.w, 500, "internal");
    cr_assert_eq(wire_ask(&f.w, GET("/hello")), 200);
    cr_assert_eq(f.values->http_responses_5xx_total, 1);
    end(&f);
}

Test(http_server, json_bodies)
{
    struct fixture f;

    begin(&f);
    cr_assert_eq(
        wire_ask(
            &f.w,
            "POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-8\r\n"
            "Content-Length: 7\r\n\r\n{\"a\":1}"),
        204);
    cr_assert_eq(wire_ask(&f.w,
                          "POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          "Content-Length: 7\r\n\r\n{\"a\":1]"),
                 400);
    cr_assert_eq(wire_ask(&f.w, "POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                                "Content-Length: 7\r\n\r\n{\"a\":1}"),
                 415);
    cr_assert_eq(
        wire_ask(&f.w, "POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{\"a\":1}"),
        415);
    end(&f);
}

/* ---- bodies and connections ---- */

Test(http_server, bodies_of_every_kind_at_every_split)
{
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n" GET("/hello");
    struct fixture f;

    begin(&f);
    for (size_t split = 1; split + 1 < sizeof(text); split++) {
        wire_send(&f.w, text, split);
        loop_turn(&f.loop, false);
        loop_turn(&f.loop, false);
        wire_send(&f.w, text + split, sizeof(text) - 1 - split);
        for (int i = 0; i < 3; i++)
            assert_body(&f.w, 200, "hello");
    }
    end(&f);
}

Test(http_server, a_request_byte_by_byte)
{
    static const char text[] = "POST /echo?x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                               "chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    struct fixture f;

    begin(&f);
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        wire_send(&f.w, text + i, 1);
        loop_turn(&f.loop, false);
    }
    assert_body(&f.w, 200, "hello");
    end(&f);
}

Test(http_server, pipelined_requests_are_answered_in_order)
{
    struct fixture f;
    struct buf all;

    begin(&f);
    buf_init(&all, 1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_printf(&all, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n%04d", i);
    wire_send(&f.w, all.at, all.len);
    for (int i = 0; i < 1000; i++) {
        char wanted[32];

        snprintf(wanted, sizeof(wanted), "%04d", i);
        assert_body(&f.w, 200, wanted);
    }
    buf_free(&all);
    end(&f);
}

Test(http_server, one_request_of_a_connection_at_a_time)
{
    struct fixture f;

    begin(&f);
    wire_say(&f.w, GET("/park?1") GET("/park?2") GET("/hello"));
    for (int i = 1; i <= 2; i++) {
        char wanted[32];

        LOOP_UNTIL(&f.loop, f.parked_count == 1, 2000);
        wire_settle(&f.w, 5);
        cr_assert_eq(f.parked_count, 1);
        cr_assert_eq(f.w.got.len, 0);
        answer_parked(&f);
        snprintf(wanted, sizeof(wanted), "/park?%d:", i);
        assert_body(&f.w, 200, wanted);
    }
    assert_body(&f.w, 200, "hello");
    end(&f);
}

Test(http_server, requests_of_many_connections_wait_side_by_side)
{
    struct fixture f;
    struct wire w[4];

    begin(&f);
    for (int i = 0; i < 4; i++) {
        char text[100];

        another(&f, &w[i]);
        snprintf(text, sizeof(text),
                 "POST /park HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d", i);
        wire_say(&w[i], text);
    }
    LOOP_UNTIL(&f.loop, f.parked_count == 4, 2000);
    cr_assert_eq(f.values->http_requests_in_flight, 4);
    answer_parked(&f);
    for (int i = 0; i < 4; i++) {
        char wanted[32];

        snprintf(wanted, sizeof(wanted), "/park?:%d", i);
        assert_body(&w[i], 200, wanted);
        wire_close(&w[i]);
    }
    end(&f);
}

Test(http_server, the_connection_is_closed_when_asked)
{
    struct fixture f;
    struct wire_answer a;

    begin(&f);
    wire_say(&f.w, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" GET("/hello"));
    a = wire_answer(&f.w, false);
    cr_assert(strstr(a.head, "\r\nConnection: close\r\n"));
    wire_answer_free(&a);
    wire_await_eof(&f.w);
    cr_assert_eq(f.w.got.len, 0, "what follows is not answered");
    cr_assert_eq(f.handled, 1);
    end(&f);
}

Test(http_server, http_1_0_is_closed_unless_kept)
{
    struct fixture f;
    struct wire_answer a;

    begin(&f);
    wire_say(&f.w, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    a = wire_answer(&f.w, false);
    cr_assert(strstr(a.head, "\r\nConnection: keep-alive\r\n"));
    wire_answer_free(&a);
    cr_assert_eq(wire_ask(&f.w, "GET /hello HTTP/1.0\r\n\r\n"), 200);
    wire_await_eof(&f.w);
    end(&f);
}

Test(http_server, a_client_that_has_gone_gets_nothing)
{
    struct fixture f;

    begin(&f);
    wire_say(&f.w, GET("/park"));
    LOOP_UNTIL(&f.loop, f.parked_count == 1, 2000);
    wire_close(&f.w);
    LOOP_UNTIL(&f.loop, f.values->http_connections == 0, 2000);
    cr_assert(slice_is(f.parked[0]->path, "/park"), "the request stays readable");
    answer_parked(&f);
    cr_assert_eq(f.gone_when_answered, 1);
    cr_assert_eq(f.values->http_requests_in_flight, 0);
    end(&f);
}

Test(http_server, a_server_let_go_waits_for_its_handlers)
{
    struct fixture f;

    begin(&f);
    wire_say(&f.w, GET("/park"));
    LOOP_UNTIL(&f.loop, f.parked_count == 1, 2000);
    http_server_free(f.server);
    f.server = NULL;
    wire_await_eof(&f.w);
    answer_parked(&f);
    cr_assert_eq(f.gone_when_answered, 1);
    end(&f);
}

static void large_answer(const char *request)
{
    struct fixture f;
    struct wire_answer a;

    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)('a' + i % 23);
    begin(&f);
    wire_say(&f.w, request);
    wire_say(&f.w, GET("/hello"));
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.body_len, sizeof(large));
    cr_assert_eq(memcmp(a.body, large, sizeof(large)), 0);
    wire_answer_free(&a);
    assert_body(&f.w, 200, "hello");
    cr_assert_eq(f.released, strstr(request, "shared") ? 1 : 0);
    end(&f);
}

Test(http_server, a_large_shared_answer)
{
    large_answer(GET("/shared"));
}

Test(http_server, a_large_built_answer)
{
    large_answer(GET("/built"));
}

Test(http_server, a_shared_answer_is_released_when_the_client_has_gone)
{
    struct fixture f;

    begin(&f);
    wire_say(&f.w, GET("/shared"));
    wire_await_bytes(&f.w, 1000);
    wire_close(&f.w);
    LOOP_UNTIL(&f.loop, f.released == 1, 2000);
    end(&f);
}

/* ---- limits ---- */

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

Test(http_server, what_cannot_be_read_is_answered_and_closed)
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

Test(http_server, a_long_line_is_414_and_a_long_head_431)
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

Test(http_server, a_large_body_is_refused_before_it_is_read)
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
Test(http_server, a_refusal_reaches_a_client_that_is_still_sending)
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

Test(http_server, a_route_may_take_more)
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

Test(http_server, expect_100_continue)
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

Test(http_server, too_many_in_flight_are_shed_before_their_body_is_read)
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

Test(http_server, connections_beyond_the_pool_get_a_503)
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

Test(http_server, the_gate_is_asked_before_the_body_is_read)
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

Test(http_server, a_refusal_leaves_the_connection_when_the_body_is_here)
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

Test(http_server, the_gate_hears_of_the_end_of_what_it_let_in)
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

Test(http_server, what_is_never_shed_is_not)
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

Test(http_server, admin_routes_without_a_gate_are_refused)
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

/* ---- deadlines ---- */

static const struct http_server_options hasty = {
    .connections = 8, .requests = 8, .head_ms = 60, .body_ms = 60, .idle_ms = 60, .send_ms = 60};

Test(http_server, a_slow_head_is_408)
{
    struct fixture f;

    begin_with(&f, &hasty);
    wire_say(&f.w, "GET /hello HTTP/1.1\r\nHost:");
    assert_problem(&f.w, 408, "request_timeout");
    wire_await_eof(&f.w);
    cr_assert_eq(f.values->http_timeouts_total, 1);
    end(&f);
}

Test(http_server, a_head_that_trickles_does_not_move_its_deadline)
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

Test(http_server, a_slow_body_is_408)
{
    struct fixture f;

    begin_with(&f, &hasty);
    wire_say(&f.w, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel");
    assert_problem(&f.w, 408, "request_timeout");
    wire_await_eof(&f.w);
    end(&f);
}

Test(http_server, an_idle_connection_is_closed_without_a_word)
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

Test(http_server, a_handler_may_take_longer_than_any_deadline)
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

Test(http_server, a_client_that_does_not_read_is_cut)
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

/* ---- drain ---- */

static void on_drained(void *ctx)
{
    ((struct fixture *)ctx)->drained++;
}

Test(http_server, a_drain_finishes_what_is_in_flight)
{
    struct fixture f;
    struct wire idle;
    struct wire_answer a;

    begin(&f);
    another(&f, &idle);
    cr_assert_eq(wire_ask(&idle, GET("/hello")), 200);
    wire_say(&f.w, GET("/park"));
    LOOP_UNTIL(&f.loop, f.parked_count == 1, 2000);
    http_server_drain(f.server, 2000, on_drained, &f);
    wire_await_eof(&idle);
    wire_close(&idle);
    cr_assert_eq(f.drained, 0);
    answer_parked(&f);
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.status, 200);
    cr_assert(strstr(a.head, "\r\nConnection: close\r\n"));
    wire_answer_free(&a);
    wire_await_eof(&f.w);
    LOOP_UNTIL(&f.loop, f.drained == 1, 2000);
    end(&f);
}

Test(http_server, a_drain_ends_at_its_deadline)
{
    struct fixture f;

    begin(&f);
    wire_say(&f.w, GET("/park"));
    LOOP_UNTIL(&f.loop, f.parked_count == 1, 2000);
    http_server_drain(f.server, 30, on_drained, &f);
    LOOP_UNTIL(&f.loop, f.drained == 1, 2000);
    wire_await_eof(&f.w);
    answer_parked(&f);
    cr_assert_eq(f.gone_when_answered, 1);
    end(&f);
}

Test(http_server, a_taken_address_is_said)
{
    struct fixture f;
    char why[100] = "";

    begin(&f);
    cr_assert_eq(http_server_listen(f.server, "127.0.0.300", 1, why, sizeof(why)), STATUS_INVALID);
    cr_assert_eq(http_server_listen(f.server, "203.0.113.7", 1, why, sizeof(why)),
                 STATUS_UNAVAILABLE);
    cr_assert(strstr(why, "203.0.113.7 port 1: "), "%s", why);
    end(&f);
}
