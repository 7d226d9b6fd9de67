/* I4 and I6: the state string of every event against the truth, and every held seat against the
 * holds that Redis knows.
 *
 * A sale is marked in Redis a moment after it is durable, so a difference counts only when it is
 * still there some seconds later. An event whose mirror is not valid (Redis restarted, nobody
 * needed it since) has no opinion to check. */
#include "engine/auditor/seats.h"

#include <stdio.h>

enum { SETTLE_MS = 6000, LOOK_MS = 250, HOLDS_MAX = 200000 };

#define LATE_MS 5000 /* DESIGN I6 */

struct mirror_view {
    char *state; /* owned */
    size_t len;
    bool valid;
    uint8_t *held_by; /* owned: how many living holds claim the seat */
    uint64_t late;    /* holds past expiry + 5 s */
    char late_id[64];
};

static void key_of(const struct seats *s, const char *name, char *ret_key, size_t size)
{
    snprintf(ret_key, size, "{e%llu}:%s", (unsigned long long)s->event_id, name);
}

static void take_state(const struct kv_reply *reply, void *ctx)
{
    struct mirror_view *m = ctx;

    if (reply->kind != KV_STR)
        return;
    m->state = mem_strndup(reply->str.at, reply->str.len);
    m->len = reply->str.len;
}

static void take_run(const struct kv_reply *reply, void *ctx)
{
    struct audit *a = ((void **)ctx)[0];
    struct mirror_view *m = ((void **)ctx)[1];

    m->valid = reply->kind == KV_STR && slice_is(reply->str, a->facts.kv->run_id);
}

/* "n:version,n:version" of one hold. */
static void take_hold_seats(const struct kv_reply *reply, void *ctx)
{
    struct mirror_view *m = ctx;
    struct slice rest = reply->kind == KV_STR ? reply->str : SLICE_NONE;

    while (rest.len) {
        struct slice seat = slice_cut(&rest, ',');
        uint64_t n;
        if (slice_to_u64(slice_cut(&seat, ':'), &n) && n < m->len && m->held_by[n] < 255)
            m->held_by[n]++;
    }
}

struct hold_ids {
    char (*ids)[64];
    uint64_t *expires;
    size_t count;
};

static void take_hold_ids(const struct kv_reply *reply, void *ctx)
{
    struct hold_ids *h = ctx;

    h->ids = mem_alloc(sizeof(*h->ids) * (reply->count / 2 + 1));
    h->expires = mem_alloc(sizeof(*h->expires) * (reply->count / 2 + 1));
    for (size_t i = 0; i + 1 < reply->count && h->count < HOLDS_MAX; i += 2) {
        if (!slice_to_str(reply->elements[i].str, h->ids[h->count], sizeof(h->ids[0])))
            continue;
        if (kv_reply_u64(&reply->elements[i + 1], &h->expires[h->count]))
            h->count++;
    }
}

static void take_time(const struct kv_reply *reply, void *ctx)
{
    uint64_t seconds = 0, micros = 0;

    if (kv_reply_u64(kv_reply_at(reply, 0), &seconds) &&
        kv_reply_u64(kv_reply_at(reply, 1), &micros))
        *(uint64_t *)ctx = seconds * 1000 + micros / 1000;
}

static enum status read_holds(struct audit *a, const struct seats *s, struct mirror_view *m)
{
    struct hold_ids holds = {0};
    uint64_t now_ms = 0;
    char key[128];
    enum status status =
        facts_command(&a->facts, (struct slice[]){SLICE_LITERAL("TIME")}, 1, take_time, &now_ms);

    key_of(s, "expiry", key, sizeof(key));
    if (status == STATUS_OK)
        status = facts_command(&a->facts,
                               (struct slice[]){SLICE_LITERAL("ZRANGE"), slice_str(key),
                                                SLICE_LITERAL("0"), SLICE_LITERAL("-1"),
                                                SLICE_LITERAL("WITHSCORES")},
                               5, take_hold_ids, &holds);
    for (size_t i = 0; status == STATUS_OK && i < holds.count; i++) {
        if (holds.expires[i] + LATE_MS < now_ms) {
            m->late++;
            memcpy(m->late_id, holds.ids[i], sizeof(m->late_id));
        }
        snprintf(key, sizeof(key), "{e%llu}:hold:%s", (unsigned long long)s->event_id,
                 holds.ids[i]);
        status = facts_command(
            &a->facts,
            (struct slice[]){SLICE_LITERAL("HGET"), slice_str(key), SLICE_LITERAL("seats")}, 3,
            take_hold_seats, m);
    }
    mem_free(holds.ids);
    mem_free(holds.expires);
    return status;
}

static enum status mirror_read(struct audit *a, const struct seats *s, struct mirror_view *m)
{
    char run[64], state[64];
    void *both[] = {a, m};

    *m = (struct mirror_view){0};
    key_of(s, "run", run, sizeof(run));
    key_of(s, "state", state, sizeof(state));
    enum status status = facts_command(
        &a->facts, (struct slice[]){SLICE_LITERAL("GET"), slice_str(run)}, 2, take_run, both);
    if (status == STATUS_OK)
        status = facts_command(&a->facts, (struct slice[]){SLICE_LITERAL("GET"), slice_str(state)},
                               2, take_state, m);
    m->held_by = mem_alloc(m->len + 1);
    return status == STATUS_OK && m->valid ? read_holds(a, s, m) : status;
}

static void mirror_free(struct mirror_view *m)
{
    mem_free(m->state);
    mem_free(m->held_by);
}

static const char *wrong(const struct seats *s, const struct mirror_view *m, uint32_t n)
{
    char truth = (char)s->status[n], redis = m->state[n];

    if (redis < '0' || redis > '3')
        return "has no state";
    if (truth == '0' && redis == '1')
        return m->held_by[n] == 1 ? NULL
               : m->held_by[n]    ? "is held by several holds"
                                  : "is held by no hold";
    return truth == redis ? NULL : "differs";
}

/* Counts what is wrong; with `tell` puts it in the verdict. */
static uint64_t compare(struct audit *a, const struct seats *s, const struct mirror_view *m,
                        bool tell)
{
    uint64_t count = 0;

    if (m->len != s->count) {
        if (tell)
            verdict_broken(&a->verdict, I4, "event %llu: %u seats in the truth, %zu in redis",
                           (unsigned long long)s->event_id, s->count, m->len);
        return 1;
    }
    for (uint32_t n = 0; n < s->count; n++) {
        const char *what = wrong(s, m, n);
        count += what != NULL;
        if (what && tell)
            verdict_broken(&a->verdict, I4, "event %llu seat %u: %s (truth %c, redis %c)",
                           (unsigned long long)s->event_id, n, what, s->status[n], m->state[n]);
    }
    if (m->late && tell)
        verdict_broken(&a->verdict, I6,
                       "event %llu: %llu holds are past their expiry + 5 s, among them %s",
                       (unsigned long long)s->event_id, (unsigned long long)m->late, m->late_id);
    return count + m->late;
}

/* One look at one event; true when nothing is wrong, or it was told. */
static bool look(struct audit *a, const struct seats *s, bool tell)
{
    struct mirror_view m;
    enum status status = mirror_read(a, s, &m);
    bool good = true;

    if (status != STATUS_OK)
        verdict_incomplete(&a->verdict, "redis", status);
    else if (m.valid)
        good = compare(a, s, &m, tell) == 0;
    if (good && m.valid) {
        verdict_checked(&a->verdict, I4, s->count);
        verdict_checked(&a->verdict, I6, s->count);
    }
    mirror_free(&m);
    return good;
}

/* Reads everything anew each time: while a sale runs both stores move. */
static uint64_t look_at_all(struct audit *a, bool tell)
{
    struct list events;
    uint64_t bad = 0;
    enum status status = seats_read(a, &events);

    a->verdict.promises[I4].checked = a->verdict.promises[I6].checked = 0;
    if (status != STATUS_OK)
        verdict_incomplete(&a->verdict, "the seats", status);
    list_for_each (it, &events)
        bad += !look(a, list_entry(it, struct seats, link), tell);
    seats_free_all(&events);
    return bad;
}

void check_mirror(struct audit *a)
{
    for (int waited = 0; waited < SETTLE_MS; waited += LOOK_MS) {
        if (look_at_all(a, false) == 0)
            return;
        facts_wait(&a->facts, LOOK_MS);
    }
    look_at_all(a, true);
}
