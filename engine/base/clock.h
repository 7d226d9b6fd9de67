/* Time behind a table, so that tests and the simulation own it. */
#ifndef HOLDFAST_BASE_CLOCK_H
#define HOLDFAST_BASE_CLOCK_H

#include "engine/base/slice.h"

struct clock {
    int64_t (*wall_ms)(const struct clock *clock); /* milliseconds since 1970-01-01 UTC; may jump */
    int64_t (*mono_ns)(const struct clock *clock); /* nanoseconds; never goes backwards */
};

/* The system's clocks. */
extern const struct clock clock_system;

static inline int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock);
}

static inline int64_t clock_mono_ns(const struct clock *clock)
{
    return clock->mono_ns(clock);
}

/* RFC 3339 UTC with milliseconds, "2026-11-21T10:11:30.123Z": CLOCK_TEXT_SIZE bytes with the NUL.
 */
#define CLOCK_TEXT_SIZE 25
void clock_format(int64_t wall_ms, char ret_text[CLOCK_TEXT_SIZE]);
/* Takes RFC 3339 with any offset and fraction; false when malformed. */
bool clock_parse(struct slice text, int64_t *ret_wall_ms);

#endif
