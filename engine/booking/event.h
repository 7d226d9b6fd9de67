/* Events as they are read: cached in process, filled by one query however many ask (single flight),
 * refreshed in the background, never by a request that waits. */
#ifndef HOLDFAST_BOOKING_EVENT_H
#define HOLDFAST_BOOKING_EVENT_H

#include "engine/booking/layout.h"
#include "engine/net/loop.h"
#include "engine/store/db.h"

struct price_level {
    char *id, *name;
    int64_t amount; /* minor units */
};

/* A layout with its document, shared by all readings of the event that name the same hash. */
struct sheet {
    unsigned refs;
    char hash[LAYOUT_HASH_SIZE];
    struct layout *layout;
    struct buf document;
    struct buf gzip; /* made when first asked for */
};

/* Read only; counted. */
struct event {
    unsigned refs;
    uint64_t id;
    char *name, *type, *venue, *performers; /* the last two are JSON */
    int64_t starts_ms;
    char currency[4];
    bool on_sale, has_queue, charge;
    uint32_t max_seats, max_holds;
    int64_t hold_ms, cap_ms, payment_ms;
    size_t level_count;
    struct price_level levels[LAYOUT_LEVELS_MAX];
    struct sheet *sheet;
};

struct event *event_ref(struct event *e);
void event_unref(struct event *e); /* NULL is harmless */
struct sheet *sheet_ref(struct sheet *s);
void sheet_unref(struct sheet *s);
/* The document in gzip form, made once. */
struct slice sheet_gzip(struct sheet *s);

int event_level_find(const struct event *e, struct slice id); /* index, or -1 */
int64_t event_price(const struct event *e, uint32_t seat);
void event_levels(const struct event *e, struct layout_levels *ret_levels); /* borrows the ids */

struct event_cache;
struct event_wait;

/* OK: `event` is borrowed for the call (event_ref keeps it). NOT_FOUND; TIMEOUT, UNAVAILABLE,
 * CANCELED: not now. */
typedef void (*event_cb)(struct event_wait *wait, enum status status, struct event *event);

/* Embedded by the caller. */
struct event_wait {
    event_cb cb;
    struct list link; /* private */
};

struct event_cache *event_cache_new(struct loop *l, struct db *db, size_t events_max);
void event_cache_free(struct event_cache *c); /* completes what waits with CANCELED, inside the
                                                 call; db must be closed before */

/* What is cached, at most a few seconds old; NULL: ask event_get. Borrowed until the end of this
 * turn. */
struct event *event_peek(struct event_cache *c, uint64_t id);
enum status event_get(struct event_cache *c, uint64_t id, struct event_wait *wait) MUST_CHECK;
/* The event was changed here: the next reader asks PostgreSQL. */
void event_forget(struct event_cache *c, uint64_t id);

#endif
