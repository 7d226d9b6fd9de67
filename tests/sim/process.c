#include "tests/sim/process.h"

#include "engine/base/mem.h"
#include "engine/booking/booking_api.h"
#include "engine/booking/mirror.h"
#include "tests/sim/stores.h"

#include <stdio.h>
#include <stdlib.h>

struct process *processes[PROCESSES_MAX];
struct process_plants process_plants;

static const struct till_settings settings = {
    .payment_url = "http://provider",
    .payment_secret = "secret",
    .payment_timeout_ms = 3000,
    .payment_poll_ms = 400,
    .booking_lease_ms = 5000,
    .commit_batches = 2,
};

static void wake_cb(void *ctx, uint64_t event_id)
{
    engine_changed(ctx, event_id);
}

void process_start(unsigned id)
{
    struct host *h = host_new(id), *was = world_enter(h);
    struct process *p = mem_alloc(sizeof(*p));
    struct engine *e = &p->engine;

    p->host = h;
    e->loop = &h->loop;
    e->kv = kv_connect();
    e->db = db_connect();
    rng_seed(&e->rng, rng_next(&world.rng));
    e->seats = seat_store_new(e->loop, e->kv, e->db);
    mirror_on_rebuilt(seat_store_mirror(e->seats), wake_cb, e);
    e->relay = relay_new(e->loop, e->kv, e->db, bus_connect(), e->seats);
    till_open(&p->till, e, &settings, 16);
    if (!process_plants.unswept)
        p->sweeper = sweeper_new(e);
    processes[id] = p;
    TRACE("starts");
    world_enter(was);
}

/* The slabs of the pools are not of the process's own memory. */
void process_kill(unsigned id)
{
    struct process *p = processes[id];
    struct host *h;

    if (!p)
        return;
    h = p->host;
    TRACE("engine %u is killed", id);
    processes[id] = NULL;
    stores_forget(h);
    free(p->till.purchases.pool.slab);
    free(p->till.refunds.pool.slab);
    free(p->till.exchanges.slab);
    host_kill(h);
}

struct process *process_of(const struct host *h)
{
    for (unsigned id = 0; id < PROCESSES_MAX; id++) {
        if (processes[id] && processes[id]->host == h)
            return processes[id];
    }
    return NULL;
}

struct process *process_any(void)
{
    uint32_t first = chance(PROCESSES_MAX);

    for (uint32_t i = 0; i < PROCESSES_MAX; i++) {
        if (processes[(first + i) % PROCESSES_MAX])
            return processes[(first + i) % PROCESSES_MAX];
    }
    return NULL;
}

static void rebuilt_cb(struct mirror_wait *wait, enum status status)
{
    (void)status;
    mem_free(wait);
}

void process_rebuild(struct process *p, uint64_t event_id)
{
    struct host *was = world_enter(p->host);
    struct mirror_wait *wait = mem_alloc(sizeof(*wait));

    wait->cb = rebuilt_cb;
    TRACE("rebuild of event %llu asked for", (unsigned long long)event_id);
    if (mirror_repair(seat_store_mirror(p->engine.seats), event_id, true, wait) != STATUS_OK)
        mem_free(wait);
    world_enter(was);
}

/* As webhook_api.c, behind the signature. */
struct received {
    struct db_request request;
    struct process *process;
};

static void received_cb(struct db_request *request, enum status status,
                        const struct db_result *result)
{
    struct received *r = container_of(request, struct received, request);

    if (!status && db_bool(result, 0, 0))
        completer_wake(&r->process->till.completer);
    mem_free(r);
}

void process_webhook(struct process *p, struct slice payload)
{
    struct host *was = world_enter(p->host);
    struct received *r = mem_alloc(sizeof(*r));
    struct payment_webhook hook = {.event_id = 0};
    char event[24], booking[UUID_TEXT_SIZE];

    r->process = p;
    r->request.cb = received_cb;
    if (payment_sim.webhook(payload, &hook) != STATUS_OK || !hook.event_id)
        broken("a webhook cannot be read: %.*s", SLICE_ARG(payload));
    snprintf(event, sizeof(event), "%llu", (unsigned long long)hook.event_id);
    uuid_format(&hook.booking_id, booking);
    const struct slice params[] = {slice_str("sim"), slice_str(hook.id), payload, slice_str(event),
                                   slice_str(booking)};
    if (db_query(p->engine.db, &r->request, &webhook_receive_statement, params,
                 LEDGER_DEADLINE_MS) != STATUS_OK)
        mem_free(r);
    world_enter(was);
}
