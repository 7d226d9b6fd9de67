/* The line in Redis: typed asynchronous calls over the scripts of waitroom/lua, the one file that
 * knows the keys.
 *
 * Every call names the server process it believes in (run_id). A line that is missing, or was built
 * under another one, is LINE_FORGOTTEN: never "come in". */
#ifndef HOLDFAST_WAITROOM_LINE_STORE_H
#define HOLDFAST_WAITROOM_LINE_STORE_H

#include "engine/store/kv.h"
#include "waitroom/line.h"

#define LINE_JOIN_ID_SIZE 12  /* bytes of a keyed hash of the join id */
#define LINE_JOINS_MAX    256 /* in one call */
#define LINE_JTI_SIZE     37  /* text of a UUID with the NUL */
#define LINE_PASS_LIFE_S  600
#define LINE_DEADLINE_MS  2000
/* After a line was rebuilt, everybody who waits has asked once within this time: the longest poll
 * interval, spread, and some. */
#define LINE_GRACE_MS (LINE_POLL_MAX_MS + 10000)

enum line_outcome { LINE_DONE, LINE_FORGOTTEN };

/* What PostgreSQL remembers of a line. */
struct line_record {
    struct line_settings settings;
    uint32_t epoch;
    uint64_t first, settled, watermark, number_high;
    int64_t born_ms;
    uint8_t salt[16];
};

struct line_call;
/* status not OK: the store failed, outcome and results are not set. */
typedef void (*line_call_cb)(struct line_call *call, enum status status);

/* One call, embedded by its owner, who sets cb, and leaves it alone until the callback. */
struct line_call {
    line_call_cb cb;
    enum line_outcome outcome;
    bool accepted; /* load, settings, reserve, confirm: whether the line took it */
    /* private */
    struct kv_request kv;
    void (*read)(struct line_call *call, const struct kv_reply *reply);
};

/* What a pass of the meter asks of the worker that made it. */
struct meter_call {
    struct line_call call;
    struct line line; /* the view; cb may keep it */
    uint64_t target;  /* write watermark = target and settled to PostgreSQL, when persist */
    bool persist;
    uint64_t want;  /* reserve numbers up to here, 0: not needed */
    uint64_t ahead; /* how many numbers are worth reserving at once */
};
enum status line_store_meter(struct kv *kv, struct meter_call *m, uint64_t event_id) MUST_CHECK;

/* Takes the right to rebuild the line for 3 s; accepted tells whether it was free. `token` names
 * the taker. */
enum status line_store_recover(struct kv *kv, struct line_call *c, uint64_t event_id,
                               const char *token) MUST_CHECK;
/* Builds the line; admission then pauses pause_ms if there had been one. Not accepted when the
 * token is no longer the holder of that right. */
enum status line_store_load(struct kv *kv, struct line_call *c, uint64_t event_id,
                            const char *token, const struct line_record *record,
                            int64_t pause_ms) MUST_CHECK;
/* Ends sessions again that had ended with a booking before Redis was lost. */
#define LINE_SPENT_MAX 200
enum status line_store_spent(struct kv *kv, struct line_call *c, uint64_t event_id,
                             const char (*sessions)[LINE_JTI_SIZE], size_t count) MUST_CHECK;
enum status line_store_settings(struct kv *kv, struct line_call *c, uint64_t event_id,
                                const struct line_settings *settings) MUST_CHECK;
enum status line_store_reserve(struct kv *kv, struct line_call *c, uint64_t event_id,
                               uint32_t epoch, uint64_t high) MUST_CHECK;
enum status line_store_confirm(struct kv *kv, struct line_call *c, uint64_t event_id,
                               uint32_t epoch, uint64_t watermark, uint64_t settled) MUST_CHECK;
/* Forgets the line (after a reset in PostgreSQL): the next pass of the meter finds it missing and
 * has it rebuilt. */
enum status line_store_forget(struct kv *kv, struct line_call *c, uint64_t event_id) MUST_CHECK;

/* Somebody with a number below line.old_high is there. */
enum status line_store_back(struct kv *kv, struct line_call *c, uint64_t event_id,
                            uint64_t number) MUST_CHECK;

#define LINE_NUMBER_NONE   (-1) /* no reserved number is left: reserve, then ask again */
#define LINE_NUMBER_CLOSED (-2) /* joining is not open now */

struct join_slot {
    uint8_t id[LINE_JOIN_ID_SIZE];
    int64_t number;  /* or LINE_NUMBER_* */
    int64_t given_s; /* second of the line's life at which it was given */
    bool fresh;
};
struct join_call {
    struct line_call call;
    struct join_slot slots[LINE_JOINS_MAX]; /* ids by the caller, the rest by the call */
    size_t count;
    uint32_t epoch;
    uint64_t next;
};
/* deadline_ms: at most LINE_DEADLINE_MS; less when those who join have less (due.h). So has a
 * claim.
 */
enum status line_store_join(struct kv *kv, struct join_call *j, uint64_t event_id,
                            unsigned deadline_ms) MUST_CHECK;

enum claim_outcome {
    CLAIM_WAIT,
    CLAIM_CALLED,
    CLAIM_NEW,
    CLAIM_SAME,
    CLAIM_ENDED,
    CLAIM_MISSED,
    CLAIM_CLOSED
};
struct claim_call {
    struct line_call call;
    enum claim_outcome claim;
    int64_t issued_s; /* NEW, SAME: when the pass was given */
    uint64_t serving;
};
/* `take` claims the pass of `number`; without it only tells how the number stands (CALLED instead
 * of NEW). */
enum status line_store_claim(struct kv *kv, struct claim_call *c, uint64_t event_id,
                             uint64_t number, const char *jti, bool take,
                             unsigned deadline_ms) MUST_CHECK;

/* Prepares the scripts; once, before the first call. */
void line_store_init(void);

#endif
