/* Deadlines of many requests: a hashed timing wheel (Varghese & Lauck 1987), O(1) to add and remove
 * whatever the mix of deadlines. */
#ifndef HOLDFAST_STORE_DEADLINE_H
#define HOLDFAST_STORE_DEADLINE_H

#include "engine/base/list.h"

#include <stdint.h>

#define DEADLINE_TICK_MS 10 /* how late an expiry may be noticed */
#define DEADLINE_SLOTS   256

/* A link is in at most one slot; list_remove takes it out. Times are of the monotonic clock. */
struct deadlines {
    struct list slots[DEADLINE_SLOTS];
    int64_t tick; /* private: the last that was looked at */
};

/* Reads the deadline out of the object that embeds `link`. */
typedef int64_t (*deadline_of_fn)(const struct list *link);

void deadlines_init(struct deadlines *d, int64_t now_ns);
void deadlines_add(struct deadlines *d, struct list *link, int64_t at_ns);
/* Moves everything whose time has come to the back of `ret_expired`. Call it every DEADLINE_TICK_MS
 * while there is something to wait for. */
void deadlines_expire(struct deadlines *d, int64_t now_ns, deadline_of_fn deadline_of,
                      struct list *ret_expired);

#endif
