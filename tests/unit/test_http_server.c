/* What a handler of the server is told, and what the client gets from it. */
#include "tests/lib/leaks.h"
#include "tests/unit/http_server_rig.h"

#include <criterion/criterion.h>

TestSuite(http_server, .fini = assert_no_leaks);

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
