/* Seats in Redis: typed asynchronous calls over the Lua scripts of booking/lua, one file of the house that knows the keys.
 * Every call answers NOMIRROR as STATUS_UNAVAILABLE after it has asked the mirror (mirror.h) to rebuild. */
#ifndef HOLDFAST_BOOKING_SEAT_STORE_H
#define HOLDFAST_BOOKING_SEAT_STORE_H

#include "engine/base/clock.h"
#include "engine/store/kv.h"

#define HOLD_SEATS_MAX 100
#define HOLD_ID_SIZE 37 /* text of a v4 UUID with the NUL: 122 random bits, it may be a credential */

enum seat_state { SEAT_FREE, SEAT_HELD, SEAT_SOLD, SEAT_BLOCKED };

/* What came of a call; normal flow. */
enum hold_outcome {
    HOLD_GRANTED,
    HOLD_REPLAYED,      /* the same Idempotency-Key was answered before: this is that answer */
    HOLD_KEY_MISMATCH,  /* the key belongs to another request */
    HOLD_SEATS_TAKEN,   /* refused: which and why */
    HOLD_LIMIT,         /* limit of session or customer, or cool-down */
    HOLD_SESSION_ENDED, /* the pass is spent */
    HOLD_EXPIRED,       /* the hold is gone or past its time */
    HOLD_NOT_FOUND,     /* never was, or another session's */
    HOLD_CAP,           /* extension past the absolute cap */
};

/* A hold as Redis has it. */
struct hold {
    char id[HOLD_ID_SIZE];
    char session[64];  /* jti, "" without a queue */
    char customer[65]; /* hash of a verified identity, or "" */
    uint64_t event_id, fence;
    int64_t expires_ms, cap_ms;
    size_t seat_count;
    uint32_t seats[HOLD_SEATS_MAX];    /* sorted */
    uint32_t versions[HOLD_SEATS_MAX]; /* in the order of seats */
    bool paying;
};

struct seat_store; /* one per process: kv, scripts, mirror */
struct hold_call;
typedef void (*hold_call_cb)(struct hold_call *call, enum status status);

/* One call, embedded by the caller, who fills `hold` as each function says and gets it back filled. */
struct hold_call {
    hold_call_cb cb;
    struct hold hold;
    enum hold_outcome outcome;
    int64_t server_ms; /* Redis TIME of the step */
    /* HOLD_SEATS_TAKEN: the refused seats and why (SEAT_HELD, SEAT_SOLD, SEAT_BLOCKED; SEAT_FREE: no such seat) */
    size_t refused_count;
    uint32_t refused[HOLD_SEATS_MAX];
    uint8_t refused_why[HOLD_SEATS_MAX];
    /* private */
    struct kv_request kv;
    struct seat_store *store;
    void *impl;
};

/* ---- used by the purchase ---- */

/* Reads the hold call->hold.id of call->hold.event_id. GRANTED, EXPIRED, NOT_FOUND. */
enum status seat_store_get(struct seat_store *s, struct hold_call *call) MUST_CHECK;
/* Payment starts: extends the hold once so that it lasts at least `window_ms` from now (not past its cap) and sets paying. GRANTED (also when it was paying already, then
 * unchanged), EXPIRED, NOT_FOUND. */
enum status seat_store_pay(struct seat_store *s, struct hold_call *call, int64_t window_ms) MUST_CHECK;
/* After the commit: seats sold with version+1, locks, hold and expiry gone, the session ended ("booked") and its slot given back, one change logged.
 * Repeating it changes nothing. GRANTED. `hold` needs event_id, id, session, seats, versions (as held). */
enum status seat_store_sold(struct seat_store *s, struct hold_call *call) MUST_CHECK;
/* Payment did not work out but the hold stays for another try: paying off, expiry as it is. GRANTED, EXPIRED, NOT_FOUND. */
enum status seat_store_unpay(struct seat_store *s, struct hold_call *call) MUST_CHECK;
/* After a refund or block/unblock in PostgreSQL: seats to `state` with the new versions given in hold.versions; idempotent per version. GRANTED. */
enum status seat_store_set(struct seat_store *s, struct hold_call *call, enum seat_state state, const char *cause) MUST_CHECK;

#endif
