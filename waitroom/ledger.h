/* What the line must not forget, in PostgreSQL (table queue): settings, reserved numbers,
 * watermark. Whatever is not written there has not happened. */
#ifndef HOLDFAST_WAITROOM_LEDGER_H
#define HOLDFAST_WAITROOM_LEDGER_H

#include "engine/store/db.h"
#include "waitroom/line_store.h"

#define LEDGER_DEADLINE_MS 3000

/* Settings as an operator gives them: what is not given keeps its value (or the default of a new
 * queue). */
struct ledger_change {
    bool rate_given, active_given, claim_given;
    int64_t rate_per_minute, max_active, claim_seconds;
    bool prequeue_given, opens_given, closes_given;
    int64_t prequeue_ms, opens_ms, closes_ms; /* 0: none */
};

enum ledger_act { LEDGER_PAUSE, LEDGER_RESUME, LEDGER_OPEN, LEDGER_CLOSE, LEDGER_RESET };

struct ledger_call;
typedef void (*ledger_call_cb)(struct ledger_call *call, enum status status);

/* One call, embedded by its owner, who sets cb. */
struct ledger_call {
    ledger_call_cb cb;
    bool found; /* there is such a queue, and the epoch was the current one where one was given */
    bool no_event;                   /* put: there is no such event */
    struct line_record record;       /* when found */
    char (*sessions)[LINE_JTI_SIZE]; /* booked: owned by the caller afterwards, may be NULL */
    size_t session_count;
    /* private */
    struct db_request db;
    void (*read)(struct ledger_call *call, const struct db_result *result);
};

enum status ledger_find(struct db *db, struct ledger_call *c, uint64_t event_id) MUST_CHECK;
/* Starts a new epoch: whoever still works under the old one is refused from here on. */
enum status ledger_new_epoch(struct db *db, struct ledger_call *c, uint64_t event_id) MUST_CHECK;
/* Raises number_high to at least `high`. */
enum status ledger_reserve(struct db *db, struct ledger_call *c, uint64_t event_id, uint32_t epoch,
                           uint64_t high) MUST_CHECK;
/* Raises watermark and settled. */
enum status ledger_mark(struct db *db, struct ledger_call *c, uint64_t event_id, uint32_t epoch,
                        uint64_t watermark, uint64_t settled) MUST_CHECK;
/* Makes or changes the queue. INVALID (SQLSTATE 23514): the times contradict each other. */
enum status ledger_put(struct db *db, struct ledger_call *c, uint64_t event_id,
                       const struct ledger_change *change) MUST_CHECK;
enum status ledger_act(struct db *db, struct ledger_call *c, uint64_t event_id,
                       enum ledger_act act) MUST_CHECK;
/* The sessions (jti) that ended with a booking and whose pass is still good, in c->sessions, for
 * the caller to free. */
enum status ledger_booked(struct db *db, struct ledger_call *c, uint64_t event_id) MUST_CHECK;

#endif
