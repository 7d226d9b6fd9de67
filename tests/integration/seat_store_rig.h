/* The booking core's scripts on a real Redis, with the mirror built from a real PostgreSQL: what
 * the tests of the seat store share. */
#ifndef HOLDFAST_TESTS_SEAT_STORE_RIG_H
#define HOLDFAST_TESTS_SEAT_STORE_RIG_H

#include "engine/booking/seat_store.h"
#include "tests/lib/sale.h"

#define SEATS 100 /* of SALE_EVENT, all free */

extern struct loop loop;
extern struct server *postgres, *redis;
extern struct kv *kv;
extern struct seat_store *store;

void setup(void);
void teardown(void);

/* ---- calls ---- */

/* A call of the test and what came of it. */
struct call {
    struct hold_call call;
    int calls;
    enum status status;
};

/* The callback of every struct call. */
void called(struct hold_call *call, enum status status);
/* Turns the loop until it is called back; it must have succeeded. */
void wait_for(struct call *c, enum status submitted);
/* What most holds of these tests are given under. */
struct hold_terms terms(void);
/* Sets callback, event, hold and session. */
void name(struct hold_call *call, const char *id, const char *session);

void place_with(struct call *c, const struct hold_terms *t, const char *id, const char *session,
                size_t count, const uint32_t *seats);

#define PLACE(c, id, session, ...)                                                                 \
    do {                                                                                           \
        const uint32_t seats_[] = {__VA_ARGS__};                                                   \
        struct hold_terms terms_ = terms();                                                        \
        place_with(c, &terms_, id, session, sizeof(seats_) / sizeof(*seats_), seats_);             \
    } while (0)

/* A hold of seats first .. first+count-1 that ends at once; their locks stay for the grace. */
void place_short(struct call *c, const char *id, const char *session, uint32_t first, size_t count);
/* The outcome of a call that needs nothing but its hold's name. */
enum hold_outcome simple(struct call *c,
                         enum status (*submit)(struct seat_store *, struct hold_call *),
                         const char *id, const char *session);
enum hold_outcome get(struct call *c, const char *id, const char *session);
/* Marks what the hold has as sold, as the purchase does. */
void sell(struct call *c, const struct hold *hold);

/* ---- what Redis has ---- */

long log_length(void);
uint64_t rev(void);
bool lock_is_gone(const char *key);
void assert_counts(int free_count, int held, int sold, int blocked);
/* Promise I4 and the change log: replaying every record gives the state string, and the revisions
 * have no gap. */
void assert_log_tells_the_state(uint64_t first_rev);

#endif
