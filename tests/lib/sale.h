/* A sale for tests: a PostgreSQL with the schema and one event, and rows of purchases as the
 * gatherer wants them. */
#ifndef HOLDFAST_TESTS_SALE_H
#define HOLDFAST_TESTS_SALE_H

#include "engine/booking/purchase_row.h"
#include "tests/lib/servers.h"

#define SALE_EVENT  1
#define SALE_PRICE  5000
#define SALE_FAR_MS INT64_C(4102444800000) /* 2100-01-01: never expires in a test */

/* SQL: what must have been captured and not returned for booking b. The price of its live tickets,
 * less what refunds returned beyond the price of theirs (money only), plus what they fell short of
 * it. */
#define SALE_WORTH_SQL                                                                             \
    "((SELECT coalesce(sum(price), 0) FROM ticket t WHERE t.booking_id = b.booking_id AND "        \
    "t.live) - (SELECT coalesce(sum(r.amount - (SELECT coalesce(sum(price), 0) FROM ticket t "     \
    "WHERE t.booking_id = r.booking_id AND t.seat = ANY (r.seats))), 0) FROM refund r WHERE "      \
    "r.booking_id = b.booking_id))"

/* Migrates and makes event SALE_EVENT with `seats` free seats of SALE_PRICE. */
void sale_prepare(const struct server *postgres, int seats, bool charge, bool queue);
/* A purchase of seats first..first+count-1 at version 0 by a hold of its own, with a key of its
 * own. The caller frees it (purchase_row_free). */
void sale_row(struct purchase_row *row, uint32_t first, size_t count);
/* The one value of a query, as number. */
long sale_count(const struct server *postgres, const char *sql);
/* Promises I1 and I5's seats: every sold seat has one live ticket of its booking, and the other way
 * round. Aborts when broken. */
void sale_audit(const struct server *postgres);

#endif
