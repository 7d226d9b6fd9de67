/* Seats in Redis: typed asynchronous calls over the Lua scripts of booking/lua, the one file of the
 * house that knows the keys. A script that answers NOMIRROR makes the store rebuild the mirror
 * (mirror.h) and send the call once more; when that does not work out in time the call ends with
 * STATUS_UNAVAILABLE. */
#ifndef HOLDFAST_BOOKING_SEAT_STORE_H
#define HOLDFAST_BOOKING_SEAT_STORE_H

#include "engine/base/clock.h"
#include "engine/base/due.h"
#include "engine/net/loop.h"
#include "engine/store/db.h"
#include "engine/store/kv.h"

#define HOLD_SEATS_MAX 100
/* Text of a hold id with the NUL: "<event id>.<22 characters base64url of 16 random bytes>". It may
 * be a credential, and it says where the hold lives. */
#define HOLD_ID_SIZE       48
#define HOLD_SESSION_SIZE  64
#define HOLD_CUSTOMER_SIZE 65
/* A lock outlives the promised expiry by so much, so that a commit in flight is safe. */
#define SEAT_GRACE_MS 2000

enum seat_state { SEAT_FREE, SEAT_HELD, SEAT_SOLD, SEAT_BLOCKED };

/* What came of a call; normal flow. */
enum hold_outcome {
    HOLD_GRANTED,
    HOLD_REPLAYED,      /* the same Idempotency-Key was answered before: this is that answer */
    HOLD_KEY_MISMATCH,  /* the key belongs to another request */
    HOLD_SEATS_TAKEN,   /* refused: which and why */
    HOLD_LIMIT,         /* limit of session or customer, or cool-down: `limit` tells */
    HOLD_SESSION_ENDED, /* the pass is spent */
    HOLD_EXPIRED,       /* the hold is gone or past its time */
    HOLD_NOT_FOUND,     /* never was, or another session's, or given up */
    HOLD_CAP,           /* extension past the absolute cap */
    HOLD_PAYING,        /* a payment is under way: the hold cannot be changed */
    HOLD_EMPTY,         /* nothing to hold: no seats were asked for, or a change would leave none */
};

enum hold_limit { HOLD_LIMIT_SEATS, HOLD_LIMIT_HOLDS, HOLD_LIMIT_COOL_DOWN };

/* A hold as Redis has it. */
struct hold {
    char id[HOLD_ID_SIZE];
    char session[HOLD_SESSION_SIZE];   /* jti, "" without a queue */
    char customer[HOLD_CUSTOMER_SIZE]; /* hash of a verified identity, or "" */
    uint64_t event_id, fence;
    int64_t expires_ms, cap_ms;
    size_t seat_count;
    uint32_t seats[HOLD_SEATS_MAX];    /* sorted */
    uint32_t versions[HOLD_SEATS_MAX]; /* in the order of seats */
    bool paying;
};

/* Under which conditions a hold is given or changed. */
struct hold_terms {
    int64_t ttl_ms, cap_ms; /* from now: the first expiry; the expiry that no extension passes */
    uint32_t max_seats, max_holds; /* of a session (holds and seats together), of a customer;
                                      without a session max_seats of a hold */
    int64_t session_expires_ms;    /* of the pass; no hold outlives it. 0 without a queue */
    char key[65]; /* names the idempotency record: hex of a hash over principal and key; "" for none
                   */
    char fingerprint[65]; /* hex SHA-256 of the request's meaning */
    /* A general-admission area instead of named seats, when area_quantity is not 0: the script
     * picks free places from `area_hint` (index of a seat) on. */
    uint32_t area_first, area_capacity, area_quantity, area_hint;
};

struct seat_store; /* one per process: kv, scripts, mirror */
struct seat_store_script;
struct hold_call;
typedef void (*hold_call_cb)(struct hold_call *call, enum status status);

/* One call, embedded by the caller, zeroed, who fills `hold` as each function says and gets it back
 * filled. */
struct hold_call {
    hold_call_cb cb;
    struct hold hold;
    struct slice trace; /* traceparent for the change log, or empty; lives until the callback */
    struct due due;     /* of the request that it is a step of; TIMEOUT when no time is left */
    enum hold_outcome outcome;
    enum hold_limit limit;
    int64_t until_ms;  /* HOLD_LIMIT_COOL_DOWN: end of it */
    int64_t server_ms; /* Redis TIME of the step */
    /* HOLD_SEATS_TAKEN: the refused seats and why (SEAT_HELD, SEAT_SOLD, SEAT_BLOCKED; SEAT_FREE:
     * no such seat) */
    size_t refused_count;
    uint32_t refused[HOLD_SEATS_MAX];
    uint8_t refused_why[HOLD_SEATS_MAX];
    /* private */
    struct kv_request kv;
    struct seat_store *store;
    struct list
        waiting;        /* for the mirror, for the end of the turn, or for the call it rides with */
    struct list riders; /* sales that are marked by the same script */
    size_t rider_count, rider_seats;
    const struct seat_store_script *script;
    int64_t deadline_ns;
    bool retried;
    const struct hold_terms *terms;
    int64_t number;
    enum seat_state state;
    const char *cause;
    const uint32_t *add, *remove;
    size_t add_count, remove_count;
};

/* `kv` and `db` are borrowed. */
struct seat_store *seat_store_new(struct loop *l, struct kv *kv, struct db *db);
void seat_store_stop(struct seat_store *s); /* calls that wait for a mirror complete with CANCELED,
                                               inside the call; the others when kv is closed */
void seat_store_free(
    struct seat_store *s); /* after it was stopped, kv and db are closed and the loop has turned */
struct mirror *seat_store_mirror(struct seat_store *s);

/* A new id for a hold of this event. */
void hold_id_make(uint64_t event_id, char ret_id[HOLD_ID_SIZE]);
/* The event of a hold id; false when it has not the shape of one. */
bool hold_id_event(struct slice id, uint64_t *ret_event_id);

/* ---- holds, for the API. `hold` needs event_id, id and session ("" without a queue); another
 * session's hold is NOT_FOUND ---- */

/* Takes hold.seats (sorted, distinct) or the area's places, all or nothing, as hold.id. An answered
 * key is replayed before anything else is looked at. GRANTED, REPLAYED, KEY_MISMATCH, SEATS_TAKEN,
 * LIMIT, SESSION_ENDED, EMPTY (no seats asked for, or fewer than that left in the area). `terms`
 * lives until the callback. */
enum status seat_store_place(struct seat_store *s, struct hold_call *call,
                             const struct hold_terms *terms) MUST_CHECK;
/* Moves the expiry by extend_ms. GRANTED, REPLAYED, KEY_MISMATCH, CAP, PAYING, EXPIRED, NOT_FOUND,
 * SESSION_ENDED. */
enum status seat_store_extend(struct seat_store *s, struct hold_call *call,
                              const struct hold_terms *terms, int64_t extend_ms) MUST_CHECK;
/* Adds and removes seats in one step; the expiry stays. Arrays live until the callback. As extend,
 * and SEATS_TAKEN, LIMIT, EMPTY. */
enum status seat_store_swap(struct seat_store *s, struct hold_call *call,
                            const struct hold_terms *terms, const uint32_t *add, size_t add_count,
                            const uint32_t *remove, size_t remove_count) MUST_CHECK;
/* Gives the hold up. GRANTED (again: GRANTED), PAYING, EXPIRED (it was sold), NOT_FOUND. */
enum status seat_store_release(struct seat_store *s, struct hold_call *call) MUST_CHECK;
/* Takes up to `number` holds past expiry and grace, one change each; server_ms is set,
 * hold.seat_count tells how many holds. Never rebuilds: UNAVAILABLE without a mirror. */
enum status seat_store_sweep(struct seat_store *s, struct hold_call *call,
                             int64_t number) MUST_CHECK;

/* ---- used by the purchase ---- */

/* Reads the hold. GRANTED, EXPIRED, NOT_FOUND. */
enum status seat_store_get(struct seat_store *s, struct hold_call *call) MUST_CHECK;
/* Payment starts: extends the hold once so that it lasts at least `window_ms` from now (not past
 * its cap) and sets paying. GRANTED (also when it was paying already, then unchanged), EXPIRED,
 * NOT_FOUND. */
enum status seat_store_pay(struct seat_store *s, struct hold_call *call,
                           int64_t window_ms) MUST_CHECK;
/* Payment did not work out but the hold stays for another try: paying off, expiry as it is.
 * GRANTED, EXPIRED, NOT_FOUND. */
enum status seat_store_unpay(struct seat_store *s, struct hold_call *call) MUST_CHECK;
/* After the commit: seats sold with version+1, locks, hold and expiry gone, the session ended
 * ("booked"), its other holds given up unless they are being paid, its slot given back, the change
 * logged. Repeating it changes nothing. GRANTED. `hold` needs event_id, seats, versions (as held),
 * and id and session where they are known ("" else). The sales of one turn of the loop are marked
 * together, as one change. */
enum status seat_store_sold(struct seat_store *s, struct hold_call *call) MUST_CHECK;
/* Whether this process has seen Redis mark this sale (event_id, seats, versions), as far as it
 * remembers: false only costs a second mark. A Redis that has forgotten it since is rebuilt from
 * PostgreSQL, which has not. */
bool seat_store_has_sold(const struct seat_store *s, const struct hold *sale);
/* After a refund or block/unblock in PostgreSQL: seats to `state` with the new versions given in
 * hold.versions; a version that is not newer than Redis' changes nothing. GRANTED. `cause` is
 * static: "refund", "block". */
enum status seat_store_set(struct seat_store *s, struct hold_call *call, enum seat_state state,
                           const char *cause) MUST_CHECK;

/* ---- sessions ---- */

struct session_call;
typedef void (*session_call_cb)(struct session_call *call, enum status status);

/* Of one pass. The caller fills event_id, session, expires_ms (of the pass), call.trace and
 * call.due. */
struct session_call {
    session_call_cb cb;
    uint64_t event_id;
    char session[HOLD_SESSION_SIZE];
    int64_t expires_ms;
    /* the answer */
    enum hold_outcome outcome; /* GRANTED, SESSION_ENDED */
    int64_t server_ms;
    size_t hold_count;
    struct hold *holds; /* owned by the call, freed after the callback */
    /* private */
    struct hold_call call;
};

enum status session_read(struct seat_store *s, struct session_call *call) MUST_CHECK;
/* Gives up: all holds that are not being paid are released as one change, the slot is given back,
 * the pass is spent. GRANTED (also when it had been given up before), SESSION_ENDED (booked,
 * expired), PAYING (nothing was changed). */
enum status session_end(struct seat_store *s, struct session_call *call) MUST_CHECK;

/* ---- the state of all seats ---- */

struct seat_read;
typedef void (*seat_read_cb)(struct seat_read *read, enum status status);

struct seat_read {
    seat_read_cb cb;
    uint64_t event_id;
    uint64_t rev; /* in: what the caller has, 0 for nothing; out: the revision of `state` */
    struct slice
        state; /* '0'..'3' per seat, valid in the callback; at == NULL: unchanged since rev */
    int64_t server_ms;
    /* private */
    struct hold_call call;
};

/* State string and revision of one atomic step. */
enum status seat_store_read(struct seat_store *s, struct seat_read *read) MUST_CHECK;

#endif
