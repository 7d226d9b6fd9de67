/* The state of all seats of an event as this process last saw it: what availability is answered
 * from and best available is chosen in. Who asks for it gets a reading that began after the
 * question, so nobody misses a change that was answered before; readings begin at least
 * VIEW_PACE_MS apart, whatever the load. Best available may choose in one that is a little older,
 * corrected by what this process' own holds teach: its hold decides. */
#ifndef HOLDFAST_BOOKING_VIEW_H
#define HOLDFAST_BOOKING_VIEW_H

#include "engine/base/buf.h"
#include "engine/booking/seat_store.h"

#define VIEW_FRESH_MS 75
#define VIEW_PACE_MS  15

/* An answer's body, shared by everybody who is sent it. */
struct view_body {
    unsigned refs;
    struct buf bytes;
};

struct view_body *view_body_ref(struct view_body *b);
void view_body_unref(
    void *body); /* takes a struct view_body * (it is http_reply_shared's release) */

struct view {
    uint64_t event_id, rev;
    uint32_t seat_count;
    char *seats;        /* '0'..'3' as of rev; owned */
    uint8_t *guess;     /* what this process knows beside: the state byte a seat has by now, 0 for
                           nothing; cleared by every reading. Owned */
    uint8_t *picked;    /* chosen by a call of this process that is on its way: how many. Owned */
    uint32_t counts[4]; /* by state, as of rev */
    struct view_body *json, *frame; /* made when first asked for, for rev; NULL: not yet */
    struct views *views;            /* private, as the rest */
    char key[24];
    int64_t read_ns, begun_ns;
    bool reading;
    uint64_t told_rev; /* of seats left */
    struct list waits; /* for the reading under way */
    struct list next;  /* for the one after it */
    struct list link;
    struct seat_read read;
};

/* OK, or why it could not be read. `view` is borrowed for the call. */
struct view_wait;
typedef void (*view_cb)(struct view_wait *wait, enum status status, struct view *view);

struct view_wait {
    view_cb cb;
    struct list link; /* private */
};

struct views;
struct views *views_new(struct loop *l, struct seat_store *seats);
void views_stop(struct views *v); /* before the loop goes */
void views_free(struct views *v); /* completes what waits with CANCELED, inside the call; the seat
                                     store must have nothing under way */

/* At most VIEW_FRESH_MS old, or NULL: ask view_get. Borrowed; it lives as long as the process, and
 * may be older by the next turn. */
struct view *view_peek(struct views *v, uint64_t event_id);
struct view *view_any(struct views *v, uint64_t event_id); /* however old, NULL when never read */
enum status view_get(struct views *v, uint64_t event_id, struct view_wait *wait) MUST_CHECK;
void view_forget(struct views *v, uint64_t event_id); /* the next reader asks Redis */

/* Whether best available may choose the seat. */
static inline bool view_free(const struct view *v, uint32_t n)
{
    return (v->guess[n] ? v->guess[n] : v->seats[n]) == '0' && v->picked[n] == 0;
}
void view_learn(struct view *v, uint32_t n, enum seat_state state);
void view_pick(struct view *v, const uint32_t *seats,
               size_t count); /* a call for them is on its way */
void view_unpick(struct view *v, const uint32_t *seats, size_t count); /* it has come back */

/* The answers of GET availability for the view's rev; borrowed. */
struct view_body *view_json(struct view *v);
struct view_body *view_frame(struct view *v);

/* Every view that was ever read. Start with NULL; NULL at the end. */
struct view *views_next(struct views *v, struct view *after);

#endif
