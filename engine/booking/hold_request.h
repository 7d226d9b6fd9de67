/* What a body of POST holds and PATCH hold asks for: parsed, bounded, in canonical form. */
#ifndef HOLDFAST_BOOKING_HOLD_REQUEST_H
#define HOLDFAST_BOOKING_HOLD_REQUEST_H

#include "engine/booking/layout.h"
#include "engine/booking/seat_store.h"

enum hold_kind { HOLD_BY_SEATS, HOLD_BEST_AVAILABLE, HOLD_AREA };

#define HOLD_EXTEND_MAX_SECONDS 3600

struct hold_wish {
    enum hold_kind kind;
    uint32_t seats[HOLD_SEATS_MAX]; /* sorted, distinct */
    size_t seat_count;
    uint32_t quantity;
    char level[LAYOUT_NAME_MAX + 1], section[LAYOUT_NAME_MAX + 1],
        area[LAYOUT_NAME_MAX + 1]; /* "": any */
    bool accessible;
};

struct hold_change_wish {
    int64_t extend_seconds; /* 0: not asked */
    uint32_t add[HOLD_SEATS_MAX],
        remove[HOLD_SEATS_MAX]; /* sorted, distinct, without common ones */
    size_t add_count, remove_count;
};

/* A JSON array of at most HOLD_SEATS_MAX seat ids, sorted; `name` is the field's. */
enum status hold_seats_read(json_t *list, const char *name, uint32_t *ret_seats, size_t *ret_count,
                            char *ret_why, size_t why_size) MUST_CHECK;
/* STATUS_INVALID: ret_why names the field. */
enum status hold_wish_read(json_t *body, struct hold_wish *ret_wish, char *ret_why,
                           size_t why_size) MUST_CHECK;
enum status hold_change_read(json_t *body, struct hold_change_wish *ret_wish, char *ret_why,
                             size_t why_size) MUST_CHECK;

/* {"ticketIds":[..]} alone, 1 to HOLD_SEATS_MAX. */
enum status seat_list_read(json_t *body, uint32_t ret_seats[HOLD_SEATS_MAX], size_t *ret_count,
                           char *ret_why, size_t why_size) MUST_CHECK;

/* Hex SHA-256 over the meaning: the same for bodies that differ in order or spaces only. `about` is
 * the call: "hold <event>", "change <hold id>". */
void hold_wish_fingerprint(const struct hold_wish *w, const char *about, char ret_hex[65]);
void hold_change_fingerprint(const struct hold_change_wish *w, const char *about, char ret_hex[65]);

#endif
