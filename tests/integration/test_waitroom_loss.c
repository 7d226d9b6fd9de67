/* The waiting room when Redis, PostgreSQL or a worker dies: nobody loses a place. */
#include "engine/base/mem.h"
#include "tests/integration/waitroom_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(waitroom_loss, .timeout = 120);

static uint64_t number_of(const char *ticket)
{
    struct place place;

    cr_assert_eq(place_open(&keys, slice_str(ticket), 1, 0, &place), STATUS_OK);
    return place.number;
}

Test(waitroom_loss, redis_emptied_keeps_the_order, .init = open_house, .fini = close_house)
{
    struct person inside, first, second, late;

    open_queue("{\"ratePerMinute\":60000,\"maxActive\":1," OPEN "}");
    inside = join();
    UNTIL(pass(inside.ticket) == 201);
    first = join();
    second = join();
    server_kill9(redis);
    cr_assert_eq(me(first.ticket), 200, "a poll is answered while the store is dead");
    cr_assert(is("state", "waiting"));
    cr_assert_eq(pass(first.ticket), 202);
    join_with(room, "0190b5c0-0000-7000-8000-000000000000");
    expect_problem(503, "unavailable");
    server_restart(redis);
    UNTIL(status_doc() == 200 && answer_int(&a, "epoch") == 2);
    cr_assert_eq(answer_int(&a, "serving"), 1);
    late = join();
    cr_assert_gt(number_of(late.ticket), number_of(second.ticket), "newcomers start above");
    cr_assert_eq(me(first.ticket), 200);
    cr_assert_eq(answer_int(&a, "position"), 0);
    cr_assert_eq(me(second.ticket), 200);
    cr_assert_eq(answer_int(&a, "position"), 1);
    cr_assert_eq(pass(second.ticket), 202);
    cr_assert_eq(admin("PUT", "1", "{\"maxActive\":100}"), 200);
    UNTIL(pass(first.ticket) == 201);
    UNTIL(pass(second.ticket) == 201);
    cr_assert_str_eq(server_sql(postgres, "SELECT epoch FROM queue WHERE event_id = 1"), "2");
}

Test(waitroom_loss, who_has_bought_does_not_come_twice_after_a_loss, .init = open_house,
     .fini = close_house)
{
    struct person bought, looked;
    char command[600], jti[40];

    open_queue("{\"ratePerMinute\":60000,\"maxActive\":10," OPEN "}");
    bought = join();
    UNTIL(pass(bought.ticket) == 201);
    snprintf(jti, sizeof(jti), "%s", server_redis(redis, "ZRANGE {e1}:q:active 0 0"));
    looked = join();
    UNTIL(pass(looked.ticket) == 201);
    snprintf(command, sizeof(command),
             "INSERT INTO booking (event_id, booking_id, state, step, session, idem, fingerprint, "
             "hold_id, fence, hold_expires, seats, versions, email, name, "
             "total, currency) VALUES (1, gen_random_uuid(), 'confirmed', 'done', '%s', "
             "gen_random_uuid(), gen_random_uuid(), 'h', 1, now(), '{1}', '{0}', 'a@b', 'n', "
             "1, 'EUR')",
             jti);
    server_sql(postgres, command);
    server_redis(redis, "FLUSHALL");
    UNTIL(status_doc() == 200 && answer_int(&a, "epoch") == 2);
    UNTIL(pass(bought.ticket) != 503);
    expect_problem(410, "turn_missed");
    cr_assert_eq(pass(looked.ticket), 201, "the pass given again is the same session");
    cr_assert_str_eq(server_redis(redis, "ZCARD {e1}:q:active"), "1");
}

Test(waitroom_loss, without_postgresql_people_wait, .init = open_house, .fini = close_house)
{
    struct person people[5];

    open_queue("{\"ratePerMinute\":60000,\"maxActive\":1," OPEN "}");
    for (size_t i = 0; i < array_len(people); i++)
        people[i] = join();
    UNTIL(pass(people[0].ticket) == 201);
    server_kill9(postgres);
    server_redis(redis, "DEL {e1}:q:active");
    for (int i = 0; i < 30; i++) {
        poll(NULL, 0, 20);
        cr_assert_eq(pass(people[1].ticket), 202, "the watermark is not written: wait");
    }
    server_restart(postgres);
    UNTIL(pass(people[1].ticket) == 201);
}

Test(waitroom_loss, killed_worker_leaves_nothing_behind, .init = open_house, .fini = close_house)
{
    struct person p, q;

    open_queue("{\"ratePerMinute\":60000," OPEN "}");
    p = join();
    UNTIL(pass(p.ticket) == 201);
    daemon_run_kill9(room);
    start_worker(room, "room2");
    cr_assert_eq(pass(p.ticket), 200, "the same pass from another process");
    q = join();
    cr_assert_eq(number_of(q.ticket), number_of(p.ticket) + 1);
    UNTIL(pass(q.ticket) == 201);
    cr_assert_eq(join_with(room, p.join_id), 200);
}
