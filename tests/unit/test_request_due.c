/* One deadline for a whole request: the routes of the booking server on stores that answer when the
 * test says so, on a clock that it moves. */
#include "engine/base/due.h"
#include "engine/base/mem.h"
#include "engine/booking/event_api.h"
#include "engine/booking/hold_api.h"
#include "engine/booking/till.h"
#include "engine/net/http_server.h"
#include "tests/lib/fake_clock.h"
#include "tests/lib/fake_stores.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"
#include "tests/lib/wire.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define REQUEST_MS 9000 /* the server's default */

TestSuite(request_due, .timeout = 30, .fini = assert_no_leaks);

static struct {
    struct fake_clock clock;
    struct loop loop;
    struct router router;
    struct http_server *server;
    struct fake_kv kv;
    struct fake_db db;
    struct engine engine;
    struct till till;
    struct wire w;
    char document[64 * 1024], hold_id[HOLD_ID_SIZE];
} f;

static const struct till_settings settings = {.payment_url = "http://127.0.0.1:1",
                                              .payment_secret = "secret",
                                              .payment_timeout_ms = 1000,
                                              .payment_poll_ms = 1000,
                                              .booking_lease_ms = 12000};

static void open_engine(void)
{
    struct engine *e = &f.engine;

    e->loop = &f.loop;
    e->kv = &f.kv.kv;
    e->db = &f.db.db;
    rng_seed(&e->rng, 1);
    e->seats = seat_store_new(e->loop, e->kv, e->db);
    e->events = event_cache_new(e->loop, e->db, 16);
    e->views = views_new(e->loop, e->seats);
    hold_api_init(e, 16);
    hold_api_routes(&f.router, e);
    event_api_routes(&f.router, e);
    till_open(&f.till, e, &settings, 16);
    till_routes(&f.till, &f.router);
    timer_stop(&f.till.completer.timer); /* neither asks the fakes by itself */
    timer_stop(&f.till.reconciler.timer);
}

static void setup(void)
{
    const struct http_server_options options = {.connections = 16, .requests = 16};
    char why[100];

    memset(&f, 0, sizeof(f));
    fake_clock_init(&f.clock, INT64_C(1795258958000));
    fake_kv_init(&f.kv);
    fake_db_init(&f.db);
    loop_init(&f.loop, &f.clock.clock);
    router_init(&f.router);
    open_engine();
    f.server = http_server_new(&f.loop, &f.router, &options);
    cr_assert_eq(http_server_listen(f.server, "127.0.0.1", 0, why, sizeof(why)), STATUS_OK, "%s",
                 why);
    wire_open(&f.w, &f.loop, http_server_port(f.server));
    hold_id_make(1, f.hold_id);
}

static void teardown(void)
{
    wire_close(&f.w);
    till_stop(&f.till);
    views_stop(f.engine.views);
    seat_store_stop(f.engine.seats);
    kv_close(f.engine.kv);
    db_close(f.engine.db);
    http_server_free(f.server);
    loop_free(&f.loop);
    till_free(&f.till);
    views_free(f.engine.views);
    event_cache_free(f.engine.events);
    seat_store_free(f.engine.seats);
    hold_api_free(&f.engine);
    router_free(&f.router);
}

/* ---- asking ---- */

static void ask(const char *method, const char *path, const char *body)
{
    char text[2048];

    snprintf(text, sizeof(text),
             "%s %s HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             method, path, strlen(body), body);
    wire_say(&f.w, text);
}

static void ask_booking(void)
{
    char body[400];

    snprintf(
        body, sizeof(body),
        "{\"holdId\":\"%s\",\"expectedTotal\":9000,\"customer\":{\"email\":\"fan@example.org\","
        "\"name\":\"Fan\"},\"paymentDetails\":{\"provider\":\"sim\",\"token\":\"tok_visa\"}}",
        f.hold_id);
    ask("POST", "/v1/bookings/1", body);
}

/* The next answer is the refusal that says: try again. */
static void is_refused(void)
{
    struct wire_answer a = wire_answer(&f.w, false);

    cr_assert_eq(a.status, 503, "%d %s", a.status, a.body);
    cr_assert(strstr(a.head, "Retry-After: "));
    cr_assert(strstr(a.body, "\"code\":\"unavailable\""), "%s", a.body);
    wire_answer_free(&a);
}

static void until_db(size_t count)
{
    LOOP_UNTIL(&f.loop, f.db.count == count, 5000);
}

static void until_kv(size_t count)
{
    LOOP_UNTIL(&f.loop, f.kv.count == count, 5000);
}

/* ---- answers ---- */

static const char *document(char ret_hash[LAYOUT_HASH_SIZE])
{
    const struct layout_levels levels = {.ids = {"gold", "silver", "bronze"}, .count = 3};
    struct layout *layout;
    struct buf b;
    char why[100];

    cr_assert_eq(layout_arena(100, &levels, &layout, why, sizeof(why)), STATUS_OK, "%s", why);
    buf_init(&b, sizeof(f.document) - 1);
    layout_write(layout, &levels, 1, &b, ret_hash);
    cr_assert(slice_to_str(buf_slice(&b), f.document, sizeof(f.document)));
    buf_free(&b);
    layout_free(layout);
    return f.document;
}

/* The event's row, with a charge and without a queue. */
static void answer_event(size_t i)
{
    char hash[LAYOUT_HASH_SIZE];
    const char *text = document(hash);
    const char *const row[] = {
        "A show",
        "concert",
        "{}",
        "[]",
        "0",
        "EUR",
        "t",
        "f",
        "t",
        "8",
        "4",
        "120",
        "600",
        "60",
        hash,
        text,
        "[[\"gold\",\"Gold\",9000],[\"silver\",\"S\",5000],[\"bronze\",\"B\",3000]]"};

    cr_assert_str_eq(f.db.calls[i].name, "event_read");
    fake_db_answer(&f.db, i, row, array_len(row));
}

static void answer_hold(size_t i)
{
    char text[200];

    snprintf(text, sizeof(text), "G %lld %s - - 7 4102444800000 4102444800000 1 0:0",
             (long long)f.clock.wall_ms, f.hold_id);
    fake_kv_answer(&f.kv, i, text);
}

/* ---- the value ---- */

Test(due, a_step_has_its_own_limit_or_what_is_left)
{
    const int64_t ms = 1000000, now = 5000 * ms;
    struct due due = due_in(now, 3000);

    cr_assert_eq(due_left_ms(due, now, 1000), 1000);
    cr_assert_eq(due_left_ms(due, now + 2500 * ms, 1000), 500);
    cr_assert_eq(due_left_ms(due, now + 2999 * ms + 1, 1000), 0, "less than a millisecond");
    cr_assert_eq(due_left_ms(due, now + 60000 * ms, 1000), 0);
    cr_assert(!due_over(due, now + 2999 * ms) && due_over(due, now + 3000 * ms));
    cr_assert_eq(due_left_ms((struct due){0}, now, 1000), 1000);
    cr_assert(!due_over((struct due){0}, now));
}

Test(due, what_is_done_for_two_has_until_the_later)
{
    struct due soon = {.at_ns = 10}, late = {.at_ns = 20}, never = {.at_ns = 0};

    cr_assert_eq(due_later(soon, late).at_ns, 20);
    cr_assert_eq(due_later(late, soon).at_ns, 20);
    cr_assert_eq(due_later(soon, never).at_ns, 0);
    cr_assert_eq(due_later(never, soon).at_ns, 0);
}

/* ---- holds and reads ---- */

Test(request_due, a_hold_whose_event_took_all_the_time_never_reaches_redis)
{
    setup();
    ask("POST", "/v1/events/1/holds", "{\"ticketIds\":[\"0\"]}");
    until_db(1);
    fake_clock_advance(&f.clock, REQUEST_MS);
    answer_event(0);
    is_refused();
    cr_assert_eq(f.kv.count, 0);
    teardown();
}

Test(request_due, a_step_gets_what_the_one_before_has_left)
{
    struct wire_answer a;

    setup();
    ask("POST", "/v1/events/1/holds", "{\"ticketIds\":[\"0\"]}");
    until_db(1);
    fake_clock_advance(&f.clock, REQUEST_MS - 300);
    answer_event(0);
    until_kv(1);
    cr_assert_str_eq(f.kv.calls[0].name, "hold_place");
    cr_assert_eq(f.kv.calls[0].deadline_ms, 300);
    answer_hold(0);
    a = wire_answer(&f.w, false);
    cr_assert_eq(a.status, 201);
    wire_answer_free(&a);
    teardown();
}

/* Best available asks again when a rival was faster: once more, and no more when its time is over.
 */
Test(request_due, best_available_does_not_choose_again_without_end)
{
    char all_free[200];

    setup();
    ask("POST", "/v1/events/1/holds", "{\"bestAvailable\":{\"quantity\":2}}");
    until_db(1);
    answer_event(0);
    until_kv(1);
    cr_assert_str_eq(f.kv.calls[0].name, "state_read");
    snprintf(all_free, sizeof(all_free), "G 1795258958000 1099511627777 %0100d", 0);
    fake_kv_answer(&f.kv, 0, all_free);
    until_kv(2);
    cr_assert_str_eq(f.kv.calls[1].name, "hold_place");
    fake_clock_advance(&f.clock, REQUEST_MS);
    fake_kv_answer(&f.kv, 1, "T 1795258958000 0:1");
    is_refused();
    cr_assert_eq(f.kv.count, 2);
    teardown();
}

Test(request_due, availability_is_not_read_when_its_time_is_over)
{
    setup();
    ask("GET", "/v1/events/1/availability", "");
    until_db(1);
    fake_clock_advance(&f.clock, REQUEST_MS);
    answer_event(0);
    is_refused();
    cr_assert_eq(f.kv.count, 0);
    teardown();
}

/* ---- bookings ---- */

Test(request_due, a_booking_whose_key_took_all_the_time_does_not_touch_its_hold)
{
    setup();
    ask_booking();
    until_db(1);
    answer_event(0);
    until_db(2);
    cr_assert_str_eq(f.db.calls[1].name, "booking_find");
    cr_assert_eq(f.db.calls[1].deadline_ms, LEDGER_DEADLINE_MS);
    fake_clock_advance(&f.clock, REQUEST_MS);
    fake_db_answer(&f.db, 1, NULL, 0);
    is_refused();
    cr_assert_eq(f.kv.count, 0);
    teardown();
}

Test(request_due, a_purchase_without_time_left_is_not_begun)
{
    setup();
    ask_booking();
    until_db(1);
    answer_event(0);
    until_db(2);
    fake_clock_advance(&f.clock, REQUEST_MS - 500);
    fake_db_answer(&f.db, 1, NULL, 0);
    until_kv(1);
    cr_assert_eq(f.kv.calls[0].deadline_ms, 500);
    fake_clock_advance(&f.clock, 500);
    answer_hold(0);
    is_refused();
    cr_assert_eq(fake_db_asked(&f.db, "booking_begin"), 0);
    cr_assert_eq(f.till.purchases.metrics.purchases_in_flight, 0);
    teardown();
}

/* ---- commits ---- */

struct buyer {
    struct commit_item item;
    struct purchase_row row;
    int calls;
    enum status status;
};

static void bought(struct commit_item *item, enum status status)
{
    struct buyer *b = container_of(item, struct buyer, item);

    b->calls++;
    b->status = status;
}

static enum status submit(struct buyer *b, uint32_t seat, unsigned ms)
{
    purchase_row_init(&b->row);
    b->row.event_id = 1;
    b->row.seats[b->row.seat_count++] = seat;
    b->row.idem = b->row.booking_id = uuid_v4_secret();
    b->item = (struct commit_item){
        .cb = bought, .row = &b->row, .lane = COMMIT_NEW, .due = due_in(loop_mono_ns(&f.loop), ms)};
    return commit_submit(f.till.commit, &b->item);
}

Test(request_due, a_commit_leaves_out_whose_time_is_over_and_has_as_long_as_its_last)
{
    struct buyer first = {0}, late = {0}, soon = {0}, last = {0};

    setup();
    cr_assert_eq(submit(&first, 0, 9000), STATUS_OK);
    until_db(1);
    cr_assert_eq(f.db.calls[0].deadline_ms, COMMIT_DEADLINE_MS);
    /* while one is on its way the others gather for 2 ms of real time */
    cr_assert_eq(submit(&late, 1, 1000), STATUS_OK);
    cr_assert_eq(submit(&soon, 2, 2000), STATUS_OK);
    cr_assert_eq(submit(&last, 3, 3000), STATUS_OK);
    fake_clock_advance(&f.clock, 1500);
    until_db(2);
    cr_assert(late.calls == 1 && late.status == STATUS_TIMEOUT);
    cr_assert_eq(f.db.calls[1].deadline_ms, 1500);
    cr_assert(soon.calls == 0 && last.calls == 0);
    fake_clock_advance(&f.clock, 1);
    cr_assert_eq(submit(&late, 1, 1), STATUS_OK);
    fake_clock_advance(&f.clock, 1);
    LOOP_UNTIL(&f.loop, late.calls == 2, 5000);
    cr_assert_eq(f.db.count, 2, "a batch of nobody is not sent");
    teardown();
    cr_assert(first.calls == 1 && soon.calls == 1 && last.calls == 1);
}
