#include "tests/lib/until.h"

#include "engine/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static void nothing(uv_timer_t *timer)
{
    (void)timer;
}

static void tick_free(uv_handle_t *handle)
{
    mem_free(handle);
}

/* A slow build or machine gets more time; meson's own limits grow by the same factor. */
static int patience(void)
{
    const char *factor = getenv("HOLDFAST_TEST_PATIENCE");

    return factor && atoi(factor) > 0 ? atoi(factor) : 1;
}

void until_begin(struct until *u, struct loop *l, int timeout_ms, const char *condition,
                 const char *file, int line)
{
    *u = (struct until){l,
                        mem_alloc(sizeof(uv_timer_t)),
                        clock_mono_ns(&clock_system) + timeout_ms * INT64_C(1000000) * patience(),
                        condition,
                        file,
                        line};
    uv_timer_init(&l->uv, u->tick);
    uv_timer_start(u->tick, nothing, 10, 10);
}

void until_turn(struct until *u)
{
    if (clock_mono_ns(&clock_system) > u->end_ns) {
        fprintf(stderr, "%s:%d: did not become true in time: %s\n", u->file, u->line, u->condition);
        abort();
    }
    loop_turn(u->loop, true);
}

void until_end(struct until *u)
{
    uv_close((uv_handle_t *)u->tick, tick_free);
}
