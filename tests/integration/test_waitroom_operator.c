/* What an operator does to a waiting room. */
#include "engine/base/mem.h"
#include "tests/integration/waitroom_rig.h"

#include <criterion/criterion.h>
#include <signal.h>

TestSuite(waitroom_operator, .timeout = 120);

Test(waitroom_operator, admin_needs_the_token, .init = open_house, .fini = close_house)
{
    const char *const wrong[] = {"Authorization: Bearer nope", NULL};

    call(&a, room->ops_port, "PUT", "/admin/v1/queues/1", wrong, "{}");
    expect_problem(401, "unauthorized");
    call(&a, room->ops_port, "POST", "/admin/v1/queues/1/open", NULL, NULL);
    expect_problem(401, "unauthorized");
    call(&a, room->port, "PUT", "/admin/v1/queues/1", NULL, "{}");
    cr_assert(a.status == 404 || a.status == 405, "not on the public listener");
    cr_assert_str_eq(server_sql(postgres, "SELECT count(*) FROM queue"), "0");
}

Test(waitroom_operator, settings_are_kept_unless_given, .init = open_house, .fini = close_house)
{
    open_queue("{\"ratePerMinute\":1200,\"maxActive\":7,\"claimSeconds\":30," OPEN "}");
    open_queue("{\"maxActive\":8}");
    cr_assert_eq(answer_int(&a, "ratePerMinute"), 1200);
    cr_assert_eq(answer_int(&a, "maxActive"), 8);
    cr_assert_eq(answer_int(&a, "claimSeconds"), 30);
    cr_assert(is("opensAt", "2020-01-01T00:00:00.000Z") && is("phase", "open") &&
              is("proof", "off"));
    open_queue("{\"opensAt\":null,\"proof\":\"off\",\"beacon\":null}");
    cr_assert(is("phase", "idle"));
}

Test(waitroom_operator, bad_settings_are_refused_and_leave_no_trace, .init = open_house,
     .fini = close_house)
{
    static const char *const invalid[] = {
        "{\"ratePerMinute\":-1}",
        "{\"ratePerMinute\":10000001}",
        "{\"ratePerMinute\":\"60\"}",
        "{\"maxActive\":1.5}",
        "{\"claimSeconds\":0}",
        "{\"opensAt\":\"tomorrow\"}",
        "{\"opensAt\":5}",
        "{\"proof\":\"on\"}",
        "{\"proof\":\"auto\"}",
        "{\"beacon\":\"drand\"}",
        "{\"surprise\":1}",
        "{\"opensAt\":\"2030-01-01T00:00:00Z\",\"closesAt\":\"2029-01-01T00:00:00Z\"}",
        "{\"prequeueAt\":\"2031-01-01T00:00:00Z\",\"opensAt\":\"2030-01-01T00:00:00Z\"}"};

    for (size_t i = 0; i < array_len(invalid); i++) {
        admin("PUT", "1", invalid[i]);
        cr_assert_eq(a.status, 422, "%s: %d %s", invalid[i], a.status, a.body);
        expect_problem(422, "invalid");
    }
    admin("PUT", "1", "{");
    expect_problem(400, "bad_request");
    admin("PUT", "1", "{\"maxActive\":1,\"maxActive\":2}");
    expect_problem(400, "bad_request");
    admin("PUT", "4711", "{}");
    expect_problem(404, "not_found");
    admin("PUT", "x", "{}");
    expect_problem(404, "not_found");
    admin("POST", "2/pause", NULL);
    expect_problem(404, "not_found");
    cr_assert_str_eq(server_sql(postgres, "SELECT count(*) FROM queue"), "0");
    cr_assert_str_eq(server_redis(redis, "DBSIZE"), "0");
}

Test(waitroom_operator, pause_stops_and_resume_goes_on, .init = open_house, .fini = close_house)
{
    struct person p;

    open_queue("{\"ratePerMinute\":60000," OPEN "}");
    cr_assert_eq(admin("POST", "1/pause", NULL), 200);
    cr_assert(is("phase", "paused"));
    p = join();
    cr_assert(is("phase", "paused"));
    for (int i = 0; i < 20; i++) {
        poll(NULL, 0, 10);
        cr_assert_eq(pass(p.ticket), 202);
    }
    cr_assert_eq(admin("POST", "1/resume", NULL), 200);
    UNTIL(pass(p.ticket) == 201);
}

Test(waitroom_operator, closed_is_closed, .init = open_house, .fini = close_house)
{
    struct person inside, called, waiting;
    struct uuid id = uuid_v4_secret();
    char join_id[UUID_TEXT_SIZE];

    open_queue("{\"ratePerMinute\":60000,\"maxActive\":2," OPEN "}");
    inside = join();
    UNTIL(pass(inside.ticket) != 202);
    cr_assert_eq(a.status, 201);
    called = join();
    UNTIL(me(called.ticket) == 200 && is("state", "called"));
    waiting = join();
    cr_assert_eq(admin("POST", "1/close", NULL), 200);
    UNTIL(status_doc() == 200 && is("phase", "closed"));
    uuid_format(&id, join_id);
    join_with(room, join_id);
    expect_problem(403, "queue_closed");
    pass(called.ticket);
    expect_problem(403, "queue_closed");
    pass(waiting.ticket);
    expect_problem(403, "queue_closed");
    cr_assert_eq(pass(inside.ticket), 200, "who is inside keeps the pass");
    admin("POST", "1/pause", NULL);
    expect_problem(409, "conflict");
    cr_assert_eq(admin("POST", "1/open", NULL), 200);
    UNTIL(pass(called.ticket) == 201);
}

Test(waitroom_operator, reset_ends_every_ticket, .init = open_house, .fini = close_house)
{
    struct person p;

    open_queue("{\"ratePerMinute\":0," OPEN "}");
    p = join();
    cr_assert_eq(admin("POST", "1/reset", NULL), 200);
    UNTIL(me(p.ticket) != 200);
    expect_problem(410, "ticket_expired");
    pass(p.ticket);
    expect_problem(410, "ticket_expired");
    UNTIL(join_with(room, p.join_id) == 201);
    cr_assert_str_neq(answer_str(&a, "ticket"), p.ticket);
    cr_assert_eq(answer_int(&a, "position"), 0);
    UNTIL(status_doc() == 200 && answer_int(&a, "waiting") == 1);
    cr_assert_eq(answer_int(&a, "issued"), 1);
}

Test(waitroom_operator, reload_keeps_the_old_on_error, .init = open_house, .fini = close_house)
{
    char path[200];
    struct person p;

    open_queue("{\"ratePerMinute\":0," OPEN "}");
    p = join();
    temp_file(&dir, "keys", "nonsense\n", 9, path, sizeof(path));
    kill(room->pid, SIGHUP);
    daemon_run_await_log(room, "nothing changed", 5000);
    cr_assert_eq(me(p.ticket), 200);
    temp_file(&dir, "keys",
              "5 ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n" KEY_LINE,
              67 + strlen(KEY_LINE), path, sizeof(path));
    kill(room->pid, SIGHUP);
    daemon_run_await_log(room, "event=reloaded", 5000);
    cr_assert_eq(me(p.ticket), 200, "the old key still opens");
    join();
    cr_assert_str_neq(answer_str(&a, "ticket"), p.ticket);
}
