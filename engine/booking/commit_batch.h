/* One commit statement: its bookings, chosen so that no seat and no key is in it twice, as the
 * parameters of the SQL function. */
#ifndef HOLDFAST_BOOKING_COMMIT_BATCH_H
#define HOLDFAST_BOOKING_COMMIT_BATCH_H

#include "engine/booking/commit.h"

#define COMMIT_PARAMS_MAX  19
#define COMMIT_TAKEN_SLOTS 2048 /* power of two, far above seats and keys of a batch */

/* What is in the batch already: a set of 64-bit names. */
struct commit_taken {
    uint64_t names[COMMIT_TAKEN_SLOTS]; /* 0: empty */
};

struct commit_batch {
    struct db_request request;
    struct commit *commit;
    struct list link;
    enum commit_lane lane;
    size_t count, seat_count;
    struct commit_item *items[COMMIT_BATCH_MAX];
    struct buf params[COMMIT_PARAMS_MAX]; /* warm: kept from batch to batch */
    struct commit_taken taken;
};

void commit_batch_init(struct commit_batch *b);
void commit_batch_free(struct commit_batch *b);
void commit_batch_clear(struct commit_batch *b, enum commit_lane lane);
/* False when it must wait for another batch: full, a seat or a key is in already, or one of them is
 * to be alone. */
bool commit_batch_add(struct commit_batch *b, struct commit_item *item);
/* Orders the bookings and writes the parameters; they point into b->params. Returns the statement.
 */
const struct db_statement *commit_batch_params(struct commit_batch *b, int64_t lease_ms,
                                               struct slice ret_params[COMMIT_PARAMS_MAX]);
/* Sets the verdicts from the result's rows. False when a booking has none: PROTOCOL. */
bool commit_batch_read(struct commit_batch *b, const struct db_result *r);

#endif
