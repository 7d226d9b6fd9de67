/* Events against a real PostgreSQL: written by the box office, read by a stampede. */
#include "engine/booking/event.h"
#include "engine/booking/event_store.h"
#include "engine/store/db_pq.h"
#include "tests/lib/leaks.h"
#include "tests/lib/sale.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(event_store, .timeout = 120, .fini = assert_no_leaks);

#define FORM                                                                                       \
    "{\"name\":\"A \\\"night\\\", {1}\",\"venue\":{\"name\":\"Hall\",\"city\":\"Here\"},"          \
    "\"startsAt\":\"2027-01-01T20:00:00.5Z\",\"currency\":\"EUR\",\"queue\":false,"                \
    "\"priceLevels\":[{\"id\":\"gold\",\"name\":\"G\",\"amount\":9000},{\"id\":\"silver\","        \
    "\"name\":\"S\",\"amount\":6000},{\"id\":\"bronze\",\"name\":\"B\",\"amount\":3000}],"         \
    "\"arena\":{\"seats\":120}}"

static struct loop loop;
static struct server *postgres;
static struct db *db;
static struct event_cache *cache;

static void setup(void)
{
    postgres = servers_postgres_start();
    sale_prepare(postgres, 1, false, false);
    server_sql(postgres, "ALTER TABLE event ALTER COLUMN event_id RESTART WITH 7");
    loop_init(&loop, &clock_system);
    db = db_pq_new(&loop, &(struct db_pq_options){.conninfo = postgres->address,
                                                  .connections = 4,
                                                  .application = "test"});
    cache = event_cache_new(&loop, db, 16);
    LOOP_UNTIL(&loop, db_ready(db, NULL), 10000);
}

static void teardown(void)
{
    db_close(db);
    loop_free(&loop);
    event_cache_free(cache);
    server_stop(postgres);
}

static uint64_t statements(void)
{
    return ((struct db_pq_metrics *)db_pq_metrics(db)->base)->db_statements_total;
}

/* ---- writing ---- */

struct writing {
    struct event_write write;
    int calls;
    enum status status;
};

static void written(struct event_write *write, enum status status)
{
    struct writing *w = container_of(write, struct writing, write);

    w->calls++;
    w->status = status;
}

static uint64_t create(void)
{
    char why[300];
    json_t *body = json_parse_object(slice_str(FORM), why, sizeof(why));
    struct event_form form;
    struct writing w = {.write = {.cb = written, .form = &form}};

    cr_assert_not_null(body, "%s", why);
    cr_assert_eq(event_form_read(body, &form, why, sizeof(why)), STATUS_OK, "%s", why);
    cr_assert_eq(event_create(db, &w.write), STATUS_OK);
    LOOP_UNTIL(&loop, w.calls == 1, 10000);
    cr_assert_eq(w.status, STATUS_OK, "%s", w.write.request.error.message);
    event_form_free(&form);
    json_decref(body);
    return w.write.event_id;
}

static enum status replace(uint64_t event, uint32_t seats)
{
    const struct layout_levels levels = {.ids = {"gold", "silver", "bronze"}, .count = 3};
    struct writing w = {.write = {.cb = written, .event_id = event}};
    struct layout *layout;
    char why[200];

    cr_assert_eq(layout_arena(seats, &levels, &layout, why, sizeof(why)), STATUS_OK);
    cr_assert_eq(event_replace_layout(db, &w.write, layout, &levels), STATUS_OK);
    LOOP_UNTIL(&loop, w.calls == 1, 10000);
    layout_free(layout);
    return w.status;
}

/* ---- reading ---- */

#define READERS 10000

static struct reader {
    struct event_wait wait;
    enum status status;
    struct event *event; /* counted */
} readers[READERS];
static int answers;

static void got(struct event_wait *wait, enum status status, struct event *event)
{
    struct reader *r = container_of(wait, struct reader, wait);

    answers++;
    r->status = status;
    r->event = status == STATUS_OK ? event_ref(event) : NULL;
}

static struct event *read_one(uint64_t id)
{
    answers = 0;
    readers[0] = (struct reader){.wait = {.cb = got}};
    cr_assert_eq(event_get(cache, id, &readers[0].wait), STATUS_OK);
    cr_assert_eq(answers, 0, "a callback never comes inside the submit");
    LOOP_UNTIL(&loop, answers == 1, 5000);
    return readers[0].event;
}

Test(event_store, an_event_reads_back_as_it_was_written)
{
    struct event *e;
    uint64_t id;

    setup();
    id = create();
    cr_assert_eq(id, 7);
    e = read_one(id);
    cr_assert_str_eq(e->name, "A \"night\", {1}");
    cr_assert_eq(e->starts_ms % 1000, 500);
    cr_assert_eq(e->sheet->layout->seat_count, 120);
    cr_assert_eq(event_price(e, 0), 9000);
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM event_seat WHERE event_id = 7"), 120);
    for (uint32_t n = 0; n < 120; n += 17) {
        char sql[100];

        snprintf(sql, sizeof(sql), "SELECT price FROM event_seat WHERE event_id = 7 AND seat = %u",
                 n);
        cr_assert_eq(sale_count(postgres, sql), event_price(e, n), "what is shown is what is sold");
    }
    event_unref(e);
    teardown();
}

Test(event_store, ten_thousand_readers_of_a_cold_cache_are_one_query)
{
    uint64_t id, before;

    setup();
    id = create();
    before = statements();
    answers = 0;
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.wait = {.cb = got}};
        cr_assert_null(event_peek(cache, id));
        cr_assert_eq(event_get(cache, id, &readers[i].wait), STATUS_OK);
    }
    LOOP_UNTIL(&loop, answers == READERS, 10000);
    cr_assert_eq(statements() - before, 1);
    cr_assert_eq(event_peek(cache, id), readers[READERS - 1].event);
    for (int i = 0; i < READERS; i++)
        event_unref(readers[i].event);
    cr_assert_eq(statements() - before, 1);
    teardown();
}

Test(event_store, an_event_that_does_not_exist_is_asked_for_once)
{
    struct event_wait wait = {.cb = got};
    uint64_t before;

    setup();
    cr_assert_null(read_one(99));
    cr_assert_eq(readers[0].status, STATUS_NOT_FOUND);
    before = statements();
    cr_assert_eq(event_get(cache, 99, &wait), STATUS_NOT_FOUND);
    cr_assert_eq(event_get(cache, UINT64_MAX, &wait), STATUS_NOT_FOUND);
    cr_assert_eq(statements(), before);
    teardown();
}

Test(event_store, a_layout_is_replaced_until_something_is_sold)
{
    struct event *e, *old;
    uint64_t id;

    setup();
    id = create();
    old = read_one(id);
    cr_assert_eq(replace(id, 50), STATUS_OK);
    event_forget(cache, id);
    e = read_one(id);
    cr_assert_eq(e->sheet->layout->seat_count, 50);
    cr_assert_str_neq(e->sheet->hash, old->sheet->hash);
    cr_assert_eq(old->sheet->layout->seat_count, 120, "who still has the old one keeps it");
    cr_assert_eq(sale_count(postgres, "SELECT min(version) FROM event_seat WHERE event_id = 7"), 1,
                 "no hold of an old seat buys a new one");
    server_sql(postgres, "UPDATE event_seat SET status = 2, booking_id = gen_random_uuid() WHERE "
                         "event_id = 7 AND seat = 3");
    cr_assert_eq(replace(id, 60), STATUS_CONFLICT);
    cr_assert_eq(replace(98, 60), STATUS_NOT_FOUND);
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM event_seat WHERE event_id = 7"), 50);
    event_unref(e);
    event_unref(old);
    teardown();
}

/* The function behind seats/block and /unblock. */
Test(event_store, blocking_is_all_or_nothing_and_leaves_a_row_for_the_relay)
{
    setup();
    create();
    cr_assert_eq(
        sale_count(postgres, "SELECT count(version) FROM event_block_seats(7, '{1,2}', true)"), 2);
    cr_assert_eq(
        sale_count(postgres, "SELECT count(version) FROM event_block_seats(7, '{1,2}', true)"), 0,
        "again changes nothing");
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM outbox WHERE type = 'seat.blocked' AND "
                                      "topic = '' AND seats = '{1,2}' AND versions = '{1,1}'"),
                 1);
    server_sql(postgres, "UPDATE event_seat SET status = 2, booking_id = gen_random_uuid() WHERE "
                         "event_id = 7 AND seat = 3");
    cr_assert_eq(
        sale_count(postgres, "SELECT count(version) FROM event_block_seats(7, '{3,4}', true)"), 0);
    cr_assert_eq(
        sale_count(postgres, "SELECT count(*) FROM event_seat WHERE event_id = 7 AND status = 3"),
        2);
    cr_assert_eq(
        sale_count(postgres, "SELECT count(version) FROM event_block_seats(7, '{2,5}', false)"), 1);
    cr_assert_eq(
        sale_count(postgres, "SELECT count(*) FROM event_seat WHERE event_id = 7 AND status = 3"),
        1);
    teardown();
}
