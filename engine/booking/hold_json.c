#include "engine/booking/hold_json.h"

#include "engine/base/mem.h"

#include <stdio.h>

static void write_ticket(struct json_out *w, const struct event *event, uint32_t seat,
                         uint32_t version)
{
    struct buf label;

    buf_init(&label, 256);
    layout_label(event->sheet->layout, seat, &label);
    json_object_begin(w);
    json_put_id(w, "id", seat);
    json_put_str(w, "label", buf_slice(&label));
    json_put_int(w, "version", version);
    json_put_int(w, "price", event_price(event, seat));
    json_object_end(w);
    buf_free(&label);
}

void hold_write(struct json_out *w, const struct event *event, const struct hold *hold,
                int64_t server_ms)
{
    int64_t total = 0;

    json_object_begin(w);
    json_put_str(w, "holdId", slice_str(hold->id));
    json_key(w, "fence");
    json_u64(w, hold->fence);
    json_key(w, "tickets");
    json_array_begin(w);
    for (size_t i = 0; i < hold->seat_count; i++) {
        if (hold->seats[i] >= event->sheet->layout->seat_count)
            continue; /* the layout was replaced by a smaller one since */
        write_ticket(w, event, hold->seats[i], hold->versions[i]);
        total += event_price(event, hold->seats[i]);
    }
    json_array_end(w);
    json_put_int(w, "total", total);
    json_put_str(w, "currency", slice_str(event->currency));
    json_put_time(w, "expiresAt", hold->expires_ms);
    json_put_time(w, "serverNow", server_ms);
    json_object_end(w);
}

void hold_reply(struct http_request *req, int http_status, const struct event *event,
                const struct hold *hold, int64_t server_ms)
{
    struct json_out w;

    json_begin(&w, req->out);
    hold_write(&w, event, hold, server_ms);
    http_header(req, "Cache-Control", "no-store");
    http_reply(req, http_status, "application/json");
}

static void reply_limit(struct http_request *req, const struct hold_call *call)
{
    static const char *const details[] = {
        [HOLD_LIMIT_SEATS] = "More seats than one shopper may have.",
        [HOLD_LIMIT_HOLDS] = "More holds than one shopper may have.",
        [HOLD_LIMIT_COOL_DOWN] = "Too many holds were left to expire: a pause is needed.",
    };

    if (call->limit == HOLD_LIMIT_COOL_DOWN)
        http_headerf(req, "Retry-After", "%lld",
                     (long long)((call->until_ms - call->server_ms + 999) / 1000));
    http_reply_problem(req, PROBLEM_HOLD_LIMIT, details[call->limit]);
}

void hold_reply_refusal(struct http_request *req, const struct hold_call *call)
{
    static const struct {
        enum problem problem;
        const char *detail;
    } table[] = {
        [HOLD_KEY_MISMATCH] = {PROBLEM_IDEMPOTENCY_MISMATCH, NULL},
        [HOLD_SESSION_ENDED] = {PROBLEM_PASS_SPENT, NULL},
        [HOLD_EXPIRED] = {PROBLEM_HOLD_EXPIRED, NULL},
        [HOLD_NOT_FOUND] = {PROBLEM_NOT_FOUND, "There is no such hold."},
        [HOLD_CAP] = {PROBLEM_HOLD_LIMIT, "A hold cannot be extended past its absolute end."},
        [HOLD_PAYING] = {PROBLEM_CONFLICT, "A payment for this hold is under way."},
        [HOLD_EMPTY] =
            {PROBLEM_INVALID,
             "A hold needs at least one seat, and only seats of the hold can be removed from it."},
    };

    if (call->outcome == HOLD_LIMIT)
        reply_limit(req, call);
    else if (call->outcome < array_len(table) && table[call->outcome].problem != 0)
        http_reply_problem(req, table[call->outcome].problem, table[call->outcome].detail);
    else
        http_reply_failure(req, STATUS_INTERNAL);
}

void hold_reply_taken(struct http_request *req, const struct hold_call *call,
                      const uint32_t *alternative, size_t alternative_count)
{
    static const char *const reasons[] = {[SEAT_FREE] = "unknown",
                                          [SEAT_HELD] = "held",
                                          [SEAT_SOLD] = "sold",
                                          [SEAT_BLOCKED] = "blocked"};
    struct json_out w = http_problem_begin(req, PROBLEM_SEAT_UNAVAILABLE, NULL);

    json_key(&w, "unavailable");
    json_array_begin(&w);
    for (size_t i = 0; i < call->refused_count; i++) {
        json_object_begin(&w);
        json_put_id(&w, "id", call->refused[i]);
        json_put_str(&w, "reason", slice_str(reasons[call->refused_why[i]]));
        json_object_end(&w);
    }
    json_array_end(&w);
    if (alternative) {
        json_key(&w, "alternative");
        json_array_begin(&w);
        for (size_t i = 0; i < alternative_count; i++) {
            char id[16];

            json_str(&w, slice_of(id, (size_t)snprintf(id, sizeof(id), "%u", alternative[i])));
        }
        json_array_end(&w);
    }
    http_problem_end(req, &w, PROBLEM_SEAT_UNAVAILABLE);
}
