/* What no client of the waiting room gets away with. */
#include "engine/base/mem.h"
#include "tests/integration/waitroom_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(waitroom_refusals, .timeout = 120);

Test(waitroom_refusals, bad_joins, .init = open_house, .fini = close_house)
{
    static const char *const invalid[] = {
        "{}",
        "{\"joinId\":1}",
        "{\"joinId\":\"x\"}",
        "{\"joinId\":null}",
        "{\"joinId\":\"0190b5c0-0000-7000-8000-00000000000\"}",
        "{\"joinId\":\"0190b5c0-0000-7000-8000-0000000000000\"}",
        "{\"joinId\":\"0190b5c0-0000-7000-8000-000000000000\",\"more\":1}"};
    static const char *const malformed[] = {
        "", "{", "[]", "{\"joinId\":\"0190b5c0-0000-7000-8000-000000000000\"}x", "\xff"};
    static const char *const text[] = {"Content-Type: text/plain", NULL};
    static char large[4096];

    open_queue("{" OPEN "}");
    for (size_t i = 0; i < array_len(invalid); i++) {
        call(&a, room->port, "POST", "/v1/queues/1/tickets", NULL, invalid[i]);
        expect_problem(422, "invalid");
    }
    for (size_t i = 0; i < array_len(malformed); i++) {
        call(&a, room->port, "POST", "/v1/queues/1/tickets", NULL, malformed[i]);
        expect_problem(400, "bad_request");
    }
    call(&a, room->port, "POST", "/v1/queues/1/tickets", text, "{}");
    expect_problem(415, "unsupported_media_type");
    memset(large, ' ', sizeof(large) - 1);
    call(&a, room->port, "POST", "/v1/queues/1/tickets", NULL, large);
    expect_problem(413, "body_too_large");
    call(&a, room->port, "POST", "/v1/queues/3/tickets", NULL,
         "{\"joinId\":\"0190b5c0-0000-7000-8000-000000000000\"}");
    expect_problem(404, "not_found");
    UNTIL(status_doc() == 200);
    cr_assert_eq(answer_int(&a, "issued"), 0, "nothing got a number");
}

Test(waitroom_refusals, paths_that_are_no_queue, .init = open_house, .fini = close_house)
{
    static const char *const paths[] = {"/v1/queues/2",
                                        "/v1/queues/0",
                                        "/v1/queues/-1",
                                        "/v1/queues/1x",
                                        "/v1/queues/99999999999999999999",
                                        "/v1/queues/18446744073709551615",
                                        "/v1/queues/%31",
                                        "/v1/queues",
                                        "/v1/queues/1/nothing"};

    open_queue("{" OPEN "}");
    for (size_t i = 0; i < array_len(paths); i++) {
        call(&a, room->port, "GET", paths[i], NULL, NULL);
        cr_assert_eq(a.status, 404, "%s: %d", paths[i], a.status);
    }
    call(&a, room->port, "DELETE", "/v1/queues/1", NULL, NULL);
    expect_problem(405, "method_not_allowed");
    call(&a, room->port, "GET", "/v1/queues/1/stream", NULL, NULL);
    expect_problem(426, "upgrade_required");
}

static void seal(uint64_t event_id, uint64_t number, int64_t issued_s, int64_t expires_s,
                 char *ret_text)
{
    struct place place = {.event_id = event_id,
                          .number = number,
                          .epoch = 1,
                          .issued_s = (uint32_t)issued_s,
                          .expires_s = (uint32_t)expires_s};

    place_seal(&keys, &place, ret_text);
}

Test(waitroom_refusals, bad_tickets, .init = open_house, .fini = close_house)
{
    int64_t now_s = clock_wall_ms(&clock_system) / 1000;
    char ticket[TOKEN_TEXT_MAX + 1];
    struct person p;

    open_queue("{\"ratePerMinute\":60000," OPEN "}");
    p = join();
    UNTIL(me(p.ticket) == 200 && is("state", "called"));
    call(&a, room->port, "POST", "/v1/queues/1/passes", NULL, NULL);
    expect_problem(401, "ticket_invalid");
    snprintf(ticket, sizeof(ticket), "%s", p.ticket);
    ticket[20] = ticket[20] == 'A' ? 'B' : 'A';
    pass(ticket);
    expect_problem(401, "ticket_invalid");
    snprintf(ticket, sizeof(ticket), "%.30s", p.ticket);
    pass(ticket);
    expect_problem(401, "ticket_invalid");
    pass("");
    expect_problem(401, "ticket_invalid");
    seal(2, 0, now_s, now_s + 100, ticket);
    pass(ticket);
    expect_problem(401, "ticket_invalid");
    seal(1, 0, now_s - 100, now_s - 1, ticket);
    pass(ticket);
    expect_problem(410, "ticket_expired");
    me(ticket);
    expect_problem(410, "ticket_expired");
    cr_assert_str_eq(server_redis(redis, "ZCARD {e1}:q:active"), "0",
                     "none of them took the place");
    seal(1, 0, now_s, now_s + 100, ticket);
    cr_assert_eq(pass(ticket), 201, "the same made right");
}

Test(waitroom_refusals, made_up_queues_are_bounded, .init = open_house, .fini = close_house)
{
    char path[60];

    open_queue("{\"ratePerMinute\":0," OPEN "}");
    join();
    for (int i = 100; i < 200; i++) {
        snprintf(path, sizeof(path), "/v1/queues/%d", i);
        call(&a, room->port, "GET", path, NULL, NULL);
        expect_problem(404, "not_found");
    }
    UNTIL(status_doc() == 200 && answer_int(&a, "waiting") == 1);
    call(&a, room->ops_port, "GET", "/metrics", NULL, NULL);
    cr_assert(strstr(a.body, "\nholdfast_queues_known 4\n"), "%s",
              strstr(a.body, "\nholdfast_queues_known"));
}
