/* When the answer to a request is due: one instant, set when its head has been read and carried
 * through its steps, so that none is begun for which no time is left. (The stores' lists of many
 * deadlines are engine/store/deadline.h.) */
#ifndef HOLDFAST_BASE_DUE_H
#define HOLDFAST_BASE_DUE_H

#include <stdbool.h>
#include <stdint.h>

/* A value, passed by copy. Zeroed: there is no such instant, only the limits of the steps count. */
struct due {
    int64_t at_ns; /* of the monotonic clock */
};

static inline struct due due_in(int64_t now_ns, unsigned ms)
{
    return (struct due){now_ns + (int64_t)ms * 1000000};
}

/* How long a step may take whose own limit is limit_ms: that, or what is left when it is less. 0:
 * nothing is left, it must not begin (kv.h and db.h refuse it with TIMEOUT). */
static inline unsigned due_left_ms(struct due due, int64_t now_ns, unsigned limit_ms)
{
    int64_t left_ms = (due.at_ns - now_ns) / 1000000;

    if (due.at_ns == 0 || left_ms >= (int64_t)limit_ms)
        return limit_ms;
    return left_ms > 0 ? (unsigned)left_ms : 0;
}

static inline bool due_over(struct due due, int64_t now_ns)
{
    return due_left_ms(due, now_ns, 1) == 0;
}

/* Of what is done for two at once: none is later than any. */
static inline struct due due_later(struct due a, struct due b)
{
    if (a.at_ns == 0 || b.at_ns == 0)
        return (struct due){0};
    return a.at_ns > b.at_ns ? a : b;
}

#endif
