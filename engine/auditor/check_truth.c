/* Checks that are one SQL statement each: a statement returns the offending rows, one line of text
 * a row. A new check is a new line in the table. $1 is the event, 0 for all. */
#include "engine/auditor/check.h"

#include <stdio.h>

struct check {
    enum promise promise;
    struct db_statement statement;
};

#define CHECK(promise, name, text)                                                                 \
    {                                                                                              \
        promise,                                                                                   \
        {                                                                                          \
            name, text, 1, true                                                                    \
        }                                                                                          \
    }
#define SCOPE(column) "($1::bigint = 0 OR " column " = $1::bigint)"

static const struct check checks[] = {
    CHECK(I1, "audit_double",
          "SELECT 'event ' || event_id || ' seat ' || seat || ': ' || count(*) || ' live tickets "
          "of bookings ' ||"
          " string_agg(booking_id::text, ', ') FROM ticket WHERE live AND " SCOPE(
              "event_id") " GROUP BY event_id, seat HAVING count(*) > 1"),
    CHECK(I1, "audit_sold_without_ticket",
          "SELECT 'event ' || s.event_id || ' seat ' || s.seat || ': sold to booking ' || "
          "s.booking_id || ' without a live ticket of it'"
          " FROM event_seat s WHERE s.status = 2 AND " SCOPE(
              "s.event_id") " AND NOT EXISTS (SELECT FROM ticket t WHERE t.event_id = s.event_id "
                            "AND t.seat = s.seat AND t.live"
                            " AND t.booking_id = s.booking_id)"),
    CHECK(I1, "audit_ticket_without_seat",
          "SELECT 'event ' || t.event_id || ' seat ' || t.seat || ': live ticket of booking ' || "
          "t.booking_id || ' for a seat that is not sold to it'"
          " FROM ticket t WHERE t.live AND " SCOPE(
              "t.event_id") " AND NOT EXISTS (SELECT FROM event_seat s WHERE s.event_id = "
                            "t.event_id AND s.seat = t.seat AND s.status = 2"
                            " AND s.booking_id = t.booking_id)"),
    CHECK(I3, "audit_ticket_without_request",
          "SELECT 'event ' || t.event_id || ' booking ' || t.booking_id || ' seat ' || t.seat || "
          "': live ticket, but the booking is ' ||"
          " coalesce(b.state, 'missing') FROM ticket t LEFT JOIN booking b ON b.event_id = "
          "t.event_id AND b.booking_id = t.booking_id"
          " WHERE t.live AND " SCOPE("t.event_id") " AND (b.state IS DISTINCT FROM 'confirmed' OR "
                                                   "NOT t.seat = ANY (b.seats))"),
    CHECK(I3, "audit_booking_without_ticket",
          "SELECT 'event ' || b.event_id || ' booking ' || b.booking_id || ': confirmed without a "
          "ticket for seat ' || n"
          " FROM booking b CROSS JOIN unnest(b.seats) n WHERE b.state IN ('confirmed', "
          "'cancelled', 'refunded') AND " SCOPE(
              "b.event_id") " AND NOT EXISTS (SELECT FROM ticket t WHERE t.event_id = b.event_id "
                            "AND t.booking_id = b.booking_id AND t.seat = n)"),
    CHECK(I3, "audit_booking_without_hold",
          "SELECT 'event ' || event_id || ' booking ' || booking_id || ': no hold was behind it' "
          "FROM booking"
          " WHERE " SCOPE("event_id") " AND (hold_id = '' OR fence <= 0 OR (state = 'confirmed' "
                                      "AND confirmed_at IS NULL))"),
    /* What was given back by amount (a refund without seats) was no ticket's price; tickets that
     * come back after it return less when no more is left. Both are `extra`. */
    CHECK(
        I5, "audit_money",
        "SELECT 'event ' || b.event_id || ' booking ' || b.booking_id || ' (' || b.state || '): "
        "captured ' || coalesce(p.captured, 0) || ' - refunded ' || coalesce(p.refunded, 0) || ' "
        "but sold for ' || t.live - x.extra"
        " FROM booking b JOIN event e ON e.event_id = b.event_id AND e.charge"
        " LEFT JOIN payment p ON p.event_id = b.event_id AND p.booking_id = b.booking_id"
        " CROSS JOIN LATERAL (SELECT coalesce(sum(k.price) FILTER (WHERE k.live), 0) AS live FROM "
        "ticket k WHERE k.event_id = b.event_id AND k.booking_id = b.booking_id) t"
        " CROSS JOIN LATERAL (SELECT coalesce(sum(r.amount - coalesce((SELECT sum(k.price) FROM "
        "ticket k WHERE k.event_id = r.event_id AND k.booking_id = r.booking_id AND k.seat = ANY "
        "(r.seats)), 0)), 0) AS extra FROM refund r WHERE r.event_id = b.event_id AND "
        "r.booking_id = b.booking_id) x"
        " WHERE coalesce(p.captured, 0) - coalesce(p.refunded, 0) <> t.live - x.extra AND " SCOPE(
            "b.event_id")),
    CHECK(
        I5, "audit_refund",
        "SELECT 'event ' || x.event_id || ' booking ' || x.booking_id || ': refund ' || "
        "x.refund_id || ' gave back ' || x.amount || ' for tickets of ' || x.price || ' when ' || "
        "p.captured - x.before || ' was left'"
        " FROM (SELECT r.event_id, r.booking_id, r.refund_id, r.seats, r.amount, sum(r.amount) "
        "OVER (PARTITION BY r.event_id, r.booking_id ORDER BY r.created_at, r.refund_id) - "
        "r.amount AS before, (SELECT coalesce(sum(k.price), 0) FROM ticket k WHERE k.event_id = "
        "r.event_id AND k.booking_id = r.booking_id AND k.seat = ANY (r.seats)) AS price FROM "
        "refund r WHERE " SCOPE(
            "r.event_id") ") x JOIN payment p ON p.event_id = x.event_id AND "
                          "p.booking_id = x.booking_id WHERE x.amount > p.captured - x.before OR "
                          "(cardinality(x.seats) > 0 AND x.amount <> least(x.price, p.captured - "
                          "x.before))"),
    CHECK(I5, "audit_unfinished",
          "SELECT 'event ' || event_id || ' booking ' || booking_id || ': unfinished since ' || "
          "created_at || ', step ' || step FROM booking"
          " WHERE " SCOPE("event_id") " AND state IN ('pending', 'authorized') AND created_at < "
                                      "clock_timestamp() - interval '120 s'"),
    CHECK(I5, "audit_price",
          "SELECT 'event ' || b.event_id || ' booking ' || b.booking_id || ': total ' || b.total "
          "|| ' but its tickets cost ' || sum(t.price)"
          " FROM booking b JOIN ticket t ON t.event_id = b.event_id AND t.booking_id = b.booking_id"
          " WHERE b.state IN ('confirmed', 'cancelled', 'refunded') AND " SCOPE(
              "b.event_id") " GROUP BY b.event_id, b.booking_id, b.total HAVING b.total <> "
                            "sum(t.price)"),
};

static const struct db_statement how_many = {
    .name = "audit_how_many",
    .text = "SELECT (SELECT count(*) FROM event_seat WHERE " SCOPE(
        "event_id") "), (SELECT count(*) FROM booking WHERE " SCOPE("event_id") "), (SELECT "
                                                                                "count(*) FROM "
                                                                                "ticket "
                                                                                "WHERE " SCOPE(
                                                                                    "eve"
                                                                                    "nt_"
                                                                                    "id") ")",
    .params = 1,
    .read_only = true,
};

/* Money is moved once the sale is durable, by the engine that has the lease; if that engine died,
 * by another when the lease has run out. I5 gives it 60 s. Only what was sold before the audit
 * began is waited for, so that an audit of a running sale comes to its end: $2 is how long it has
 * waited, ms. */
enum { MONEY_SETTLE_MS = 60000, LOOK_MS = 250 };

static const struct db_statement money_on_its_way = {
    .name = "audit_money_on_its_way",
    .text = "SELECT (SELECT count(*) FROM booking WHERE lease_until IS NOT NULL AND state IN "
            "('confirmed', 'cancelled', 'refunded')"
            " AND confirmed_at < clock_timestamp() - $2::bigint * interval '1 ms' AND " SCOPE(
                "event_id") ") + (SELECT count(*) FROM refund WHERE lease_until IS NOT NULL"
                            " AND created_at < clock_timestamp() - $2::bigint * interval '1 "
                            "ms' AND " SCOPE("event_id") ")",
    .params = 2,
    .read_only = true,
};

static void take_count(const struct db_result *result, void *ctx)
{
    *(int64_t *)ctx = db_i64(result, 0, 0);
}

static void wait_for_money(struct audit *a, struct slice event)
{
    char text[24];

    for (unsigned waited = 0; waited < MONEY_SETTLE_MS; waited += LOOK_MS) {
        struct slice ms = slice_of(text, (size_t)snprintf(text, sizeof(text), "%u", waited));
        int64_t count = 0;
        if (facts_query(&a->facts, &money_on_its_way, (struct slice[]){event, ms}, take_count,
                        &count) != STATUS_OK ||
            count == 0)
            return; /* a database that is away is told by the checks */
        facts_wait(&a->facts, LOOK_MS);
    }
}

struct finding {
    struct verdict *verdict;
    enum promise promise;
};

static void found(const struct db_result *result, void *ctx)
{
    struct finding *f = ctx;

    for (size_t i = 0; i < result->rows; i++)
        verdict_broken(f->verdict, f->promise, "%.*s", SLICE_ARG(db_value(result, i, 0)));
}

static void counted(const struct db_result *result, void *ctx)
{
    struct verdict *v = ctx;

    verdict_checked(v, I1, (uint64_t)db_i64(result, 0, 0));
    verdict_checked(v, I3, (uint64_t)db_i64(result, 0, 2));
    verdict_checked(v, I5, (uint64_t)db_i64(result, 0, 1));
}

void check_truth(struct audit *a)
{
    char event[24];
    struct slice params[] = {slice_of(
        event, (size_t)snprintf(event, sizeof(event), "%llu", (unsigned long long)a->event_id))};

    wait_for_money(a, params[0]);
    for (size_t i = 0; i < array_len(checks); i++) {
        struct finding f = {&a->verdict, checks[i].promise};
        enum status status = facts_query(&a->facts, &checks[i].statement, params, found, &f);
        if (status != STATUS_OK)
            verdict_incomplete(&a->verdict, checks[i].statement.name, status);
    }
    enum status status = facts_query(&a->facts, &how_many, params, counted, &a->verdict);
    if (status != STATUS_OK)
        verdict_incomplete(&a->verdict, how_many.name, status);
}
