/* The steps; whichever fails ends it, and the meter comes back to it:
 *
 *   find        is there such a queue at all?                      no: ABSENT
 *   right       {e}:q:recover, one worker at a time, 3 s           taken: the other one does it
 *   new epoch   in PostgreSQL: whoever works for the old line is refused from here on, so what is
 * read now stays true booked      sessions that ended with a booking are ended again in Redis, in
 * portions load        line_load.lua, refused when the right has passed to another meter_pass  the
 * view */
#include "waitroom/recover.h"

#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/uuid.h"
#include "waitroom/meter.h"

static void end_recovery(struct queue *q, enum status status)
{
    q->recovering = false;
    mem_free(q->recover_ledger.sessions);
    q->recover_ledger.sessions = NULL;
    if (status != STATUS_OK) {
        log_warn("recover", "line not rebuilt", log_u64("queue", q->event_id), log_status(status));
        if (q->state == QUEUE_LOADING)
            queue_settle(q, QUEUE_FAILED);
    } else {
        meter_pass(q);
    }
    queue_let_go(q);
}

static void load_cb(struct line_call *call, enum status status)
{
    struct queue *q = container_of(call, struct queue, recover_line);
    const struct line_record *record = &q->recover_ledger.record;

    if (status == STATUS_OK && call->accepted) {
        q->room->metrics.recoveries_total++;
        log_info("recover", "line built", log_u64("queue", q->event_id),
                 log_u64("epoch", record->epoch), log_u64("watermark", record->watermark),
                 log_u64("number_high", record->number_high));
    }
    end_recovery(q, status);
}

static void spend_cb(struct line_call *call, enum status status);

/* The next portion of sessions, or the line when there are no more. */
static enum status spend_or_load(struct queue *q)
{
    const struct ledger_call *ledger = &q->recover_ledger;
    size_t left = ledger->session_count - q->recover_spent;
    size_t count = left < LINE_SPENT_MAX ? left : LINE_SPENT_MAX;
    const char(*at)[LINE_JTI_SIZE] = ledger->sessions + q->recover_spent;

    if (count == 0) {
        q->recover_line.cb = load_cb;
        return line_store_load(q->room->kv, &q->recover_line, q->event_id, q->recover_token,
                               &ledger->record, q->room->pause_ms);
    }
    q->recover_spent += count;
    q->recover_line.cb = spend_cb;
    return line_store_spent(q->room->kv, &q->recover_line, q->event_id, at, count);
}

static void spend_cb(struct line_call *call, enum status status)
{
    struct queue *q = container_of(call, struct queue, recover_line);

    if (status == STATUS_OK)
        status = spend_or_load(q);
    if (status != STATUS_OK)
        end_recovery(q, status);
}

static void booked_cb(struct ledger_call *call, enum status status)
{
    struct queue *q = container_of(call, struct queue, recover_ledger);

    q->recover_spent = 0;
    if (status == STATUS_OK)
        status = spend_or_load(q);
    if (status != STATUS_OK)
        end_recovery(q, status);
}

static void epoch_cb(struct ledger_call *call, enum status status)
{
    struct queue *q = container_of(call, struct queue, recover_ledger);

    if (status == STATUS_OK && !call->found)
        status = STATUS_NOT_FOUND;
    if (status == STATUS_OK) {
        call->cb = booked_cb;
        status = ledger_booked(q->room->db, call, q->event_id);
    }
    if (status != STATUS_OK)
        end_recovery(q, status);
}

static void right_cb(struct line_call *call, enum status status)
{
    struct queue *q = container_of(call, struct queue, recover_line);

    if (status == STATUS_OK && !call->accepted) {
        q->recovering = false; /* another worker is at it: the tick looks whether it is done */
        queue_let_go(q);
        return;
    }
    if (status == STATUS_OK) {
        q->recover_ledger.cb = epoch_cb;
        status = ledger_new_epoch(q->room->db, &q->recover_ledger, q->event_id);
    }
    if (status != STATUS_OK)
        end_recovery(q, status);
}

static void find_cb(struct ledger_call *call, enum status status)
{
    struct queue *q = container_of(call, struct queue, recover_ledger);

    if (status == STATUS_OK && !call->found) {
        q->recovering = false;
        queue_settle(q, QUEUE_ABSENT);
        queue_let_go(q);
        return;
    }
    if (status == STATUS_OK) {
        struct uuid token = uuid_v4_secret();

        uuid_format(&token, q->recover_token);
        q->recover_line.cb = right_cb;
        status = line_store_recover(q->room->kv, &q->recover_line, q->event_id, q->recover_token);
    }
    if (status != STATUS_OK)
        end_recovery(q, status);
}

void recover_start(struct queue *q)
{
    enum status status;

    if (q->recovering)
        return;
    q->recovering = true;
    queue_hold(q);
    q->recover_ledger.cb = find_cb;
    status = ledger_find(q->room->db, &q->recover_ledger, q->event_id);
    if (status != STATUS_OK)
        end_recovery(q, status);
}
