/* What the body of POST /admin/v1/events asks for: checked, with its layout built. */
#ifndef HOLDFAST_BOOKING_EVENT_FORM_H
#define HOLDFAST_BOOKING_EVENT_FORM_H

#include "engine/booking/layout.h"

/* Slices point into the body, which must live as long. */
struct event_form {
    struct slice name, type, currency;
    json_t *venue, *performers;
    int64_t starts_ms;
    bool queue, charge;
    int64_t max_seats, max_holds, hold_seconds, cap_seconds, payment_seconds;
    struct layout_levels levels;
    struct slice level_names[LAYOUT_LEVELS_MAX];
    int64_t amounts[LAYOUT_LEVELS_MAX];
    struct layout *layout; /* owned */
};

/* STATUS_INVALID: ret_why names the field. */
enum status event_form_read(json_t *body, struct event_form *ret_form, char *ret_why,
                            size_t why_size) MUST_CHECK;
void event_form_free(struct event_form *f);

/* {"layout":{...}} or {"arena":{"seats":N}}: the two members of which one is needed. */
enum status layout_form_read(json_t *layout, json_t *arena, const struct layout_levels *levels,
                             struct layout **ret_layout, char *ret_why, size_t why_size) MUST_CHECK;

#endif
