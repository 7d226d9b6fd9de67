/* Writing events into PostgreSQL: a new one with its layout and seats, a new layout before the
 * sale, seats blocked and unblocked. */
#ifndef HOLDFAST_BOOKING_EVENT_STORE_H
#define HOLDFAST_BOOKING_EVENT_STORE_H

#include "engine/booking/event_form.h"
#include "engine/store/db.h"

struct event_write;
/* OK: event_id is set. CONFLICT (layout): something is sold already. NOT_FOUND (layout). Else as
 * db.h. */
typedef void (*event_write_cb)(struct event_write *write, enum status status);

/* Embedded by the caller. */
struct event_write {
    event_write_cb cb;
    uint64_t event_id;
    const struct event_form *form; /* of a new event; borrowed until the callback */
    /* private */
    struct db *db;
    struct db_request request;
};

/* A new event: takes an id, then one statement writes everything. */
enum status event_create(struct db *db, struct event_write *write) MUST_CHECK;
/* Replaces the layout of write->event_id, if nothing of it is sold. Prices come from the event's
 * levels. The versions of all seats rise, so no hold of an old seat commits. */
enum status event_replace_layout(struct db *db, struct event_write *write,
                                 const struct layout *layout,
                                 const struct layout_levels *levels) MUST_CHECK;

#endif
