/* The queues a worker knows: found by event id, loaded on first use, metered while somebody asks
 * for them, forgotten when nobody does. Bounded. */
#ifndef HOLDFAST_WAITROOM_QUEUE_H
#define HOLDFAST_WAITROOM_QUEUE_H

#include "waitroom/board.h"
#include "waitroom/ledger.h"
#include "waitroom/line_store.h"
#include "waitroom/waitroom.h"

/* NEW -> LOADING -> READY -> NEW (asleep: nobody asked for a minute)
 *               \-> ABSENT -> NEW (after a second)
 *                \-> FAILED -> NEW (after a fifth of a second) */
enum queue_state { QUEUE_NEW, QUEUE_LOADING, QUEUE_READY, QUEUE_ABSENT, QUEUE_FAILED };

struct queue {
    /* for all, read only */
    uint64_t event_id;
    struct waitroom *room;
    enum queue_state state;
    struct line line;  /* READY: as last seen; before: what an earlier time left */
    int64_t line_ns;   /* when */
    uint64_t line_gen; /* raised with every view */
    struct board board;

    /* private, each band of its file */
    struct list link; /* queue.c: by use */
    struct list waiters;
    int64_t used_ns, until_ns;
    unsigned busy; /* calls that will still come back */

    int64_t passed_ns, moved_ns; /* meter.c */
    struct meter_call meter;
    bool metering;
    struct ledger_call mark_ledger;
    struct line_call mark_line;
    uint64_t mark_target, mark_settled;
    uint32_t mark_epoch;
    bool marking;
    struct ledger_call reserve_ledger;
    struct line_call reserve_line;
    uint32_t reserve_epoch;
    bool reserving;
    struct line_call settings_line;
    bool pushing;

    struct ledger_call recover_ledger; /* recover.c */
    struct line_call recover_line;
    char recover_token[40];
    size_t recover_spent; /* sessions ended again so far */
    bool recovering;

    struct list joins; /* join.c: waiting for the end of the turn */
    struct turn_end join_end;
    unsigned join_batches; /* under way */
    bool starving;         /* until numbers are reserved */

    struct list subscribers; /* stream.c */
    size_t subscriber_count, sweep_left;
    struct ws_frame *frame;
    int64_t frame_ns;
    uint64_t frame_hash, frame_number;
    struct turn_end sweep;
};

size_t queue_waiter_size(void); /* for the pool */
struct queues *queues_new(struct waitroom *w);
void queues_free(struct queues *qs);
/* Visits all; none is added or forgotten meanwhile. */
void queues_walk(struct queues *qs, void (*visit)(struct queue *q, int64_t now_ns), int64_t now_ns);

/* The queue of {eventId}, ready. NULL: the request was answered (404, 503) or waits, then `handler`
 * is called again with it. */
struct queue *queue_enter(struct waitroom *w, struct http_request *req, http_handler_fn handler);
/* What is known without asking; NULL: nothing. */
struct queue *queue_find(struct waitroom *w, uint64_t event_id);
/* Something changed that this worker knows first (an admin call): look again at once. */
void queue_look_again(struct queue *q);
/* Loading has ended: the waiting requests are answered. */
void queue_settle(struct queue *q, enum queue_state state);
/* Redis time, estimated from the last view. */
int64_t queue_now_ms(const struct queue *q);
/* Pairs around every call whose callback touches the queue. */
void queue_hold(struct queue *q);
void queue_let_go(struct queue *q);

#endif
