#include "bench/fan.h"

#include "bench/scan.h"

#include <stdio.h>

const char *const fan_step_names[] = {"join", "poll", "pass", "hold", "book", "leave", NULL};

enum { FAILURES_MAX = 40, TRIES_MAX = 60, RETRY_MS = 500, SOLD_OUT_LOOK_MS = 2000 };

static void step_begin(struct timer *t);

/* ---- moving on ---- */

static void ended(struct fan *f, enum fan_end end)
{
    struct crowd *c = f->crowd;

    f->end = end;
    c->ended[end]++;
    timer_close(&f->timer, NULL);
    if (--c->left == 0)
        c->done(c);
}

/* The next step, `after_ms` from now: that is its intended instant, whenever we get to it. */
static void go(struct fan *f, enum fan_step step, int64_t after_ms)
{
    struct crowd *c = f->crowd;

    if (step != f->step)
        f->failures = 0;
    f->step = step;
    f->intended_ns = loop_mono_ns(c->run->loop) + after_ms * 1000000;
    timer_start(&f->timer, (uint64_t)after_ms, 0);
}

static int64_t think_ms(struct fan *f)
{
    struct crowd *c = f->crowd;
    double ms = rng_exponential(&c->rng, (double)c->think_ms);

    return (int64_t)(ms > 10.0 * (double)c->think_ms ? 10.0 * (double)c->think_ms : ms);
}

static void new_key(struct fan *f)
{
    struct crowd *c = f->crowd;
    struct uuid u = uuid_v7(loop_wall_ms(c->run->loop), &c->rng);

    uuid_format(&u, f->key);
    mem_free(f->hold_body);
    f->hold_body = NULL;
}

/* No answer, 429 or 5xx: the same step again, with the same key. */
static void again(struct fan *f)
{
    if (++f->failures > FAILURES_MAX)
        ended(f, FAN_FAILED);
    else
        go(f, f->step, RETRY_MS + (int64_t)rng_below(&f->crowd->rng, RETRY_MS));
}

/* ---- answers ---- */

static void keep(char **slot, struct slice text)
{
    mem_free(*slot);
    *slot = mem_strndup(text.at, text.len);
}

static void on_join(struct fan *f, int status, struct slice body, struct slice code)
{
    struct slice ticket = scan_str(body, "ticket");

    (void)code;
    if ((status != 200 && status != 201) || !ticket.len) {
        if (status == 403 || status == 404)
            ended(f, FAN_FAILED);
        else
            again(f);
        return;
    }
    f->crowd->joined++;
    keep(&f->ticket, ticket);
    int64_t number = scan_i64(body, "number", -1);
    if (f->crowd->board && number >= 0)
        board_wait(f->crowd->board, number, f);
    else
        go(f, STEP_POLL, scan_i64(body, "nextPollMs", 1000));
}

void fan_called(struct fan *f)
{
    go(f, STEP_PASS, 0);
}

void fan_leave(struct fan *f)
{
    ended(f, FAN_SOLD_OUT);
}

static void on_poll(struct fan *f, int status, struct slice body, struct slice code)
{
    struct slice state = scan_str(body, "state");

    (void)code;
    if (status == 410)
        ended(f, FAN_MISSED);
    else if (status != 200)
        again(f);
    else if (slice_is(state, "missed"))
        ended(f, FAN_MISSED);
    else if (hall_sold_out(f->crowd->hall))
        ended(f, FAN_SOLD_OUT);
    else if (slice_is(state, "called") || slice_is(state, "admitted"))
        go(f, STEP_PASS, 0);
    else
        go(f, STEP_POLL, scan_i64(body, "nextPollMs", 1000));
}

static void on_pass(struct fan *f, int status, struct slice body, struct slice code)
{
    struct slice pass = scan_str(body, "pass");

    (void)code;
    if (status == 202) {
        go(f, STEP_POLL, scan_i64(body, "nextPollMs", 1000));
    } else if (status == 410) {
        ended(f, FAN_MISSED);
    } else if (status != 201 || !pass.len) {
        again(f);
    } else {
        f->crowd->admitted++;
        keep(&f->pass, pass);
        new_key(f);
        go(f, STEP_HOLD, think_ms(f));
    }
}

/* Not this time: another choice after a moment, as long as something may still come free. */
static void choose_again(struct fan *f, struct slice code)
{
    new_key(f);
    if (hall_sold_out(f->crowd->hall) || ++f->tries > TRIES_MAX) {
        go(f, STEP_LEAVE, 0);
    } else if (slice_is(code, "no_block")) {
        f->picky = true; /* whatever the map still shows */
        f->quantity = 1;
        go(f, STEP_HOLD, SOLD_OUT_LOOK_MS);
    } else {
        f->picky = rng_below(&f->crowd->rng, 2);
        go(f, STEP_HOLD, think_ms(f) / 2);
    }
}

static void note_expiry(struct crowd *c, struct slice expires)
{
    int64_t at_ms;

    if (clock_parse(expires, &at_ms) && at_ms > c->last_expiry_ms)
        c->last_expiry_ms = at_ms;
}

static void on_hold(struct fan *f, int status, struct slice body, struct slice code)
{
    struct slice id = scan_str(body, "holdId");

    if (status == 201 && id.len && slice_to_str(id, f->hold_id, sizeof(f->hold_id))) {
        f->crowd->held++;
        f->total = scan_i64(body, "total", 0);
        note_expiry(f->crowd, scan_str(body, "expiresAt"));
        new_key(f);
        if (f->abandons && hall_half_empty(f->crowd->hall))
            ended(f, FAN_WALKED_AWAY); /* without a word: the hold has to expire */
        else
            go(f, STEP_BOOK, think_ms(f));
    } else if (status == 409) {
        choose_again(f, code);
    } else if (status == 401 || status == 403) {
        ended(f, FAN_MISSED); /* took too long: the pass is over */
    } else {
        again(f);
    }
}

static void on_book(struct fan *f, int status, struct slice body, struct slice code)
{
    if (status == 201) {
        buf_append_slice(&f->crowd->run->confirmed, scan_str(body, "bookingId"));
        buf_append_char(&f->crowd->run->confirmed, '\n');
        f->crowd->seats_bought += scan_count(body, "label");
        ended(f, FAN_BOUGHT);
    } else if (status == 202 || slice_is(code, "idempotency_in_flight")) {
        go(f, STEP_BOOK, RETRY_MS); /* the same key: the answer when there is one */
    } else if (status == 402) {
        f->first_card_declined = false; /* the next card works */
        new_key(f);
        go(f, STEP_BOOK, think_ms(f));
    } else if (status == 409 || status == 410) {
        choose_again(f, code);
    } else if (status == 401 || status == 403) {
        ended(f, FAN_MISSED);
    } else {
        again(f);
    }
}

static void on_leave(struct fan *f, int status, struct slice body, struct slice code)
{
    (void)status;
    (void)body;
    (void)code;
    ended(f, FAN_SOLD_OUT);
}

typedef void (*answer_fn)(struct fan *f, int status, struct slice body, struct slice code);

static const answer_fn answer_of[FAN_STEPS] = {on_join, on_poll, on_pass,
                                               on_hold, on_book, on_leave};

static void answered(struct client_request *r, int status, struct slice body)
{
    struct fan *f = container_of(r, struct fan, request);
    struct crowd *c = f->crowd;

    if (c->over)
        return;
    struct slice code = status >= 400 ? scan_str(body, "code") : SLICE_NONE;

    meter_answer(&c->run->meter, f->step, f->intended_ns, loop_mono_ns(c->run->loop), status, code);
    answer_of[f->step](f, status, body, code);
}

/* ---- requests ---- */

static void request(struct fan *f, const char *method, const char *path, const char *scheme,
                    const char *credential, const char *key, const char *body)
{
    char *authorization = NULL;

    if (credential) {
        size_t size = strlen(scheme) + strlen(credential) + 2;
        authorization = mem_alloc(size);
        snprintf(authorization, size, "%s %s", scheme, credential);
    }
    f->request.cb = answered;
    f->request.deadline_ns = 0;
    f->request.first = f->step > STEP_POLL;
    client_request_begin(f->crowd->client, &f->request, method, path, authorization, key, body);
    mem_free(authorization);
    meter_sent(&f->crowd->run->meter, f->step);
    client_submit(f->crowd->client, &f->request);
}

/* The same key always goes with the same body: a request that is repeated must be the same request.
 */
static const char *hold_body(struct fan *f)
{
    uint32_t seats[HALL_PICK_MAX];
    size_t count = f->picky ? hall_pick(f->crowd->hall, &f->crowd->rng, f->quantity, seats) : 0;
    struct buf b;

    if (f->hold_body)
        return f->hold_body;
    buf_init(&b, 1024);
    if (count == 0)
        buf_printf(&b, "{\"bestAvailable\":{\"quantity\":%u}}", f->quantity);
    for (size_t i = 0; i < count; i++)
        buf_printf(&b, "%s\"%u\"", i ? "," : "{\"ticketIds\":[", seats[i]);
    if (count)
        buf_append_str(&b, "]}");
    f->hold_body = mem_strndup(b.at, b.len);
    buf_free(&b);
    return f->hold_body;
}

static void book_body(struct fan *f, char *ret_body, size_t size)
{
    snprintf(ret_body, size,
             "{\"holdId\":\"%s\",\"expectedTotal\":%lld,\"customer\":{\"email\":\"fan-%s@example."
             "org\",\"name\":\"Fan "
             "%.8s\"},\"paymentDetails\":{\"provider\":\"sim\",\"token\":\"%s\"}}",
             f->hold_id, (long long)f->total, f->join_id, f->join_id,
             f->first_card_declined ? "tok_declined" : "tok_visa");
}

/* How late we are ourselves: time that must not be charged to the system unseen. */
static void note_lag(struct fan *f)
{
    struct run *run = f->crowd->run;
    double lag_ms = (double)(loop_mono_ns(run->loop) - f->intended_ns) / 1e6;

    if (lag_ms > run->generator_lag_ms)
        run->generator_lag_ms = lag_ms;
}

static void step_begin(struct timer *t)
{
    struct fan *f = container_of(t, struct fan, timer);
    const char *event = f->crowd->event;
    char path[128], body[512];

    note_lag(f);

    switch (f->step) {
    case STEP_JOIN:
        snprintf(path, sizeof(path), "/v1/queues/%s/tickets", event);
        snprintf(body, sizeof(body), "{\"joinId\":\"%s\"}", f->join_id);
        request(f, "POST", path, NULL, NULL, NULL, body);
        return;
    case STEP_POLL:
        snprintf(path, sizeof(path), "/v1/queues/%s/tickets/me", event);
        request(f, "GET", path, "Ticket", f->ticket, NULL, NULL);
        return;
    case STEP_PASS:
        snprintf(path, sizeof(path), "/v1/queues/%s/passes", event);
        request(f, "POST", path, "Ticket", f->ticket, NULL, "{}");
        return;
    case STEP_HOLD:
        snprintf(path, sizeof(path), "/v1/events/%s/holds", event);
        request(f, "POST", path, "Bearer", f->pass, f->key, hold_body(f));
        return;
    case STEP_BOOK:
        snprintf(path, sizeof(path), "/v1/bookings/%s", event);
        book_body(f, body, sizeof(body));
        request(f, "POST", path, "Bearer", f->pass, f->key, body);
        return;
    case STEP_LEAVE:
        if (!f->pass) {
            ended(f, FAN_SOLD_OUT);
            return;
        }
        snprintf(path, sizeof(path), "/v1/events/%s/session", event);
        request(f, "DELETE", path, "Bearer", f->pass, f->key, NULL);
        return;
    case FAN_STEPS: break;
    }
}

/* ---- life ---- */

void fan_start(struct fan *f, struct crowd *crowd, int64_t intended_ns)
{
    struct rng *rng = &crowd->rng;
    struct uuid u = uuid_v7(loop_wall_ms(crowd->run->loop), rng);
    int64_t wait_ns = intended_ns - loop_mono_ns(crowd->run->loop);

    *f = (struct fan){
        .crowd = crowd, .step = crowd->queue ? STEP_JOIN : STEP_HOLD, .intended_ns = intended_ns};
    uuid_format(&u, f->join_id);
    f->quantity = (uint8_t)(1 + rng_below(rng, 4));
    f->picky = rng_below(rng, 3) == 0;
    f->first_card_declined = rng_below(rng, 20) == 0;
    f->abandons = rng_below(rng, 40) == 0;
    new_key(f);
    timer_init(crowd->run->loop, &f->timer, step_begin);
    timer_start(&f->timer, wait_ns > 0 ? (uint64_t)(wait_ns / 1000000) : 0, 0);
}

void fan_free(struct fan *f)
{
    mem_free(f->ticket);
    mem_free(f->pass);
    mem_free(f->hold_body);
}
