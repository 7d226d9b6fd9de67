/* request -> queue->joins -> (end of the turn) batch -> line_join.lua -> answers
 *                ^                                          |
 *                +--- numbers reserved <--- meter_reserve --+ number -1 */
#include "waitroom/join.h"

#include "engine/base/mem.h"
#include "engine/base/uuid.h"
#include "waitroom/meter.h"
#include "waitroom/place.h"

#include <stdio.h>

#define TRIES_MAX 8 /* times that others took the numbers just reserved */

struct join {
    struct list link;
    struct http_request *req;
    uint8_t id[LINE_JOIN_ID_SIZE];
    unsigned tries;
};

struct join_batch {
    struct join_call call;
    struct queue *queue;
    struct join *joins[LINE_JOINS_MAX];
};

size_t join_size(void)
{
    return sizeof(struct join);
}

size_t join_batch_size(void)
{
    return sizeof(struct join_batch);
}

/* ---- answers ---- */

static void answer_ticket(struct queue *q, struct http_request *req, const struct join_slot *slot,
                          uint32_t epoch)
{
    int64_t now_ms = queue_now_ms(q);
    enum line_phase phase = line_phase(&q->line.settings, now_ms);
    uint64_t number = (uint64_t)slot->number, ahead = line_ahead(&q->line, number);
    bool shown = line_numbers_shown(phase);
    struct place place = {.event_id = q->event_id, .number = number, .epoch = epoch};
    char text[TOKEN_TEXT_MAX + 1];
    struct json_out w;

    place.issued_s = (uint32_t)(q->line.born_ms / 1000 + slot->given_s);
    place.expires_s = place.issued_s + PLACE_LIFE_S;
    memcpy(place.session, slot->id, sizeof(place.session));
    json_begin(&w, req->out);
    json_object_begin(&w);
    json_put_str(&w, "ticket", slice_of(text, place_seal(q->room->keys, &place, text)));
    if (shown) {
        json_put_int(&w, "number", (int64_t)number);
    } else {
        json_put_null(&w, "number");
    }
    json_put_str(&w, "phase", slice_str(line_phase_name(phase)));
    if (shown)
        json_put_int(&w, "position", (int64_t)ahead);
    else
        json_put_null(&w, "position");
    board_put_wait(&w, line_wait(&q->line, phase, ahead));
    json_put_int(&w, "nextPollMs", line_poll_ms(&q->line, phase, ahead, now_ms, &q->room->rng));
    json_object_end(&w);
    http_header(req, "Cache-Control", "no-store");
    http_reply(req, slot->fresh ? 201 : 200, "application/json");
}

static void answer_closed(struct queue *q, struct http_request *req)
{
    enum line_phase phase = line_phase(&q->line.settings, queue_now_ms(q));

    http_reply_problem(req, PROBLEM_QUEUE_CLOSED,
                       phase == LINE_IDLE ? "The queue has not opened yet."
                                          : "The queue is closed.");
}

/* ---- batches ---- */

static void answer_join(struct join_batch *batch, size_t i, struct list *starved)
{
    struct queue *q = batch->queue;
    struct waitroom *w = q->room;
    struct join *join = batch->joins[i];
    const struct join_slot *slot = &batch->call.slots[i];
    struct http_request *req = join->req;

    if (slot->number == LINE_NUMBER_NONE && ++join->tries < TRIES_MAX) {
        list_push_back(starved, &join->link);
        return;
    }
    pool_give(&w->joins, join);
    if (slot->number == LINE_NUMBER_NONE) {
        http_reply_failure(req, STATUS_UNAVAILABLE);
    } else if (slot->number == LINE_NUMBER_CLOSED) {
        answer_closed(q, req);
    } else {
        if (slot->fresh)
            meter_wake(q);
        *(slot->fresh ? &w->metrics.joins_total : &w->metrics.joins_repeated_total) += 1;
        answer_ticket(q, req, slot, batch->call.epoch);
    }
}

static void fail_join(struct waitroom *w, struct join *join, enum status status)
{
    struct http_request *req = join->req;

    pool_give(&w->joins, join);
    http_reply_failure(req, status);
}

static void fail_joins(struct queue *q, enum status status)
{
    struct list *link;

    while ((link = list_pop_front(&q->joins)))
        fail_join(q->room, list_entry(link, struct join, link), status);
}

/* Those for whom no number was reserved go back to the head of the list until there are more. */
static void wait_for_numbers(struct queue *q, struct list *starved, uint64_t next)
{
    uint64_t missing = 0;

    list_splice(starved, &q->joins);
    list_splice(&q->joins, starved);
    list_for_each (it, &q->joins)
        missing++;
    q->starving = true;
    meter_reserve(q, next + missing + q->meter.ahead);
}

static void batch_cb(struct line_call *line_call, enum status status)
{
    struct join_call *call = container_of(line_call, struct join_call, call);
    struct join_batch *batch = container_of(call, struct join_batch, call);
    struct queue *q = batch->queue;
    uint64_t next = call->next;
    struct list starved;

    list_init(&starved);
    if (status == STATUS_OK && line_call->outcome == LINE_FORGOTTEN) {
        status = STATUS_UNAVAILABLE;
        meter_pass(q); /* finds it missing and has it rebuilt */
    }
    for (size_t i = 0; i < call->count; i++) {
        if (status == STATUS_OK)
            answer_join(batch, i, &starved);
        else
            fail_join(q->room, batch->joins[i], status);
    }
    q->join_batches--;
    pool_give(&q->room->join_batches, batch);
    if (!list_empty(&starved))
        wait_for_numbers(q, &starved, next);
    else if (!list_empty(&q->joins))
        loop_defer(q->room->loop, &q->join_end);
    queue_let_go(q);
}

/* Whoever has no time left is left out. Returns how long the call may take: as long as the last of
 * those in it has. */
static unsigned fill(struct join_batch *batch, struct queue *q)
{
    int64_t now_ns = loop_mono_ns(q->room->loop);
    unsigned longest_ms = 0;
    struct list *link;

    batch->queue = q;
    batch->call.count = 0;
    batch->call.call.cb = batch_cb;
    while (batch->call.count < LINE_JOINS_MAX && (link = list_pop_front(&q->joins))) {
        struct join *join = list_entry(link, struct join, link);
        unsigned left_ms = due_left_ms(join->req->due, now_ns, LINE_DEADLINE_MS);

        if (left_ms == 0) {
            fail_join(q->room, join, STATUS_TIMEOUT);
            continue;
        }
        longest_ms = left_ms > longest_ms ? left_ms : longest_ms;
        memcpy(batch->call.slots[batch->call.count].id, join->id, sizeof(join->id));
        batch->joins[batch->call.count++] = join;
    }
    return longest_ms;
}

static void send_batch(struct queue *q, struct join_batch *batch)
{
    unsigned deadline_ms = fill(batch, q);
    enum status status = STATUS_TIMEOUT;

    if (batch->call.count > 0)
        status = line_store_join(q->room->kv, &batch->call, q->event_id, deadline_ms);
    if (status == STATUS_OK) {
        q->room->metrics.join_calls_total++;
        q->join_batches++;
        queue_hold(q);
        return;
    }
    for (size_t i = 0; i < batch->call.count; i++)
        fail_join(q->room, batch->joins[i], status);
    pool_give(&q->room->join_batches, batch);
}

/* Without a batch left the joins stay: a batch of this queue that comes back sends the next. */
static void join_end_cb(struct turn_end *end)
{
    struct queue *q = container_of(end, struct queue, join_end);

    while (!list_empty(&q->joins) && !q->starving) {
        struct join_batch *batch = pool_take(&q->room->join_batches);

        if (batch)
            send_batch(q, batch);
        else if (q->join_batches > 0)
            return;
        else
            fail_joins(q, STATUS_OVERLOADED);
    }
}

void join_reserved(struct queue *q, enum status status)
{
    bool starving = q->starving;

    q->starving = false;
    if (status != STATUS_OK && starving)
        fail_joins(q, STATUS_UNAVAILABLE);
    else if (!list_empty(&q->joins))
        loop_defer(q->room->loop, &q->join_end);
}

/* ---- the request ---- */

/* The join id as the line keeps it: keyed by the line's salt, so that nobody can choose the bucket,
 * cut to 12 bytes. */
static void hash_join_id(const struct queue *q, const struct uuid *join_id,
                         uint8_t ret_id[LINE_JOIN_ID_SIZE])
{
    uint8_t mac[32];

    hmac_sha256(q->line.salt, sizeof(q->line.salt), join_id->bytes, sizeof(join_id->bytes), mac);
    memcpy(ret_id, mac, LINE_JOIN_ID_SIZE);
}

enum status join_id_read(json_t *body, struct uuid *ret_id, char *ret_why, size_t why_size)
{
    struct slice text = SLICE_NONE;
    const struct json_field fields[] = {
        {.key = "joinId", .kind = JSON_KIND_STR, .out = &text, .required = true, .max = 64},
    };
    enum status status = json_read(body, fields, array_len(fields), NULL, ret_why, why_size);

    if (status == STATUS_OK && !uuid_parse(text, ret_id)) {
        snprintf(ret_why, why_size, "joinId must be a UUID.");
        status = STATUS_INVALID;
    }
    return status;
}

static bool read_join_id(struct http_request *req, struct uuid *ret_id)
{
    json_t *body = http_body_json(req);
    char why[160];
    enum status status;

    if (!body)
        return false;
    status = join_id_read(body, ret_id, why, sizeof(why));
    if (status != STATUS_OK)
        http_reply_problem(req, PROBLEM_INVALID, why);
    json_decref(body);
    return status == STATUS_OK;
}

void join_post(struct http_request *req, void *ctx)
{
    struct waitroom *w = ctx;
    struct queue *q = queue_enter(w, req, join_post);
    struct uuid join_id;
    struct join *join;

    if (!q || !read_join_id(req, &join_id))
        return;
    join = pool_take(&w->joins);
    if (!join) {
        http_reply_failure(req, STATUS_OVERLOADED);
        return;
    }
    list_init(&join->link);
    join->req = req;
    join->tries = 0;
    hash_join_id(q, &join_id, join->id);
    list_push_back(&q->joins, &join->link);
    loop_defer(w->loop, &q->join_end);
}

void join_init(struct queue *q)
{
    list_init(&q->joins);
    turn_end_init(&q->join_end, join_end_cb);
}

void join_free(struct queue *q)
{
    turn_end_cancel(&q->join_end);
}
