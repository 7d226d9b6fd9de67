/* ticket -> number at or past serving: answered from the view, no store is asked
 *        -> below serving: line_claim.lua tells or takes */
#include "waitroom/pass.h"

#include "engine/base/mem.h"
#include "engine/base/uuid.h"
#include "waitroom/meter.h"
#include "waitroom/place.h"
#include "waitroom/queue.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define CALLED_POLL_MS 1000

struct claim {
    struct claim_call call;
    struct http_request *req;
    struct queue *queue;
    uint64_t number;
    char jti[LINE_JTI_SIZE];
    bool take;
};

size_t pass_claim_size(void)
{
    return sizeof(struct claim);
}

void pass_id(const uint8_t salt[16], uint64_t number, char *ret_jti)
{
    uint8_t text[12] = {'p', 'a', 's', 's'}, mac[32];
    struct uuid id;

    put_le64(text + 4, number);
    hmac_sha256(salt, 16, text, sizeof(text), mac);
    memcpy(id.bytes, mac, sizeof(id.bytes));
    id.bytes[6] = (uint8_t)(0x80 | (id.bytes[6] & 0x0f));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    uuid_format(&id, ret_jti);
}

/* ---- answers ---- */

static const char *state_waiting(enum line_phase phase)
{
    if (phase == LINE_CLOSED)
        return "missed";
    return line_numbers_shown(phase) ? "waiting" : "prequeue";
}

/* How the number stands, with 200 for tickets/me and 202 for a pass that is not to be had yet. */
static void answer_standing(struct queue *q, struct http_request *req, uint64_t number,
                            const char *state, bool for_pass)
{
    int64_t now_ms = queue_now_ms(q);
    enum line_phase phase = line_phase(&q->line.settings, now_ms);
    uint64_t ahead = line_ahead(&q->line, number);
    bool shown = line_numbers_shown(phase);
    uint32_t poll_ms = CALLED_POLL_MS;
    struct json_out w;

    if (number >= q->line.serving)
        poll_ms = line_poll_ms(&q->line, phase, ahead, now_ms, &q->room->rng);
    json_begin(&w, req->out);
    json_object_begin(&w);
    if (shown) {
        json_put_int(&w, "number", (int64_t)number);
        json_put_int(&w, "position", (int64_t)ahead);
    } else {
        json_put_null(&w, "number");
        json_put_null(&w, "position");
    }
    json_put_str(&w, "state", slice_str(state));
    board_put_wait(&w, line_wait(&q->line, phase, ahead));
    json_put_int(&w, "nextPollMs", poll_ms);
    json_object_end(&w);
    http_header(req, "Cache-Control", "no-store");
    if (for_pass)
        http_headerf(req, "Retry-After", "%u", (poll_ms + 999) / 1000);
    http_reply(req, for_pass ? 202 : 200, "application/json");
}

static void answer_waiting(struct queue *q, struct http_request *req, uint64_t number,
                           bool for_pass)
{
    enum line_phase phase = line_phase(&q->line.settings, queue_now_ms(q));

    if (for_pass && phase == LINE_CLOSED)
        http_reply_problem(req, PROBLEM_QUEUE_CLOSED, "The queue is closed.");
    else
        answer_standing(q, req, number, state_waiting(phase), for_pass);
}

static void answer_pass(struct queue *q, struct http_request *req, const struct claim *claim)
{
    int64_t expires_s = claim->call.issued_s + LINE_PASS_LIFE_S;
    struct jwt_claims claims = {
        .issuer = "holdfast", .issued_s = claim->call.issued_s, .expires_s = expires_s};
    struct buf token;
    struct json_out w;

    snprintf(claims.subject, sizeof(claims.subject), "%" PRIu64, claim->number);
    snprintf(claims.audience, sizeof(claims.audience), "%" PRIu64, q->event_id);
    memcpy(claims.id, claim->jti, sizeof(claim->jti));
    buf_init(&token, JWT_MAX);
    if (jwt_sign(q->room->signer, &claims, &token) != STATUS_OK) {
        buf_free(&token);
        http_reply_failure(req, STATUS_INTERNAL);
        return;
    }
    json_begin(&w, req->out);
    json_object_begin(&w);
    json_put_str(&w, "pass", buf_slice(&token));
    json_put_time(&w, "expiresAt", expires_s * 1000);
    json_object_end(&w);
    buf_free(&token);
    http_header(req, "Cache-Control", "no-store");
    http_reply(req, claim->call.claim == CLAIM_NEW ? 201 : 200, "application/json");
}

static void answer_missed(struct queue *q, struct http_request *req, const char *why)
{
    q->room->metrics.turns_missed_total++;
    http_reply_problem(req, PROBLEM_TURN_MISSED, why);
}

static void answer_pass_claim(struct queue *q, struct http_request *req, const struct claim *claim)
{
    switch (claim->call.claim) {
    case CLAIM_WAIT:
    case CLAIM_CALLED: answer_waiting(q, req, claim->number, true); return;
    case CLAIM_NEW:
        q->room->metrics.passes_total++;
        answer_pass(q, req, claim);
        return;
    case CLAIM_SAME:
        q->room->metrics.passes_repeated_total++;
        answer_pass(q, req, claim);
        return;
    case CLAIM_ENDED:
        answer_missed(q, req, "The pass of this ticket has been used or has expired.");
        return;
    case CLAIM_MISSED: answer_missed(q, req, "The time to claim the pass is over."); return;
    case CLAIM_CLOSED:
        http_reply_problem(req, PROBLEM_QUEUE_CLOSED, "The queue is closed.");
        return;
    }
    http_reply_failure(req, STATUS_PROTOCOL);
}

static void answer_me_claim(struct queue *q, struct http_request *req, const struct claim *claim)
{
    static const char *const states[] = {
        [CLAIM_CALLED] = "called", [CLAIM_NEW] = "admitted",  [CLAIM_SAME] = "admitted",
        [CLAIM_ENDED] = "missed",  [CLAIM_MISSED] = "missed", [CLAIM_CLOSED] = "missed"};

    if (claim->call.claim == CLAIM_WAIT)
        answer_waiting(q, req, claim->number, false);
    else
        answer_standing(q, req, claim->number, states[claim->call.claim], false);
}

/* ---- the call ---- */

static void end_claim(struct claim *claim, enum status status)
{
    struct queue *q = claim->queue;
    struct http_request *req = claim->req;

    if (status == STATUS_OK && claim->call.call.outcome == LINE_FORGOTTEN) {
        status = STATUS_UNAVAILABLE;
        meter_pass(q); /* finds it missing and has it rebuilt */
    }
    if (status != STATUS_OK)
        http_reply_failure(req, status);
    else if (claim->take)
        answer_pass_claim(q, req, claim);
    else
        answer_me_claim(q, req, claim);
    pool_give(&q->room->claims, claim);
    queue_let_go(q);
}

static void claim_cb(struct line_call *call, enum status status)
{
    struct claim_call *claim_call = container_of(call, struct claim_call, call);

    end_claim(container_of(claim_call, struct claim, call), status);
}

static void start_claim(struct queue *q, struct http_request *req, uint64_t number, bool take)
{
    struct claim *claim = pool_take(&q->room->claims);
    enum status status;

    if (!claim) {
        http_reply_failure(req, STATUS_OVERLOADED);
        return;
    }
    claim->req = req;
    claim->queue = q;
    claim->number = number;
    claim->take = take;
    pass_id(q->line.salt, number, claim->jti);
    queue_hold(q);
    claim->call.call.cb = claim_cb;
    status = line_store_claim(q->room->kv, &claim->call, q->event_id, number, claim->jti, take,
                              http_left_ms(req, LINE_DEADLINE_MS));
    if (status != STATUS_OK)
        end_claim(claim, status);
}

/* ---- after Redis was lost ---- */

static void back_cb(struct line_call *call, enum status status)
{
    struct claim_call *claim_call = container_of(call, struct claim_call, call);
    struct claim *claim = container_of(claim_call, struct claim, call);
    struct queue *q = claim->queue;

    (void)status; /* the next request of this ticket says it again */
    pool_give(&q->room->claims, claim);
    queue_let_go(q);
}

/* Nobody knows which numbers below old_high were given: those who show such a ticket are noted as
 * present. */
static void note_back(struct queue *q, uint64_t number)
{
    struct claim *claim = pool_take(&q->room->claims);

    if (!claim)
        return;
    claim->queue = q;
    claim->call.call.cb = back_cb;
    if (line_store_back(q->room->kv, &claim->call.call, q->event_id, number) != STATUS_OK) {
        pool_give(&q->room->claims, claim);
        return;
    }
    queue_hold(q);
}

/* ---- requests ---- */

/* The ticket of the request, or the problem is answered. */
static bool read_ticket(struct queue *q, struct http_request *req, struct place *ret_place)
{
    struct slice text = http_credential(req, "Ticket");
    enum status status = STATUS_UNAUTHORIZED;

    if (text.at)
        status = place_open(q->room->keys, text, q->event_id, queue_now_ms(q) / 1000, ret_place);
    if (status == STATUS_OK && ret_place->number < q->line.first)
        status = STATUS_EXPIRED; /* of a line that was reset */
    if (status == STATUS_OK)
        return true;
    q->room->metrics.tickets_refused_total++;
    if (status == STATUS_EXPIRED) {
        http_reply_problem(req, PROBLEM_TICKET_EXPIRED, NULL);
    } else {
        http_header(req, "WWW-Authenticate", "Ticket");
        http_reply_problem(req, PROBLEM_TICKET_INVALID, NULL);
    }
    return false;
}

static void handle(struct http_request *req, struct queue *q, bool take)
{
    struct place place;

    if (!read_ticket(q, req, &place))
        return;
    if (place.number >= q->line.serving && place.number < q->line.old_high)
        note_back(q, place.number);
    if (place.number >= q->line.serving)
        answer_waiting(q, req, place.number, take);
    else
        start_claim(q, req, place.number, take);
}

void pass_get_me(struct http_request *req, void *ctx)
{
    struct queue *q = queue_enter(ctx, req, pass_get_me);

    if (q)
        handle(req, q, false);
}

void pass_post(struct http_request *req, void *ctx)
{
    struct queue *q = queue_enter(ctx, req, pass_post);

    if (q)
        handle(req, q, true);
}
