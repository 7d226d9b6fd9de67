/* Waiting in tests: turns a loop until something is true, and ends the test when it does not become
 * true in time. */
#ifndef HOLDFAST_TESTS_UNTIL_H
#define HOLDFAST_TESTS_UNTIL_H

#include "engine/net/loop.h"

/* LOOP_UNTIL(&loop, calls == 3, 2000); time is real, in milliseconds. */
#define LOOP_UNTIL(l, condition, timeout_ms)                                                       \
    do {                                                                                           \
        struct until until_;                                                                       \
        until_begin(&until_, (l), (timeout_ms), #condition, __FILE__, __LINE__);                   \
        while (!(condition))                                                                       \
            until_turn(&until_);                                                                   \
        until_end(&until_);                                                                        \
    } while (0)

/* Private: LOOP_UNTIL's. */
struct until {
    struct loop *loop;
    uv_timer_t *tick; /* so that no turn sleeps longer; freed by libuv's close */
    int64_t end_ns;
    const char *condition, *file;
    int line;
};

void until_begin(struct until *u, struct loop *l, int timeout_ms, const char *condition,
                 const char *file, int line);
void until_turn(struct until *u); /* aborts when the time is over */
void until_end(struct until *u);

#endif
