#include "bench/core/hold_stage.h"

#include "engine/booking/seat_store_internal.h"
#include "engine/store/resp.h"

#include <stdio.h>
#include <stdlib.h>

/* Events are counted from 1 in PostgreSQL: this one is nobody's. */
enum { EVENT = 0, HOLD_MS = 3600000, MAX_SEATS = 8, MAX_HOLDS = 4, COMMAND_MS = 5000 };
static const char event_key[] = "{e0}";

static void die(const char *what, const char *why)
{
    fprintf(stderr, "hold_rate: %s: %s\n", what, why);
    exit(1);
}

void stage_open(struct stage *s, bool area, size_t holds)
{
    const char *why = "";

    s->area = area;
    s->holds = holds;
    s->seats = holds * HOLD_SEATS * (area ? 2 : 1);
    truth_init(&s->truth, &s->loop, s->seats);
    s->store = seat_store_new(&s->loop, s->kv, &s->truth.db);
    for (int64_t end = loop_mono_ns(&s->loop) + INT64_C(5000000000); !kv_ready(s->kv, &why);) {
        if (loop_mono_ns(&s->loop) > end)
            die("not connected", why);
        loop_turn(&s->loop, true);
    }
}

void stage_close(struct stage *s)
{
    seat_store_stop(s->store);
    kv_close(s->kv);
    truth_close(&s->truth);
    loop_free(&s->loop);
    seat_store_free(s->store);
}

void stage_wait(struct stage *s, const bool *done)
{
    while (!*done)
        loop_turn(&s->loop, true);
}

/* ---- taking everything out ---- */

struct sweep {
    struct stage *stage;
    struct kv_request request;
    char cursor[24];
    bool done;
};

static void scan(struct sweep *w);

static void unlinked_cb(struct kv_request *request, enum status status,
                        const struct kv_reply *reply)
{
    struct sweep *w = container_of(request, struct sweep, request);

    (void)reply;
    if (status)
        die("UNLINK", status_text(status));
    if (strcmp(w->cursor, "0") == 0)
        w->done = true;
    else
        scan(w);
}

static void scanned_cb(struct kv_request *request, enum status status, const struct kv_reply *reply)
{
    struct sweep *w = container_of(request, struct sweep, request);
    const struct kv_reply *keys = status ? NULL : kv_reply_at(reply, 1);

    if (status || !slice_to_str(kv_reply_at(reply, 0)->str, w->cursor, sizeof(w->cursor)))
        die("SCAN", status_text(status));
    struct slice *args = mem_alloc((keys->count + 2) * sizeof(*args));
    args[0] = SLICE_LITERAL("UNLINK");
    args[1] = slice_str(event_key); /* never empty */
    for (size_t i = 0; i < keys->count; i++)
        args[i + 2] = kv_reply_at(keys, i)->str;
    request->cb = unlinked_cb;
    if (kv_command(w->stage->kv, request, args, keys->count + 2, COMMAND_MS))
        die("UNLINK", "not sent");
    mem_free(args);
}

static void scan(struct sweep *w)
{
    const struct slice args[] = {SLICE_LITERAL("SCAN"),  slice_str(w->cursor),
                                 SLICE_LITERAL("MATCH"), SLICE_LITERAL("{e0}*"),
                                 SLICE_LITERAL("COUNT"), SLICE_LITERAL("2000")};

    w->request.cb = scanned_cb;
    if (kv_command(w->stage->kv, &w->request, args, array_len(args), COMMAND_MS))
        die("SCAN", "not sent");
}

void stage_clean(struct stage *s)
{
    struct sweep w = {.stage = s, .cursor = "0"};

    scan(&w);
    stage_wait(s, &w.done);
}

/* ---- all seats free; how many are held ---- */

struct building {
    struct mirror_wait wait;
    bool done;
};

static void built_cb(struct mirror_wait *wait, enum status status)
{
    if (status)
        die("the mirror was not built", status_text(status));
    container_of(wait, struct building, wait)->done = true;
}

void stage_build(struct stage *s)
{
    struct building b = {.wait.cb = built_cb};

    if (mirror_repair(seat_store_mirror(s->store), EVENT, true, &b.wait))
        die("the mirror was not built", "not begun");
    stage_wait(s, &b.done);
}

struct counting {
    struct seat_read read;
    size_t held;
    bool done;
};

static void counted_cb(struct seat_read *read, enum status status)
{
    struct counting *c = container_of(read, struct counting, read);

    if (status)
        die("the seats were not read", status_text(status));
    for (size_t i = 0; i < read->state.len; i++)
        c->held += read->state.at[i] == '0' + SEAT_HELD;
    c->done = true;
}

size_t stage_held(struct stage *s)
{
    struct counting *c = mem_alloc(sizeof(*c));
    size_t held;

    c->read = (struct seat_read){.cb = counted_cb, .event_id = EVENT};
    if (seat_store_read(s->store, &c->read))
        die("the seats were not read", "not sent");
    stage_wait(s, &c->done);
    held = c->held;
    mem_free(c);
    return held;
}

/* ---- one of the holds ---- */

void stage_ask(const struct stage *s, size_t i, uint32_t hint, struct ask *ret_ask)
{
    struct hold *h = &ret_ask->call.hold;

    /* Zeroed as a whole, as the API does. */
    ret_ask->terms = (struct hold_terms){
        .ttl_ms = HOLD_MS, .cap_ms = HOLD_MS, .max_seats = MAX_SEATS, .max_holds = MAX_HOLDS};
    snprintf(ret_ask->terms.key, sizeof(ret_ask->terms.key), "%064zx", i);
    snprintf(ret_ask->terms.fingerprint, sizeof(ret_ask->terms.fingerprint), "%064x", EVENT);
    memset(&ret_ask->call, 0, sizeof(ret_ask->call));
    h->event_id = EVENT;
    hold_id_make(EVENT, h->id);
    h->seat_count = s->area ? 0 : HOLD_SEATS;
    for (size_t k = 0; k < h->seat_count; k++)
        h->seats[k] = (uint32_t)(i * HOLD_SEATS + k);
    if (!s->area)
        return;
    ret_ask->terms.area_capacity = (uint32_t)s->seats;
    ret_ask->terms.area_quantity = HOLD_SEATS;
    ret_ask->terms.area_hint = hint;
}

static void gather(struct stage *s, struct ask *a, struct script_args *ret_args)
{
    ret_args->count = ret_args->used = 0;
    a->call.terms = &a->terms;
    args_str(ret_args, s->kv->run_id);
    s->store->scripts[SCRIPT_PLACE].args(&a->call, ret_args);
}

void stage_encode(struct stage *s, struct ask *a, struct buf *ret_command)
{
    struct slice key = slice_str(event_key);
    struct script_args args;

    gather(s, a, &args);
    if (resp_evalsha(ret_command, s->store->scripts[SCRIPT_PLACE].script.kv.sha, &key, 1, args.v,
                     args.count))
        die("a command", "too long");
}

/* A number that stands for one which redis-benchmark shall choose. */
#define CHOSEN_HINT 4000000001U

void stage_print(struct stage *s)
{
    static const char two[] = "__rand_int____rand_int__"; /* 24 digits */
    struct script_args args;
    struct ask a;

    stage_ask(s, 0, CHOSEN_HINT, &a);
    snprintf(a.call.hold.id, sizeof(a.call.hold.id), "%d.%s", EVENT, two);
    snprintf(a.terms.key, sizeof(a.terms.key), "%040d%s", 0, two);
    gather(s, &a, &args);
    printf("EVALSHA\n%s\n1\n%s\n", s->store->scripts[SCRIPT_PLACE].script.kv.sha, event_key);
    for (size_t i = 0; i < args.count; i++)
        if (slice_is(args.v[i], "4000000001"))
            puts("__rand_int__");
        else
            printf("%.*s\n", SLICE_ARG(args.v[i]));
}
