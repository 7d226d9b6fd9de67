#include "tests/lib/fake_clock.h"

#include "engine/base/mem.h"

static int64_t fake_wall_ms(const struct clock *clock)
{
    return container_of(clock, struct fake_clock, clock)->wall_ms;
}

static int64_t fake_mono_ns(const struct clock *clock)
{
    return container_of(clock, struct fake_clock, clock)->mono_ns;
}

void fake_clock_init(struct fake_clock *f, int64_t wall_ms)
{
    *f = (struct fake_clock){.clock = {.wall_ms = fake_wall_ms, .mono_ns = fake_mono_ns},
                             .wall_ms = wall_ms,
                             .mono_ns = 1000000000};
}

void fake_clock_advance(struct fake_clock *f, int64_t ms)
{
    f->wall_ms += ms;
    f->mono_ns += ms * 1000000;
}

void fake_clock_jump(struct fake_clock *f, int64_t ms)
{
    f->wall_ms += ms;
}
