#include "tests/lib/sale.h"

#include "engine/store/migrate.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

void sale_prepare(const struct server *postgres, int seats, bool charge, bool queue)
{
    struct buf report;
    char sql[1000];

    buf_init(&report, 65536);
    cr_assert_eq(migrate_run(postgres->address, HOLDFAST_SOURCE_ROOT "/sql", &report), STATUS_OK,
                 "%.*s", (int)report.len, report.at);
    buf_free(&report);
    snprintf(
        sql, sizeof(sql),
        "INSERT INTO event (event_id, name, venue, starts_at, currency, has_queue, charge, "
        "seat_count) "
        "VALUES (%d, 'Test', '{\"name\":\"Hall\",\"city\":\"Here\"}', now(), 'EUR', %s, %s, %d);"
        "INSERT INTO event_seat (event_id, seat, price, label) SELECT %d, n, %d, 'A-1-' || n + 1 "
        "FROM generate_series(0, %d) n",
        SALE_EVENT, queue ? "true" : "false", charge ? "true" : "false", seats, SALE_EVENT,
        SALE_PRICE, seats - 1);
    server_sql(postgres, sql);
}

void sale_row(struct purchase_row *row, uint32_t first, size_t count)
{
    purchase_row_init(row);
    row->event_id = SALE_EVENT;
    row->booking_id = uuid_v4_secret();
    row->idem = uuid_v4_secret();
    row->fingerprint = uuid_v4_secret();
    hold_id_make(SALE_EVENT, row->hold_id);
    row->fence = 100;
    row->expires_ms = SALE_FAR_MS;
    row->seat_count = count;
    for (size_t i = 0; i < count; i++)
        row->seats[i] = first + (uint32_t)i;
    snprintf(row->email, sizeof(row->email), "fan@example.org");
    snprintf(row->name, sizeof(row->name), "A \"Fan\" {1,2}, \\o/");
    row->total = SALE_PRICE * (int64_t)count;
    memcpy(row->currency, "EUR", 4);
    snprintf(row->provider, sizeof(row->provider), "sim");
    snprintf(row->token, sizeof(row->token), "tok_visa");
}

long sale_count(const struct server *postgres, const char *sql)
{
    return strtol(server_sql(postgres, sql), NULL, 10);
}

void sale_audit(const struct server *postgres)
{
    cr_assert_eq(sale_count(postgres, "SELECT count(*) FROM event_seat s FULL JOIN (SELECT * FROM "
                                      "ticket WHERE live) t USING (event_id, seat) "
                                      "WHERE (s.status = 2 OR t.seat IS NOT NULL) AND (s.status <> "
                                      "2 OR s.booking_id IS DISTINCT FROM t.booking_id)"),
                 0, "sold seats and live tickets are the same");
    cr_assert_eq(
        sale_count(postgres,
                   "SELECT count(*) FROM booking b WHERE (b.state = 'confirmed') <> EXISTS "
                   "(SELECT FROM ticket t WHERE t.event_id = b.event_id AND t.booking_id = "
                   "b.booking_id AND t.live)"),
        0, "a confirmed booking has tickets, others have none");
}
