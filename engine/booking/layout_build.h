/* A layout under construction: rows and seats are appended, limits and names are checked here and
 * nowhere else. */
#ifndef HOLDFAST_BOOKING_LAYOUT_BUILD_H
#define HOLDFAST_BOOKING_LAYOUT_BUILD_H

#include "engine/base/map.h"
#include "engine/booking/layout.h"

struct layout_builder {
    struct layout *l; /* owned until build_end */
    const struct layout_levels *levels;
    size_t sections_cap, rows_cap, seats_cap, areas_cap;
    struct map labels, ids; /* of what is there already */
    char *why;
    size_t why_size;
};

void build_begin(struct layout_builder *b, const struct layout_levels *levels, char *ret_why,
                 size_t why_size);
/* Each false when what is given is not acceptable: the reason is in `why`. A row belongs to the
 * last section, a seat to the last row. */
bool build_section(struct layout_builder *b, struct slice id, struct slice name);
bool build_row(struct layout_builder *b, struct slice name);
bool build_seat(struct layout_builder *b, struct slice label, double x, double y,
                struct slice level, uint8_t flags);
bool build_area(struct layout_builder *b, struct slice id, struct slice name, int64_t capacity,
                struct slice level, double x, double y, double w, double h);
bool build_refuse(struct layout_builder *b, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* says why; false */
/* `good`: the layout is handed out if it has seats at all; else it is freed. */
enum status build_end(struct layout_builder *b, bool good, struct layout **ret_layout) MUST_CHECK;

#endif
