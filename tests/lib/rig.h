/* The money side of an engine in a test's process: PostgreSQL, Redis and the payment simulator as
 * processes, everything else on the test's loop. A rig may be opened in a child that is to be
 * killed, and again in the parent, which then is the engine that comes after. */
#ifndef HOLDFAST_TESTS_RIG_H
#define HOLDFAST_TESTS_RIG_H

#include "engine/booking/completer.h"
#include "tests/lib/sale.h"

/* The processes. */
struct rig_servers {
    struct server *postgres, *redis;
    struct temp_dir dir; /* of the simulator's journal */
    char payment_url[64];
    pid_t paysim;
    uint16_t port;
};

void rig_servers_start(struct rig_servers *s, int seats);
void rig_servers_stop(struct rig_servers *s);
void rig_paysim_kill9(struct rig_servers *s);
void rig_paysim_start(struct rig_servers *s); /* again, on the same port, with the same journal */

/* The engine. */
struct rig {
    struct loop loop;
    struct kv *kv;
    struct db *db;
    struct seat_store *seats;
    struct commit *commit;
    struct http_client *client;
    struct purchases purchases; /* lease 2 s, poll 100 ms, provider deadline 1 s */
    struct refunds refunds;
    struct completer completer;
    int64_t hold_ms;      /* how long rig_hold holds: 60 s unless set */
    const char *provider; /* of rig_buy: sim unless set */
    unsigned request_ms;  /* of rig_buy: how long its request may take; 0: as long as it takes */
};

void rig_open(struct rig *r, const struct rig_servers *s);
void rig_close(struct rig *r);

/* What came of a purchase. */
struct rig_answer {
    int calls;
    enum status status;
    enum ledger_verdict verdict;
    enum booking_state state;
    enum booking_outcome outcome;
    struct uuid booking_id;
};

/* Holds the seats, starts to pay, claims: as POST /v1/bookings does. idem NULL: a key of its own.
 * Returns with the purchase on its way; `hold` (may be NULL) keeps the hold. */
void rig_hold(struct rig *r, uint32_t first, size_t count, struct hold *ret_hold);
void rig_buy(struct rig *r, const struct hold *hold, const char *token, const struct uuid *idem,
             struct rig_answer *answer);
/* The same, turning the loop until it is answered. */
void rig_buy_wait(struct rig *r, const struct hold *hold, const char *token,
                  const struct uuid *idem, struct rig_answer *answer);
/* Until no purchase and no refund waits for anybody. */
void rig_settle(struct rig *r, const struct rig_servers *s);

/* How the provider has it: UNKNOWN without a charge. */
struct payment_call rig_charge(struct rig *r, const struct uuid *booking_id);
/* Promise I5 and "sold once and charged once, or free and not charged" for every booking. Aborts
 * when broken. */
void rig_audit(struct rig *r, const struct rig_servers *s);

#endif
