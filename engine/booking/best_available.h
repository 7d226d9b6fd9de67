/* Choosing seats for somebody who asks for a number of them side by side. Pure: a layout, the
 * states as known, a request and a seed in, seats out. */
#ifndef HOLDFAST_BOOKING_BEST_AVAILABLE_H
#define HOLDFAST_BOOKING_BEST_AVAILABLE_H

#include "engine/base/rng.h"
#include "engine/booking/layout.h"
#include "engine/booking/view.h"

struct best_request {
    uint32_t quantity;
    int level;       /* index, -1: any */
    int section;     /* index, -1: any */
    bool accessible; /* at least one wheelchair place among them; without it none is ever given, nor
                        a companion's place */
    bool near;       /* closeness to near_x, near_y comes before everything but orphans: for the
                        substitute of a block that was refused */
    float near_x, near_y;
    unsigned attempt; /* how often rivals were faster: widens the choice */
};

/* `quantity` seats side by side in one row, of one price level. Of all such blocks: first those
 * that leave no single seat alone in its row; then the better price level (event's order), no
 * restricted view, the row nearer the front, the middle of the row; among about equally good ones
 * by lot, so that rivals do not run into each other. Cost: one look at each seat. False when there
 * is no block. */
bool best_available(const struct layout *l, const struct view *v,
                    const struct best_request *request, struct rng *rng, uint32_t *ret_seats);

/* A block of as many seats near the given ones, for a 409. False when there is none. */
bool best_alternative(const struct layout *l, const struct view *v, const uint32_t *wanted,
                      size_t count, struct rng *rng, uint32_t *ret_seats);

#endif
