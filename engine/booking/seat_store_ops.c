/* The calls of the seat store: what each gives its script. */
#include "engine/booking/seat_store_internal.h"

#include "engine/base/mem.h"
#include "engine/booking/booking_lua.h"

#include <assert.h>

static void put_seats(struct script_args *a, const uint32_t *seats, size_t count)
{
    assert(count <= HOLD_SEATS_MAX);
    for (size_t i = 0; i < count; i++)
        args_i64(a, seats[i]);
}

void put_seats_versions(struct script_args *a, const struct hold *h)
{
    assert(h->seat_count <= HOLD_SEATS_MAX);
    for (size_t i = 0; i < h->seat_count; i++) {
        args_i64(a, h->seats[i]);
        args_i64(a, h->versions[i]);
    }
}

static void put_id_session(struct script_args *a, const struct hold *h)
{
    args_str(a, h->id);
    args_str(a, h->session);
}

static void place_args(struct hold_call *call, struct script_args *a)
{
    const struct hold_terms *t = call->terms;
    const struct hold *h = &call->hold;

    args_str(a, h->id);
    args_i64(a, t->ttl_ms);
    args_i64(a, t->cap_ms);
    args_i64(a, t->max_seats);
    args_i64(a, t->max_holds);
    args_str(a, h->session);
    args_i64(a, t->session_expires_ms);
    args_str(a, h->customer);
    args_str(a, t->key);
    args_str(a, t->fingerprint);
    args_slice(a, call->trace);
    args_i64(a, t->area_first);
    args_i64(a, t->area_capacity);
    args_i64(a, t->area_quantity);
    args_i64(a, t->area_hint);
    put_seats(a, h->seats, h->seat_count);
}

enum status seat_store_place(struct seat_store *s, struct hold_call *call,
                             const struct hold_terms *terms)
{
    call->terms = terms;
    return seat_store_submit(s, call, SCRIPT_PLACE);
}

/* extend, pay and unpay are one script */
static void extend_args(struct hold_call *call, struct script_args *a)
{
    const struct hold_terms *t = call->terms;

    put_id_session(a, &call->hold);
    args_str(a, "by");
    args_i64(a, call->number);
    args_str(a, t->key);
    args_str(a, t->fingerprint);
}

static void pay_args(struct hold_call *call, struct script_args *a)
{
    put_id_session(a, &call->hold);
    args_str(a, "pay");
    args_i64(a, call->number);
    args_str(a, "");
    args_str(a, "");
}

static void unpay_args(struct hold_call *call, struct script_args *a)
{
    put_id_session(a, &call->hold);
    args_str(a, "unpay");
    args_str(a, "0");
    args_str(a, "");
    args_str(a, "");
}

enum status seat_store_extend(struct seat_store *s, struct hold_call *call,
                              const struct hold_terms *terms, int64_t extend_ms)
{
    call->terms = terms;
    call->number = extend_ms;
    return seat_store_submit(s, call, SCRIPT_EXTEND);
}

enum status seat_store_pay(struct seat_store *s, struct hold_call *call, int64_t window_ms)
{
    call->number = window_ms;
    return seat_store_submit(s, call, SCRIPT_PAY);
}

enum status seat_store_unpay(struct seat_store *s, struct hold_call *call)
{
    return seat_store_submit(s, call, SCRIPT_UNPAY);
}

static void swap_args(struct hold_call *call, struct script_args *a)
{
    const struct hold_terms *t = call->terms;

    put_id_session(a, &call->hold);
    args_str(a, t->key);
    args_str(a, t->fingerprint);
    args_slice(a, call->trace);
    args_i64(a, t->session_expires_ms);
    args_i64(a, t->max_seats);
    args_i64(a, (int64_t)call->add_count);
    put_seats(a, call->add, call->add_count);
    put_seats(a, call->remove, call->remove_count);
}

enum status seat_store_swap(struct seat_store *s, struct hold_call *call,
                            const struct hold_terms *terms, const uint32_t *add, size_t add_count,
                            const uint32_t *remove, size_t remove_count)
{
    call->terms = terms;
    call->add = add;
    call->add_count = add_count;
    call->remove = remove;
    call->remove_count = remove_count;
    return seat_store_submit(s, call, SCRIPT_SWAP);
}

static void id_args(struct hold_call *call, struct script_args *a)
{
    put_id_session(a, &call->hold);
}

static void id_trace_args(struct hold_call *call, struct script_args *a)
{
    put_id_session(a, &call->hold);
    args_slice(a, call->trace);
}

enum status seat_store_get(struct seat_store *s, struct hold_call *call)
{
    return seat_store_submit(s, call, SCRIPT_GET);
}

enum status seat_store_release(struct seat_store *s, struct hold_call *call)
{
    return seat_store_submit(s, call, SCRIPT_RELEASE);
}

static void set_args(struct hold_call *call, struct script_args *a)
{
    args_i64(a, call->state);
    args_str(a, call->cause);
    args_slice(a, call->trace);
    put_seats_versions(a, &call->hold);
}

enum status seat_store_set(struct seat_store *s, struct hold_call *call, enum seat_state state,
                           const char *cause)
{
    assert(state != SEAT_HELD);
    call->state = state;
    call->cause = cause;
    return seat_store_submit(s, call, SCRIPT_SET);
}

static void number_args(struct hold_call *call, struct script_args *a)
{
    args_i64(a, call->number);
}

enum status seat_store_sweep(struct seat_store *s, struct hold_call *call, int64_t number)
{
    call->number = number;
    return seat_store_submit(s, call, SCRIPT_SWEEP);
}

/* ---- sessions ---- */

static void session_args(struct hold_call *call, struct script_args *a)
{
    args_str(a, call->hold.session);
    args_i64(a, call->number);
    args_slice(a, call->trace);
}

static void session_cb(struct hold_call *inner, enum status status)
{
    struct session_call *call = container_of(inner, struct session_call, call);
    struct hold *holds = call->holds;

    call->outcome = inner->outcome;
    call->server_ms = inner->server_ms;
    call->cb(call, status);
    mem_free(holds);
}

static enum status session_submit(struct seat_store *s, struct session_call *call, int script)
{
    call->holds = NULL;
    call->hold_count = 0;
    call->call.cb = session_cb;
    call->call.hold.event_id = call->event_id;
    memcpy(call->call.hold.session, call->session, sizeof(call->session));
    call->call.number = call->expires_ms;
    return seat_store_submit(s, &call->call, script);
}

enum status session_read(struct seat_store *s, struct session_call *call)
{
    return session_submit(s, call, SCRIPT_SESSION_READ);
}

enum status session_end(struct seat_store *s, struct session_call *call)
{
    return session_submit(s, call, SCRIPT_SESSION_END);
}

/* ---- the state of all seats ---- */

static void state_cb(struct hold_call *inner, enum status status)
{
    struct seat_read *read = container_of(inner, struct seat_read, call);

    read->server_ms = inner->server_ms;
    read->cb(read, status);
}

enum status seat_store_read(struct seat_store *s, struct seat_read *read)
{
    read->call.cb = state_cb;
    read->call.hold.event_id = read->event_id;
    read->call.number = (int64_t)read->rev;
    return seat_store_submit(s, &read->call, SCRIPT_STATE_READ);
}

/* ---- the table ---- */

static const struct row {
    const char *name;
    const char *parts[SCRIPT_PARTS_MAX];
    void (*args)(struct hold_call *call, struct script_args *a);
    script_read_fn read;
    bool no_repair;
} table[SCRIPT_COUNT] = {
    [SCRIPT_PLACE] = {"hold_place",
                      {lua_common, lua_ending, lua_replay, lua_taking, lua_hold_place},
                      place_args,
                      read_hold_answer,
                      false},
    [SCRIPT_EXTEND] = {"hold_extend",
                       {lua_common, lua_replay, lua_hold_extend},
                       extend_args,
                       read_hold_answer,
                       false},
    [SCRIPT_PAY] = {"hold_extend",
                    {lua_common, lua_replay, lua_hold_extend},
                    pay_args,
                    read_hold_answer,
                    false},
    [SCRIPT_UNPAY] = {"hold_extend",
                      {lua_common, lua_replay, lua_hold_extend},
                      unpay_args,
                      read_hold_answer,
                      false},
    [SCRIPT_SWAP] = {"hold_swap",
                     {lua_common, lua_ending, lua_replay, lua_taking, lua_hold_swap},
                     swap_args,
                     read_hold_answer,
                     false},
    [SCRIPT_RELEASE] = {"hold_release",
                        {lua_common, lua_ending, lua_hold_release},
                        id_trace_args,
                        read_hold_answer,
                        false},
    [SCRIPT_GET] = {"hold_get", {lua_common, lua_hold_get}, id_args, read_hold_answer, false},
    [SCRIPT_SOLD] =
        {"hold_sold", {lua_common, lua_ending, lua_hold_sold}, sold_args, read_hold_answer, false},
    [SCRIPT_SET] = {"seats_set", {lua_common, lua_seats_set}, set_args, read_hold_answer, false},
    [SCRIPT_SWEEP] =
        {"hold_sweep", {lua_common, lua_ending, lua_hold_sweep}, number_args, read_sweep, true},
    [SCRIPT_SESSION_READ] =
        {"session_read", {lua_common, lua_session_read}, session_args, read_session, false},
    [SCRIPT_SESSION_END] = {"session_end",
                            {lua_common, lua_ending, lua_session_end},
                            session_args,
                            read_session,
                            false},
    [SCRIPT_STATE_READ] =
        {"state_read", {lua_common, lua_state_read}, number_args, read_state, false},
};

void seat_store_scripts_init(struct seat_store *s)
{
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        struct seat_store_script *x = &s->scripts[i];

        script_init(&x->script, table[i].name, table[i].parts);
        x->args = table[i].args;
        x->read = table[i].read;
        x->no_repair = table[i].no_repair;
    }
}
