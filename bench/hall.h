/* The hall as an onlooker sees it: states of all seats, refreshed over HTTP a few times a second.
 * Fans choose from it, the progress line shows it. */
#ifndef HOLDFAST_BENCH_HALL_H
#define HOLDFAST_BENCH_HALL_H

#include "bench/client.h"
#include "engine/base/rng.h"

#define HALL_PICK_MAX 8

struct hall {
    struct client *client;
    struct loop *loop;
    char path[64];
    uint8_t *states; /* owned; NULL until the first answer */
    uint32_t seat_count, counts[4];
    uint64_t rev;
    struct client_request request;
    struct timer timer;
    bool asking, stopping, closed;
};

void hall_start(struct hall *h, struct loop *l, struct client *client, const char *event);
/* The memory must live until `closed` is true. */
void hall_stop(struct hall *h);
/* Up to `quantity` neighbouring free seats, from a random place on; returns how many. */
size_t hall_pick(const struct hall *h, struct rng *rng, size_t quantity,
                 uint32_t ret_seats[HALL_PICK_MAX]);

static inline bool hall_half_empty(const struct hall *h)
{
    return h->counts[0] * 2 > h->seat_count;
}

static inline bool hall_sold_out(const struct hall *h)
{
    return h->states && h->counts[0] + h->counts[1] == 0;
}

#endif
