/* The life of a connection: bodies in pieces, requests in a row and side by side, large answers,
 * clients that go, servers that end. */
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"
#include "tests/unit/http_server_rig.h"

#include <criterion/criterion.h>

TestSuite(http_connections, .fini = assert_no_leaks);

/* ---- requests ---- */

Test(http_connections, bodies_of_every_kind_at_every_split)
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

Test(http_connections, a_request_byte_by_byte)
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

Test(http_connections, pipelined_requests_are_answered_in_order)
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

Test(http_connections, one_request_of_a_connection_at_a_time)
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

Test(http_connections, requests_of_many_connections_wait_side_by_side)
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

Test(http_connections, the_connection_is_closed_when_asked)
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

Test(http_connections, http_1_0_is_closed_unless_kept)
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

/* ---- large answers ---- */

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

Test(http_connections, a_large_shared_answer)
{
    large_answer(GET("/shared"));
}

Test(http_connections, a_large_built_answer)
{
    large_answer(GET("/built"));
}

/* ---- clients that go, servers that end ---- */

Test(http_connections, a_client_that_has_gone_gets_nothing)
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

Test(http_connections, a_shared_answer_is_released_when_the_client_has_gone)
{
    struct fixture f;

    begin(&f);
    wire_say(&f.w, GET("/shared"));
    wire_await_bytes(&f.w, 1000);
    wire_close(&f.w);
    LOOP_UNTIL(&f.loop, f.released == 1, 2000);
    end(&f);
}

Test(http_connections, a_server_let_go_waits_for_its_handlers)
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

static void on_drained(void *ctx)
{
    ((struct fixture *)ctx)->drained++;
}

Test(http_connections, a_drain_finishes_what_is_in_flight)
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

Test(http_connections, a_drain_ends_at_its_deadline)
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
