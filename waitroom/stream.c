#include "waitroom/stream.h"

#include "engine/base/map.h"
#include "engine/base/mem.h"
#include "engine/net/ws.h"

#include <assert.h>

#define FRAME_MAX 512
#define FRAME_NS  (1000 * 1000000LL) /* between frames */
#define REFRESH_NS                                                                                 \
    (10 * FRAME_NS)      /* the same is said again, so that a client knows the stream lives */
#define SWEEP_SLICE 1000 /* frames sent in one turn of the loop: about 6 ms */

struct subscriber {
    struct list link; /* queue->subscribers */
    struct ws *ws;
    struct queue *queue;
    uint64_t sent; /* number of the last frame it got */
};

static void send_frame(struct subscriber *s)
{
    struct queue *q = s->queue;

    s->sent = q->frame_number;
    q->room->metrics.stream_frames_total++;
    ws_send(s->ws, q->frame);
}

/* A subscriber that has not taken the last one yet is left out: the next says more. */
static void offer_frame(struct subscriber *s)
{
    if (s->sent == s->queue->frame_number)
        return;
    if (ws_backlog(s->ws) > 0)
        s->queue->room->metrics.stream_skips_total++;
    else
        send_frame(s);
}

/* Sends to a slice of the subscribers; those served go to the back, so the rest is in front. */
static void sweep_cb(struct turn_end *end)
{
    struct queue *q = container_of(end, struct queue, sweep);

    for (size_t i = 0; i < SWEEP_SLICE && q->sweep_left > 0; i++, q->sweep_left--) {
        struct list *link = list_pop_front(&q->subscribers);

        if (!link) {
            q->sweep_left = 0;
            return;
        }
        list_push_back(&q->subscribers, link);
        offer_frame(list_entry(link, struct subscriber, link));
    }
    if (q->sweep_left > 0)
        loop_defer(q->room->loop, &q->sweep);
}

static struct ws_frame *render(struct queue *q, uint64_t *ret_hash)
{
    struct ws_frame *frame;
    struct buf text;

    buf_init(&text, FRAME_MAX);
    board_frame(&text, &q->line, queue_now_ms(q), false);
    *ret_hash = map_hash(buf_slice(&text));
    buf_clear(&text);
    board_frame(&text, &q->line, queue_now_ms(q), true);
    assert(buf_status(&text) == STATUS_OK);
    frame = ws_frame_new(WS_TEXT, buf_slice(&text));
    buf_free(&text);
    return frame;
}

static void replace_frame(struct queue *q, struct ws_frame *frame, uint64_t hash, int64_t now_ns)
{
    ws_frame_unref(q->frame);
    q->frame = frame;
    q->frame_hash = hash;
    q->frame_ns = now_ns;
    q->frame_number++;
    q->sweep_left = q->subscriber_count;
    loop_defer(q->room->loop, &q->sweep);
}

void stream_offer(struct queue *q)
{
    int64_t now_ns = loop_mono_ns(q->room->loop);
    struct ws_frame *frame;
    uint64_t hash;

    if (q->subscriber_count == 0 || q->sweep_left > 0 ||
        (q->frame && now_ns - q->frame_ns < FRAME_NS))
        return;
    frame = render(q, &hash);
    if (q->frame && hash == q->frame_hash && now_ns - q->frame_ns < REFRESH_NS)
        ws_frame_unref(frame);
    else
        replace_frame(q, frame, hash, now_ns);
}

/* ---- subscribers ---- */

static void closed(struct ws *ws, uint16_t code, void *ctx)
{
    struct subscriber *s = ctx;
    struct queue *q = s->queue;

    (void)ws;
    (void)code;
    list_remove(&s->link);
    q->subscriber_count--;
    if (q->sweep_left > q->subscriber_count)
        q->sweep_left = q->subscriber_count;
    q->room->metrics.stream_subscribers--;
    mem_free(s);
    queue_let_go(q);
}

static const struct ws_ops subscriber_ops = {.closed = closed, .message_max = 128};

/* Gets what the others have; after a quiet time a new frame, which is then for all. */
static void subscribe(struct queue *q, struct subscriber *s)
{
    s->queue = q;
    list_init(&s->link);
    list_push_back(&q->subscribers, &s->link);
    q->subscriber_count++;
    q->room->metrics.stream_subscribers++;
    queue_hold(q);
    stream_offer(q);
    send_frame(s); /* behind the 101, which may still be queued */
}

void stream_get(struct http_request *req, void *ctx)
{
    struct waitroom *w = ctx;
    struct queue *q = queue_enter(w, req, stream_get);
    struct subscriber *s;

    if (!q)
        return;
    if (!ws_origin_ok(req, w->origins)) {
        http_reply_problem(req, PROBLEM_ORIGIN_FORBIDDEN, NULL);
        return;
    }
    s = mem_alloc(sizeof(*s));
    s->ws = ws_accept(req, NULL, &subscriber_ops, s);
    if (s->ws)
        subscribe(q, s);
    else
        mem_free(s);
}

void stream_init(struct queue *q)
{
    list_init(&q->subscribers);
    turn_end_init(&q->sweep, sweep_cb);
}

void stream_free(struct queue *q)
{
    assert(q->subscriber_count == 0);
    turn_end_cancel(&q->sweep);
    ws_frame_unref(q->frame);
}
