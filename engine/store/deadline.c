#include "engine/store/deadline.h"

static int64_t tick_of(int64_t ns)
{
    return ns / (DEADLINE_TICK_MS * INT64_C(1000000));
}

void deadlines_init(struct deadlines *d, int64_t now_ns)
{
    for (size_t i = 0; i < DEADLINE_SLOTS; i++)
        list_init(&d->slots[i]);
    d->tick = tick_of(now_ns);
}

void deadlines_add(struct deadlines *d, struct list *link, int64_t at_ns)
{
    int64_t tick = tick_of(at_ns) + 1; /* by then it has passed */

    if (tick <= d->tick)
        tick = d->tick + 1;
    list_push_back(&d->slots[(uint64_t)tick % DEADLINE_SLOTS], link);
}

static void expire_slot(struct list *slot, int64_t now_ns, deadline_of_fn deadline_of,
                        struct list *ret_expired)
{
    list_for_each_safe (link, slot) {
        if (deadline_of(link) > now_ns)
            continue; /* a later turn of the wheel */
        list_remove(link);
        list_push_back(ret_expired, link);
    }
}

void deadlines_expire(struct deadlines *d, int64_t now_ns, deadline_of_fn deadline_of,
                      struct list *ret_expired)
{
    int64_t until = tick_of(now_ns);

    if (until - d->tick > DEADLINE_SLOTS)
        d->tick = until - DEADLINE_SLOTS;
    while (d->tick < until) {
        d->tick++;
        expire_slot(&d->slots[(uint64_t)d->tick % DEADLINE_SLOTS], now_ns, deadline_of,
                    ret_expired);
    }
}
