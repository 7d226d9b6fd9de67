#include "bench/board.h"

#include "bench/scan.h"

#include <stdio.h>

enum { LOOK_MS = 250 };

/* ---- the heap ---- */

static void swap(struct board *b, size_t i, size_t k)
{
    struct board_wait w = b->waits[i];

    b->waits[i] = b->waits[k];
    b->waits[k] = w;
}

void board_wait(struct board *b, int64_t number, void *waiter)
{
    size_t i = b->count++;

    if (i == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 1024;
        b->waits = mem_resize(b->waits, b->cap * sizeof(*b->waits));
    }
    b->waits[i] = (struct board_wait){number, waiter};
    for (; i > 0 && b->waits[i].number < b->waits[(i - 1) / 2].number; i = (i - 1) / 2)
        swap(b, i, (i - 1) / 2);
}

void *board_leave(struct board *b)
{
    if (b->count == 0)
        return NULL;
    void *waiter = b->waits[0].waiter;
    b->waits[0] = b->waits[--b->count];
    for (size_t i = 0, k; (k = 2 * i + 1) < b->count; i = k) {
        if (k + 1 < b->count && b->waits[k + 1].number < b->waits[k].number)
            k++;
        if (b->waits[i].number <= b->waits[k].number)
            break;
        swap(b, i, k);
    }
    return waiter;
}

/* ---- looking ---- */

static void closed_cb(struct timer *t)
{
    container_of(t, struct board, timer)->closed = true;
}

static void answer_cb(struct client_request *r, int status, struct slice body)
{
    struct board *b = container_of(r, struct board, request);
    int64_t serving = status == 200 ? scan_i64(body, "serving", 0) : 0;

    b->asking = false;
    while (b->count && b->waits[0].number < serving)
        b->called(b, board_leave(b));
    if (b->stopping)
        timer_close(&b->timer, closed_cb);
    else
        timer_start(&b->timer, LOOK_MS, 0);
}

static void look_cb(struct timer *t)
{
    struct board *b = container_of(t, struct board, timer);

    b->asking = true;
    b->request.cb = answer_cb;
    b->request.deadline_ns = 0;
    client_request_begin(b->client, &b->request, "GET", b->path, NULL, NULL, NULL);
    client_submit(b->client, &b->request);
}

void board_start(struct board *b, struct loop *l, struct client *client, const char *event,
                 board_cb called)
{
    *b = (struct board){.client = client, .called = called};
    snprintf(b->path, sizeof(b->path), "/v1/queues/%s", event);
    timer_init(l, &b->timer, look_cb);
    timer_start(&b->timer, 0, 0);
}

void board_stop(struct board *b)
{
    b->stopping = true;
    if (!b->asking)
        timer_close(&b->timer, closed_cb);
}

void board_free(struct board *b)
{
    mem_free(b->waits);
}
