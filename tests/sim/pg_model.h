/* A model of the truth in memory: the tables of sql/ that the booking core uses and each statement
 * of engine/booking by its name, on a clock that the caller moves. Every statement is one
 * transaction, one after the other. tests/integration/test_fakes_agree.c shows that it answers as
 * PostgreSQL does. */
#ifndef HOLDFAST_TESTS_SIM_PG_MODEL_H
#define HOLDFAST_TESTS_SIM_PG_MODEL_H

#include "engine/booking/purchase_row.h"
#include "engine/store/db.h"
#include "tests/sim/arena.h"

#define PG_EVENTS_MAX 4

struct pg_seat {
    int status;
    uint32_t version;
    int64_t fence, price;
    bool booked;
    struct uuid booking_id;
    char label[32];
};

struct pg_event {
    uint64_t id;
    uint32_t epoch;
    bool charge;
    size_t seat_count;
    struct pg_seat *seats; /* owned */
};

struct pg_ticket {
    uint32_t seat;
    int64_t price;
    bool live;
};

struct pg_booking {
    struct list link;
    struct purchase_row row; /* live and labels are not kept here; leased neither */
    const char *step;
    bool has_lease, taken; /* taken: by the statement that runs */
    int64_t lease_until;
    bool reconcile;                 /* the payment is to be compared with the provider */
    int64_t reconcile_due, paid_ms; /* paid_ms: payment.updated_at */
    size_t ticket_count;
    struct pg_ticket tickets[HOLD_SEATS_MAX];
};

struct pg_refund {
    struct list link;
    struct pg_booking *booking;
    struct uuid id, idem, fingerprint;
    bool cancel, has_lease, taken;
    size_t seat_count;
    uint32_t seats[HOLD_SEATS_MAX], versions[HOLD_SEATS_MAX];
    int64_t amount, lease_until;
};

struct pg_outbox {
    struct list link;
    uint64_t id, event_id;
    char topic[40], type[24], hold_id[HOLD_ID_SIZE], session[HOLD_SESSION_SIZE], key[64];
    struct slice payload, trace; /* owned; trace.at NULL: none */
    size_t seat_count;
    uint32_t seats[HOLD_SEATS_MAX], versions[HOLD_SEATS_MAX];
    bool parked;
    int64_t created_ms;
};

/* Guards that can be left out, to see whether anybody notices. */
struct pg_plant {
    bool no_fence, no_version, no_expiry, no_outbox, no_key;
};

struct pg_model {
    int64_t now_ms; /* the server's wall clock: set before each run */
    uint64_t changes;
    struct pg_plant plant;
    struct pg_event events[PG_EVENTS_MAX];
    size_t event_count;
    struct list bookings, refunds,
        outbox; /* struct pg_booking, pg_refund, pg_outbox, oldest first */
    struct list webhooks;
    uint64_t outbox_next;
    /* A booking is about to be sold; the seats are as they were before. May be NULL. */
    void (*selling)(struct pg_model *m, const struct pg_booking *b);
};

/* What a statement answers. */
struct pg_answer {
    struct db_result result;
    enum status status;
    struct db_error error;
    struct arena arena;
    struct slice *cells; /* in arena; at NULL: NULL */
    size_t cell_count, cell_cap;
};

void pg_init(struct pg_model *m);
void pg_free(struct pg_model *m);
struct pg_event *pg_event_add(struct pg_model *m, uint64_t id, size_t seats, int64_t price,
                              bool charge);
struct pg_event *pg_event_find(struct pg_model *m, uint64_t id);
struct pg_booking *pg_booking_find(struct pg_model *m, uint64_t event_id, const struct uuid *id);
struct pg_booking *pg_booking_by_idem(struct pg_model *m, uint64_t event_id,
                                      const struct uuid *idem);

/* The answer is the caller's: pg_answer_free. A statement that is not known aborts: the model has
 * to learn it. */
struct pg_answer *pg_run(struct pg_model *m, const struct db_statement *statement,
                         const struct slice *params);
/* The statements it knows, by number; NULL behind the last. */
const char *pg_statement_name(size_t i);
struct pg_answer *pg_answer_new(void);
void pg_answer_free(struct pg_answer *a);

#endif
