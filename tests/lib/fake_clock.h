/* A clock that stands still until the test moves it. */
#ifndef HOLDFAST_TESTS_FAKE_CLOCK_H
#define HOLDFAST_TESTS_FAKE_CLOCK_H

#include "engine/base/clock.h"

struct fake_clock {
    struct clock clock; /* what the code under test gets: &fake.clock */
    int64_t wall_ms, mono_ns;
};

void fake_clock_init(struct fake_clock *f, int64_t wall_ms);
void fake_clock_advance(struct fake_clock *f, int64_t ms); /* both times */
void fake_clock_jump(
    struct fake_clock *f,
    int64_t ms); /* the wall alone, as when somebody sets the time; may be negative */

#endif
