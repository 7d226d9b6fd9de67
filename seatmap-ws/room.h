/* A room: the seats of one event as the news tells them. Pure: no sockets, no Kafka, so that every
 * order of arrival can be tested.
 *
 * A change applies only when its rev is the next one, so duplicates and replays do nothing and a
 * gap is seen at once. After a gap changes are kept aside (bounded) until a snapshot heals it. Revs
 * are `epoch << 40 | counter`: a new epoch begins with a snapshot. */
#ifndef HOLDFAST_SEATMAP_WS_ROOM_H
#define HOLDFAST_SEATMAP_WS_ROOM_H

#include "engine/base/list.h"
#include "seatmap-ws/frame.h"

#define ROOM_SEATS_MAX   500000u
#define ROOM_ASIDE_MAX   4096u /* changes kept while a gap is open */
#define ROOM_SPARE_TICKS 5u
#define ROOM_REV_MAX     ((UINT64_C(1) << 53) - 1)

struct room {
    uint64_t event_id;
    uint32_t seat_count;
    uint64_t rev;        /* what `states` is; 0: nothing known yet */
    uint64_t base_rev;   /* seat_revs tells all changes after this rev */
    uint8_t *states;     /* owned, a byte a seat */
    uint64_t *seat_revs; /* owned, rev of each seat's last change, or base_rev */
    struct list aside;   /* private: changes past a gap, in rising rev */
    uint32_t aside_len;
    uint64_t gaps;      /* how often news was missing */
    char *spare;        /* private: a snapshot that is ahead of us, owned, seat_count characters */
    uint64_t spare_rev; /* private: its rev */
    unsigned spare_age; /* private: ticks it has waited */
};

enum room_verdict {
    ROOM_APPLIED, /* states and rev moved */
    ROOM_OLD,     /* known already: nothing changed */
    ROOM_ASIDE,   /* kept: what comes before it is missing, or on its way */
    ROOM_BAD,     /* no such seat or state, or another seat count: ignored */
};

void room_init(struct room *r, uint64_t event_id);
void room_free(struct room *r);

/* A change of `count` seats to `state` that made `rev`. Seats may be in any order. */
enum room_verdict room_change(struct room *r, uint64_t rev, uint8_t state, const uint32_t *seats,
                              size_t count) MUST_CHECK;
/* The whole: text of one character '0'..'3' a seat. Applied at once when it is the first, of a new
 * epoch, or a gap is open; then also what was aside and now fits. Otherwise the changes up to it
 * are normally on their way in the other topic, and cheaper for every client: it is kept for
 * room_tick. */
enum room_verdict room_snapshot(struct room *r, uint64_t rev, struct slice states) MUST_CHECK;

/* Once a tick. A kept snapshot whose changes did not come within ROOM_SPARE_TICKS is applied: true
 * then. */
bool room_tick(struct room *r);

/* Whether a client at `since` can be brought up to date by a delta. */
static inline bool room_can_delta(const struct room *r, uint64_t since)
{
    return since >= r->base_rev && since <= r->rev;
}

/* The seats changed after `since`, in seat order, at most `max`: returns how many there are (may be
 * more than max). */
size_t room_changes_since(const struct room *r, uint64_t since, struct frame_change *ret_changes,
                          size_t max);

#endif
