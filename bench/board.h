/* The board of a line, as a crowd sees it: one look a moment at GET /v1/queues/{id} serves all who
 * wait, as it does through the cache in front of a real line, and wakes those whose numbers are
 * called. A crowd that watches it needs no request a waiting fan. */
#ifndef HOLDFAST_BENCH_BOARD_H
#define HOLDFAST_BENCH_BOARD_H

#include "bench/client.h"

struct board;
/* Called for each waiter below `serving`, lowest number first. */
typedef void (*board_cb)(struct board *b, void *waiter);

struct board {
    /* private */
    struct client *client;
    struct client_request request;
    struct timer timer;
    char path[64];
    board_cb called;
    struct board_wait {
        int64_t number;
        void *waiter;
    } * waits; /* owned; a heap, the lowest number first */
    size_t count, cap;
    bool asking, stopping, closed;
};

void board_start(struct board *b, struct loop *l, struct client *client, const char *event,
                 board_cb called);
/* `waiter` is told when its number is called, if it still waits. */
void board_wait(struct board *b, int64_t number, void *waiter);
/* Who waits with the lowest number, taken off; NULL when nobody waits. */
void *board_leave(struct board *b);
/* Turn the loop until `closed`, then board_free. */
void board_stop(struct board *b);
void board_free(struct board *b);

#endif
