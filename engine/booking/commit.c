#include "engine/booking/commit.h"

#include "engine/base/log.h"
#include "engine/booking/commit_batch.h"

#include <assert.h>

#define LEASE_MS        15000
#define BATCHES_DEFAULT 4

struct lane {
    struct commit *commit;
    enum commit_lane kind;
    struct list waiting; /* struct commit_item */
    size_t waiting_count, in_flight;
    struct list idle; /* struct commit_batch */
    struct timer timer;
    bool due; /* the oldest has waited long enough */
};

struct commit {
    struct loop *loop;
    struct db *db;
    struct lane lanes[COMMIT_LANES];
    size_t batches_max;
    struct commit_batch *batches; /* owned, of both lanes */
    struct turn_end flush;
    struct commit_metrics metrics;
    struct metric_group group;
    bool stopped;
};

#define METRIC_ROW_TAG commit_metrics
static const struct metric_desc descs[] = {COMMIT_METRICS(METRIC_ROW_)};

struct metric_group *commit_metrics(struct commit *c)
{
    return &c->group;
}

static bool sells(enum commit_lane lane)
{
    return lane == COMMIT_NEW || lane == COMMIT_PAID;
}

static void count_waiting(struct lane *lane, int64_t more)
{
    lane->waiting_count = (size_t)((int64_t)lane->waiting_count + more);
    if (sells(lane->kind))
        lane->commit->metrics.commit_waiting += more;
}

static void finish(struct commit *c, struct commit_item *item, enum status status)
{
    if (sells(item->lane) && c->metrics.commit_us.counts)
        hist_record(&c->metrics.commit_us,
                    (uint64_t)(loop_mono_ns(c->loop) - item->submitted_ns) / 1000);
    item->cb(item, status);
}

/* ---- a batch comes back ---- */

static void requeue(struct lane *lane, struct commit_item *item)
{
    list_push_front(&lane->waiting, &item->link);
    count_waiting(lane, 1);
}

/* Another transaction had the key, or a seat had a live ticket that its row denies. Nothing of the
 * batch happened. */
static void repeat(struct lane *lane, struct commit_batch *b)
{
    bool ticket = strcmp(b->request.error.constraint, "ticket_one_live") == 0;

    lane->commit->metrics.commit_repeats_total++;
    for (size_t i = b->count; i-- > 0;) {
        struct commit_item *item = b->items[i];

        item->attempts++;
        if (ticket && item->alone) {
            item->known = false;
            item->booking_id = item->row->booking_id;
            item->state = item->lane == COMMIT_NEW ? BOOKING_LOST : BOOKING_AUTHORIZED;
            item->outcome = OUTCOME_SEAT_TAKEN;
            finish(lane->commit, item, STATUS_OK);
        } else if (item->attempts > 4) {
            finish(lane->commit, item, STATUS_UNAVAILABLE);
        } else {
            item->alone = ticket || item->attempts > 1;
            requeue(lane, item);
        }
    }
}

static void complete(struct lane *lane, struct commit_batch *b, enum status status)
{
    for (size_t i = 0; i < b->count; i++) {
        if (!status && b->items[i]->outcome != OUTCOME_SOLD && !b->items[i]->known)
            lane->commit->metrics.commit_lost_total++;
        finish(lane->commit, b->items[i], status);
    }
}

static void batch_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct commit_batch *b = container_of(request, struct commit_batch, request);
    struct commit *c = b->commit;
    struct lane *lane = &c->lanes[b->lane];

    lane->in_flight--;
    if (status == STATUS_CONFLICT && !c->stopped) {
        repeat(lane, b);
    } else {
        if (!status && !commit_batch_read(b, result))
            status = STATUS_PROTOCOL;
        if (status)
            c->metrics.commit_failures_total++;
        if (status == STATUS_INVALID)
            log_error("commit", "refused by the database",
                      log_str("sqlstate", request->error.sqlstate),
                      log_str("message", request->error.message));
        complete(lane, b, status);
    }
    list_push_back(&lane->idle, &b->link);
    lane->due = lane->due || lane->waiting_count;
    if (!c->stopped)
        loop_defer(c->loop, &c->flush);
}

/* ---- a batch goes out ---- */

static void dequeue(struct lane *lane, struct commit_item *item)
{
    list_remove(&item->link);
    count_waiting(lane, -1);
}

/* The batch is due when the last of its items is. Whoever is too late for it goes to `late`. */
static struct due fill(struct lane *lane, struct commit_batch *b, int64_t now_ns, struct list *late)
{
    struct due due = {.at_ns = now_ns};

    commit_batch_clear(b, lane->kind);
    list_for_each_safe (it, &lane->waiting) {
        struct commit_item *item = list_entry(it, struct commit_item, link);

        if (b->count == COMMIT_BATCH_MAX)
            break;
        if (due_over(item->due, now_ns)) {
            dequeue(lane, item);
            list_push_back(late, &item->link);
        } else if (commit_batch_add(b, item)) {
            dequeue(lane, item);
            due = due_later(due, item->due);
        }
    }
    return due;
}

static void count_sent(struct commit *c, const struct commit_batch *b)
{
    if (sells(b->lane)) {
        c->metrics.commit_batches_total++;
        c->metrics.commit_bookings_total += b->count;
    } else {
        c->metrics.move_batches_total++;
        c->metrics.moves_total += b->count;
    }
}

/* A failed submit must not call back inside the caller's: the flush runs at the end of the turn,
 * never inside commit_submit. */
static void send_batch(struct lane *lane)
{
    struct commit *c = lane->commit;
    struct commit_batch *b = list_entry(list_pop_front(&lane->idle), struct commit_batch, link);
    struct slice params[COMMIT_PARAMS_MAX];
    const struct db_statement *statement;
    int64_t now_ns = loop_mono_ns(c->loop);
    struct list late, *link;
    struct due due;
    enum status status;

    list_init(&late);
    due = fill(lane, b, now_ns, &late);
    while ((link = list_pop_front(&late)))
        finish(c, list_entry(link, struct commit_item, link), STATUS_TIMEOUT);
    if (b->count == 0) {
        list_push_back(&lane->idle, &b->link);
        return;
    }
    statement = commit_batch_params(b, LEASE_MS, params);
    b->request.cb = batch_cb;
    count_sent(c, b);
    lane->in_flight++;
    status = db_query(c->db, &b->request, statement, params,
                      due_left_ms(due, now_ns, COMMIT_DEADLINE_MS));
    if (status) {
        lane->in_flight--;
        list_push_back(&lane->idle, &b->link);
        complete(lane, b, status);
    }
}

static void flush_lane(struct lane *lane)
{
    while (lane->waiting_count && !list_empty(&lane->idle) &&
           (lane->due || lane->in_flight == 0 || lane->waiting_count >= COMMIT_BATCH_MAX)) {
        lane->due = false;
        send_batch(lane);
    }
    if (lane->waiting_count && !list_empty(&lane->idle) && !timer_active(&lane->timer))
        timer_start(&lane->timer, COMMIT_GATHER_MS, 0);
}

static void flush_cb(struct turn_end *end)
{
    struct commit *c = container_of(end, struct commit, flush);

    for (size_t i = 0; i < COMMIT_LANES; i++)
        flush_lane(&c->lanes[i]);
}

static void gathered_cb(struct timer *t)
{
    struct lane *lane = container_of(t, struct lane, timer);

    lane->due = true;
    flush_lane(lane);
}

enum status commit_submit(struct commit *c, struct commit_item *item)
{
    struct lane *lane = &c->lanes[item->lane];

    assert(item->row->seat_count <= HOLD_SEATS_MAX);
    if (c->stopped)
        return STATUS_CANCELED;
    if (lane->waiting_count >= COMMIT_WAITING_MAX)
        return STATUS_OVERLOADED;
    item->submitted_ns = loop_mono_ns(c->loop);
    if (due_over(item->due, item->submitted_ns))
        return STATUS_TIMEOUT;
    item->attempts = 0;
    item->alone = false;
    list_push_back(&lane->waiting, &item->link);
    count_waiting(lane, 1);
    loop_defer(c->loop, &c->flush);
    return STATUS_OK;
}

/* ---- life ---- */

static void init_lane(struct commit *c, enum commit_lane kind, struct commit_batch *batches,
                      size_t count)
{
    struct lane *lane = &c->lanes[kind];

    lane->commit = c;
    lane->kind = kind;
    list_init(&lane->waiting);
    list_init(&lane->idle);
    timer_init(c->loop, &lane->timer, gathered_cb);
    for (size_t i = 0; i < count; i++) {
        commit_batch_init(&batches[i]);
        batches[i].commit = c;
        batches[i].lane = kind;
        list_push_back(&lane->idle, &batches[i].link);
    }
}

struct commit *commit_new(struct loop *l, struct db *db, size_t batches)
{
    struct commit *c = mem_alloc(sizeof(*c));

    c->loop = l;
    c->db = db;
    c->batches_max = batches ? batches : BATCHES_DEFAULT;
    c->batches = mem_alloc(COMMIT_LANES * c->batches_max * sizeof(*c->batches));
    for (size_t i = 0; i < COMMIT_LANES; i++)
        init_lane(c, (enum commit_lane)i, c->batches + i * c->batches_max, c->batches_max);
    turn_end_init(&c->flush, flush_cb);
    c->group =
        (struct metric_group){.descs = descs, .count = array_len(descs), .base = &c->metrics};
    list_init(&c->group.link);
    return c;
}

void commit_stop(struct commit *c)
{
    c->stopped = true;
    turn_end_cancel(&c->flush);
    for (size_t i = 0; i < array_len(c->lanes); i++) {
        struct lane *lane = &c->lanes[i];
        struct list *link;

        timer_close(&lane->timer, NULL);
        while ((link = list_pop_front(&lane->waiting)))
            finish(c, list_entry(link, struct commit_item, link), STATUS_CANCELED);
        lane->waiting_count = 0;
    }
}

void commit_free(struct commit *c)
{
    assert(c->stopped);
    for (size_t i = 0; i < COMMIT_LANES; i++)
        assert(c->lanes[i].in_flight == 0);
    for (size_t i = 0; i < COMMIT_LANES * c->batches_max; i++)
        commit_batch_free(&c->batches[i]);
    mem_free(c->batches);
    metric_group_free(&c->group);
    mem_free(c);
}
