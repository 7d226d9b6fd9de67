#include "tests/lib/rig.h"

#include "engine/store/db_pq.h"
#include "engine/store/kv_redis.h"
#include "tests/lib/port.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- processes ---- */

void rig_paysim_start(struct rig_servers *s)
{
    char port[8], journal[200];

    snprintf(port, sizeof(port), "%u", s->port);
    snprintf(journal, sizeof(journal), "%s/journal", s->dir.path);
    s->paysim = fork();
    if (s->paysim == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(PAYSIM, PAYSIM, "--port", port, "--journal", journal, "--slow-ms", "200", "--late-ms",
              "3000", "--hang-ms", "2500", "--log-level", "error", NULL);
        _exit(127);
    }
    cr_assert(port_wait(s->port, 10000), "the payment simulator does not start");
}

void rig_paysim_kill9(struct rig_servers *s)
{
    kill(s->paysim, SIGKILL);
    waitpid(s->paysim, NULL, 0);
}

void rig_servers_start(struct rig_servers *s, int seats)
{
    s->postgres = servers_postgres_start();
    s->redis = servers_redis_start();
    s->dir = temp_dir_new();
    s->port = port_free();
    snprintf(s->payment_url, sizeof(s->payment_url), "http://127.0.0.1:%u", s->port);
    rig_paysim_start(s);
    sale_prepare(s->postgres, seats, true, false);
}

void rig_servers_stop(struct rig_servers *s)
{
    rig_paysim_kill9(s);
    temp_dir_free(&s->dir);
    server_stop(s->redis);
    server_stop(s->postgres);
}

/* ---- the engine ---- */

void rig_open(struct rig *r, const struct rig_servers *s)
{
    memset(r, 0, sizeof(*r));
    loop_init(&r->loop, &clock_system);
    r->kv = kv_redis_new(&r->loop, &(struct kv_redis_options){.address = s->redis->address});
    r->db = db_pq_new(&r->loop, &(struct db_pq_options){.conninfo = s->postgres->address,
                                                        .connections = 2,
                                                        .application = "rig"});
    r->seats = seat_store_new(&r->loop, r->kv, r->db);
    r->commit = commit_new(&r->loop, r->db, 2);
    r->client = http_client_new(&r->loop, "sim");
    r->purchases = (struct purchases){.loop = &r->loop,
                                      .db = r->db,
                                      .seats = r->seats,
                                      .commit = r->commit,
                                      .lease_ms = 2000,
                                      .poll_ms = 100};
    r->purchases.providers[0] = (struct payment_provider){.ops = &payment_sim,
                                                          .url = s->payment_url,
                                                          .webhook_secret = "secret",
                                                          .deadline_ms = 1000,
                                                          .client = r->client};
    purchases_init(&r->purchases, 64);
    refunds_init(&r->refunds, &r->purchases, 64);
    LOOP_UNTIL(&r->loop, db_ready(r->db, NULL) && kv_ready(r->kv, NULL), 10000);
}

void rig_close(struct rig *r)
{
    purchases_stop(&r->purchases);
    if (r->completer.purchases)
        completer_close(&r->completer);
    commit_stop(r->commit);
    seat_store_stop(r->seats);
    http_client_free(r->client);
    kv_close(r->kv);
    db_close(r->db);
    loop_free(&r->loop);
    commit_free(r->commit);
    seat_store_free(r->seats);
    refunds_free(&r->refunds);
    purchases_free(&r->purchases);
}

/* ---- buying ---- */

struct waiting_hold {
    struct hold_call call;
    int calls;
    enum status status;
};

static void hold_cb(struct hold_call *call, enum status status)
{
    struct waiting_hold *w = container_of(call, struct waiting_hold, call);

    w->calls++;
    w->status = status;
}

void rig_hold(struct rig *r, uint32_t first, size_t count, struct hold *ret_hold)
{
    const struct hold_terms terms = {.ttl_ms = r->hold_ms ? r->hold_ms : 60000,
                                     .cap_ms = 120000,
                                     .max_seats = 100,
                                     .max_holds = 100};
    struct waiting_hold w = {.call.cb = hold_cb};

    hold_id_make(SALE_EVENT, w.call.hold.id);
    w.call.hold.event_id = SALE_EVENT;
    w.call.hold.seat_count = count;
    for (size_t i = 0; i < count; i++)
        w.call.hold.seats[i] = first + (uint32_t)i;
    cr_assert_eq(seat_store_place(r->seats, &w.call, &terms), STATUS_OK);
    LOOP_UNTIL(&r->loop, w.calls == 1, 5000);
    cr_assert(w.status == STATUS_OK && w.call.outcome == HOLD_GRANTED);
    *ret_hold = w.call.hold;
}

static void decided_cb(struct purchase *p, enum status status)
{
    struct rig_answer *a = p->decided_ctx;

    a->calls++;
    a->status = status;
    a->verdict = p->verdict;
    a->state = purchase_row(p)->state;
    a->outcome = purchase_row(p)->outcome;
    a->booking_id = purchase_row(p)->booking_id;
}

void rig_buy(struct rig *r, const struct hold *hold, const char *token, const struct uuid *idem,
             struct rig_answer *answer)
{
    struct purchase *p = purchase_take(&r->purchases);
    struct purchase_row *row = purchase_row(p);

    *answer = (struct rig_answer){.calls = 0};
    p->decided = decided_cb;
    p->decided_ctx = answer;
    if (r->request_ms)
        p->due = due_in(loop_mono_ns(&r->loop), r->request_ms);
    row->event_id = SALE_EVENT;
    row->booking_id = uuid_v4_secret();
    row->idem = idem ? *idem : uuid_v4_secret();
    memset(&row->fingerprint, 7, sizeof(row->fingerprint));
    memcpy(row->hold_id, hold->id, sizeof(row->hold_id));
    row->fence = hold->fence;
    row->expires_ms = hold->expires_ms;
    row->seat_count = hold->seat_count;
    memcpy(row->seats, hold->seats, sizeof(row->seats));
    memcpy(row->versions, hold->versions, sizeof(row->versions));
    snprintf(row->email, sizeof(row->email), "fan@example.org");
    snprintf(row->name, sizeof(row->name), "Fan");
    row->total = SALE_PRICE * (int64_t)hold->seat_count;
    memcpy(row->currency, "EUR", 4);
    snprintf(row->provider, sizeof(row->provider), "%s", r->provider ? r->provider : "sim");
    snprintf(row->token, sizeof(row->token), "%s", token);
    purchase_begin(p);
}

void rig_buy_wait(struct rig *r, const struct hold *hold, const char *token,
                  const struct uuid *idem, struct rig_answer *answer)
{
    rig_buy(r, hold, token, idem, answer);
    LOOP_UNTIL(&r->loop, answer->calls == 1, 10000);
}

static bool settled(const struct rig *r, const struct rig_servers *s)
{
    return r->purchases.metrics.purchases_in_flight == 0 &&
           sale_count(s->postgres, "SELECT count(*) FROM booking WHERE lease_until IS NOT NULL") ==
               0 &&
           sale_count(s->postgres, "SELECT count(*) FROM refund WHERE lease_until IS NOT NULL") ==
               0;
}

void rig_settle(struct rig *r, const struct rig_servers *s)
{
    if (!r->completer.purchases)
        completer_init(&r->completer, &r->purchases, &r->refunds);
    timer_start(&r->completer.timer, 50, 50);
    LOOP_UNTIL(&r->loop, settled(r, s), 30000);
}

/* ---- the provider's side ---- */

struct waiting_charge {
    struct payment_call call;
    int calls;
    enum status status;
};

static void charge_cb(struct payment_call *call, enum status status)
{
    struct waiting_charge *w = container_of(call, struct waiting_charge, call);

    w->calls++;
    w->status = status;
}

struct payment_call rig_charge(struct rig *r, const struct uuid *booking_id)
{
    struct waiting_charge w = {.call = {.cb = charge_cb, .op = PAYMENT_LOOKUP}};

    payment_reference(SALE_EVENT, booking_id, w.call.reference);
    cr_assert_eq(payment_submit(&r->purchases.providers[0], &w.call), STATUS_OK);
    LOOP_UNTIL(&r->loop, w.calls == 1, 5000);
    cr_assert_eq(w.status, STATUS_OK);
    return w.call;
}

static void audit_booking(struct rig *r, struct slice line)
{
    struct slice id = slice_cut(&line, ' '), state = slice_cut(&line, ' '),
                 worth = slice_cut(&line, ' ');
    struct uuid booking;
    int64_t price;
    struct payment_call charge;

    cr_assert(uuid_parse(id, &booking) && slice_to_i64(worth, &price));
    charge = rig_charge(r, &booking);
    cr_assert_eq(charge.captured - charge.refunded, price, "%.*s: sold for %ld, charged %ld",
                 SLICE_ARG(state), (long)price, (long)(charge.captured - charge.refunded));
    cr_assert(charge.outcome != PAYMENT_AUTHORIZED && charge.outcome != PAYMENT_PENDING,
              "%.*s: the card is still blocked", SLICE_ARG(state));
}

void rig_audit(struct rig *r, const struct rig_servers *s)
{
    char *text = mem_strdup(
        server_sql(s->postgres, "SELECT coalesce(string_agg(b.booking_id || ' ' || b.state || ' ' "
                                "|| " SALE_WORTH_SQL ", ','), '') FROM booking b"));
    struct slice rest = slice_str(text);

    sale_audit(s->postgres);
    while (rest.at && rest.len)
        audit_booking(r, slice_cut(&rest, ','));
    mem_free(text);
}
