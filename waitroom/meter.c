/* A pass and what follows from it:
 *
 *   meter_pass -> line_meter.lua -> pass_cb -+- forgotten ---> recover_start (recover.c) ->
 * meter_pass
 *                                            +- persist -----> ledger_mark -> line_confirm.lua
 * (only now `serving` moves)
 *                                            +- want --------> ledger_reserve -> line_reserve.lua
 *                                            +- view: waiting requests, board, stream
 *
 * Both ledger writes name the epoch: PostgreSQL refuses whoever still works for a line that is no
 * more. A step that fails is not repeated here; the line keeps a lease on it for a second, then
 * asks the next pass. */
#include "waitroom/meter.h"

#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "waitroom/join.h"
#include "waitroom/recover.h"
#include "waitroom/stream.h"

#define TICK_MS   100
#define CALM_MS   1000 /* between passes of a line in which nothing happens */
#define LIVELY_MS 2000 /* a line stays lively so long after something happened */
#define UNUSED_MS 60000
#define MS        1000000LL

/* ---- numbers ---- */

static void end_reserve(struct queue *q, enum status status)
{
    q->reserving = false;
    if (status != STATUS_OK)
        log_warn("meter", "numbers could not be reserved", log_u64("queue", q->event_id),
                 log_status(status));
    join_reserved(q, status);
    queue_let_go(q);
}

static void reserve_line_cb(struct line_call *call, enum status status)
{
    struct queue *q = container_of(call, struct queue, reserve_line);

    if (status == STATUS_OK && !call->accepted)
        status = STATUS_UNAVAILABLE; /* the line is another by now */
    end_reserve(q, status);
}

static void reserve_ledger_cb(struct ledger_call *call, enum status status)
{
    struct queue *q = container_of(call, struct queue, reserve_ledger);

    if (status == STATUS_OK && !call->found)
        status = STATUS_UNAVAILABLE;
    if (status == STATUS_OK) {
        q->room->metrics.reserves_total++;
        q->reserve_line.cb = reserve_line_cb;
        status = line_store_reserve(q->room->kv, &q->reserve_line, q->event_id, q->reserve_epoch,
                                    call->record.number_high);
        if (status == STATUS_OK)
            return;
    }
    end_reserve(q, status);
}

void meter_reserve(struct queue *q, uint64_t high)
{
    enum status status;

    if (q->reserving)
        return;
    q->reserving = true;
    q->reserve_epoch = q->line.epoch;
    queue_hold(q);
    q->reserve_ledger.cb = reserve_ledger_cb;
    status = ledger_reserve(q->room->db, &q->reserve_ledger, q->event_id, q->reserve_epoch, high);
    if (status != STATUS_OK)
        end_reserve(q, status);
}

/* ---- settings ---- */

static void settings_cb(struct line_call *call, enum status status)
{
    struct queue *q = container_of(call, struct queue, settings_line);

    (void)status; /* the next write to the ledger tells of them again */
    q->pushing = false;
    queue_let_go(q);
}

void meter_push_settings(struct queue *q, const struct line_settings *settings)
{
    if (q->pushing)
        return;
    q->settings_line.cb = settings_cb;
    if (line_store_settings(q->room->kv, &q->settings_line, q->event_id, settings) != STATUS_OK)
        return;
    q->pushing = true;
    queue_hold(q);
}

/* ---- the watermark ---- */

static void end_mark(struct queue *q, enum status status)
{
    q->marking = false;
    if (status != STATUS_OK) {
        q->room->metrics.watermark_failures_total++;
        log_warn("meter", "watermark not written, people wait", log_u64("queue", q->event_id),
                 log_status(status));
    }
    queue_let_go(q);
}

static void mark_line_cb(struct line_call *call, enum status status)
{
    struct queue *q = container_of(call, struct queue, mark_line);

    if (status == STATUS_OK && !call->accepted)
        status = STATUS_UNAVAILABLE;
    q->passed_ns = 0; /* show what moved */
    end_mark(q, status);
}

static void mark_ledger_cb(struct ledger_call *call, enum status status)
{
    struct queue *q = container_of(call, struct queue, mark_ledger);

    if (status == STATUS_OK && !call->found)
        status = STATUS_CONFLICT; /* another epoch has begun */
    if (status == STATUS_OK) {
        q->room->metrics.watermarks_total++;
        if (call->record.settings.version > q->line.settings.version)
            meter_push_settings(q, &call->record.settings);
        q->mark_line.cb = mark_line_cb;
        status = line_store_confirm(q->room->kv, &q->mark_line, q->event_id, q->mark_epoch,
                                    q->mark_target, q->mark_settled);
        if (status == STATUS_OK)
            return;
    }
    end_mark(q, status);
}

static void mark(struct queue *q, uint64_t target)
{
    enum status status;

    if (q->marking)
        return;
    q->marking = true;
    q->mark_target = target;
    q->mark_settled = q->line.settled;
    q->mark_epoch = q->line.epoch;
    queue_hold(q);
    q->mark_ledger.cb = mark_ledger_cb;
    status = ledger_mark(q->room->db, &q->mark_ledger, q->event_id, q->mark_epoch, target,
                         q->mark_settled);
    if (status != STATUS_OK)
        end_mark(q, status);
}

/* ---- a pass ---- */

static bool same_picture(const struct line *a, const struct line *b)
{
    return a->serving == b->serving && a->next == b->next && a->epoch == b->epoch &&
           a->settings.version == b->settings.version && a->seats_left == b->seats_left;
}

static void take_view(struct queue *q, const struct meter_call *m)
{
    int64_t now_ns = loop_mono_ns(q->room->loop);

    if (!same_picture(&q->line, &m->line))
        q->moved_ns = now_ns;
    q->line = m->line;
    q->line_ns = now_ns;
    q->line_gen++;
    if (m->persist)
        mark(q, m->target);
    if (m->want > 0)
        meter_reserve(q, m->want);
    if (q->state != QUEUE_READY)
        queue_settle(q, QUEUE_READY);
    stream_offer(q);
}

static void pass_cb(struct line_call *call, enum status status)
{
    struct meter_call *m = container_of(call, struct meter_call, call);
    struct queue *q = container_of(m, struct queue, meter);

    q->metering = false;
    if (status != STATUS_OK) {
        q->room->metrics.meter_failures_total++;
        if (q->state == QUEUE_LOADING)
            queue_settle(q, QUEUE_FAILED);
    } else if (call->outcome == LINE_FORGOTTEN) {
        recover_start(q);
    } else {
        q->room->metrics.meter_passes_total++;
        take_view(q, m);
    }
    queue_let_go(q);
}

/* Half a tick early is in time. */
static bool due(const struct queue *q, int64_t now_ns)
{
    bool lively = q->line.next > q->line.serving || now_ns - q->moved_ns < LIVELY_MS * MS;

    return now_ns - q->passed_ns >= ((lively ? TICK_MS : CALM_MS) - TICK_MS / 2) * MS;
}

static enum status submit_pass(struct queue *q)
{
    enum status status;

    q->passed_ns = loop_mono_ns(q->room->loop);
    q->meter.call.cb = pass_cb;
    status = line_store_meter(q->room->kv, &q->meter, q->event_id);
    if (status != STATUS_OK) {
        q->room->metrics.meter_failures_total++;
        return status;
    }
    q->metering = true;
    queue_hold(q);
    return STATUS_OK;
}

void meter_pass(struct queue *q)
{
    if (!q->metering && !q->recovering)
        (void)!submit_pass(q);
}

/* Loading starts inside a request: a failure is told from a later turn, by the tick. */
void meter_load(struct queue *q)
{
    if (!q->metering && !q->recovering && submit_pass(q) != STATUS_OK)
        q->passed_ns = 0;
}

static void tick_queue(struct queue *q, int64_t now_ns)
{
    if (q->metering || q->recovering || !due(q, now_ns))
        return;
    if (q->state == QUEUE_LOADING) {
        if (submit_pass(q) != STATUS_OK)
            queue_settle(q, QUEUE_FAILED);
    } else if (q->state == QUEUE_READY) {
        meter_pass(q);
    }
}

void meter_wake(struct queue *q)
{
    q->moved_ns = loop_mono_ns(q->room->loop);
}

static void visit(struct queue *q, int64_t now_ns)
{
    struct waitroom *w = q->room;

    if (q->state == QUEUE_READY && q->line.pressure > w->metrics.line_pressure)
        w->metrics.line_pressure = q->line.pressure;
    if (q->subscriber_count > 0)
        q->used_ns = now_ns;
    if (now_ns - q->used_ns < UNUSED_MS * MS)
        tick_queue(q, now_ns);
}

static void tick_cb(struct timer *timer)
{
    struct meter *m = container_of(timer, struct meter, timer);

    m->room->metrics.line_pressure = 0;
    queues_walk(m->room->queues, visit, loop_mono_ns(m->room->loop));
}

void meter_start(struct meter *m, struct waitroom *w)
{
    m->room = w;
    timer_init(w->loop, &m->timer, tick_cb);
    timer_start(&m->timer, TICK_MS, TICK_MS);
}

void meter_stop(struct meter *m)
{
    timer_stop(&m->timer);
    timer_close(&m->timer, NULL);
}
