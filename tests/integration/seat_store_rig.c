#include "tests/integration/seat_store_rig.h"

#include "engine/store/db_pq.h"
#include "engine/store/kv_redis.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct loop loop;
struct server *postgres, *redis;
struct kv *kv;
struct seat_store *store;
static struct db *db;

void setup(void)
{
    postgres = servers_postgres_start();
    sale_prepare(postgres, SEATS, false, true);
    redis = servers_redis_start();
    loop_init(&loop, &clock_system);
    kv = kv_redis_new(&loop, &(struct kv_redis_options){.address = redis->address});
    db = db_pq_new(&loop, &(struct db_pq_options){.conninfo = postgres->address,
                                                  .connections = 2,
                                                  .application = "test"});
    store = seat_store_new(&loop, kv, db);
    LOOP_UNTIL(&loop, kv_ready(kv, NULL) && db_ready(db, NULL), 10000);
}

void teardown(void)
{
    seat_store_stop(store);
    kv_close(kv);
    db_close(db);
    loop_free(&loop);
    seat_store_free(store);
    server_stop(redis);
    server_stop(postgres);
}

/* ---- calls ---- */

void called(struct hold_call *call, enum status status)
{
    struct call *c = container_of(call, struct call, call);

    c->calls++;
    c->status = status;
}

void wait_for(struct call *c, enum status submitted)
{
    cr_assert_eq(submitted, STATUS_OK);
    cr_assert_eq(c->calls, 0, "a callback never comes inside the submit");
    LOOP_UNTIL(&loop, c->calls == 1, 5000);
    cr_assert_eq(c->status, STATUS_OK);
}

struct hold_terms terms(void)
{
    return (struct hold_terms){.ttl_ms = 60000,
                               .cap_ms = 120000,
                               .max_seats = 8,
                               .max_holds = 3,
                               .session_expires_ms = clock_wall_ms(&clock_system) + 600000};
}

void name(struct hold_call *call, const char *id, const char *session)
{
    call->cb = called;
    call->hold.event_id = SALE_EVENT;
    snprintf(call->hold.id, sizeof(call->hold.id), "%s", id);
    snprintf(call->hold.session, sizeof(call->hold.session), "%s", session);
}

void place_with(struct call *c, const struct hold_terms *t, const char *id, const char *session,
                size_t count, const uint32_t *seats)
{
    *c = (struct call){.calls = 0};
    name(&c->call, id, session);
    c->call.hold.seat_count = count;
    if (count)
        memcpy(c->call.hold.seats, seats, count * sizeof(*seats));
    wait_for(c, seat_store_place(store, &c->call, t));
}

void place_short(struct call *c, const char *id, const char *session, uint32_t first, size_t count)
{
    struct hold_terms t = terms();
    uint32_t seats[8];

    t.ttl_ms = 1;
    for (size_t i = 0; i < count; i++)
        seats[i] = first + (uint32_t)i;
    place_with(c, &t, id, session, count, seats);
}

enum hold_outcome simple(struct call *c,
                         enum status (*submit)(struct seat_store *, struct hold_call *),
                         const char *id, const char *session)
{
    *c = (struct call){.calls = 0};
    name(&c->call, id, session);
    wait_for(c, submit(store, &c->call));
    return c->call.outcome;
}

enum hold_outcome get(struct call *c, const char *id, const char *session)
{
    return simple(c, seat_store_get, id, session);
}

void sell(struct call *c, const struct hold *hold)
{
    *c = (struct call){.calls = 0};
    c->call.hold = *hold;
    c->call.cb = called;
    wait_for(c, seat_store_sold(store, &c->call));
}

/* ---- what Redis has ---- */

static const char *states(void)
{
    return server_redis(redis, "GET {e1}:state");
}

long log_length(void)
{
    return strtol(server_redis(redis, "XLEN {e1}:log"), NULL, 10);
}

uint64_t rev(void)
{
    return strtoull(server_redis(redis, "GET {e1}:rev"), NULL, 10);
}

bool lock_is_gone(const char *key)
{
    char command[64];

    snprintf(command, sizeof(command), "EXISTS %s", key);
    return strcmp(server_redis(redis, command), "0") == 0;
}

void assert_counts(int free_count, int held, int sold, int blocked)
{
    int counts[4] = {0};

    for (const char *s = states(); *s; s++)
        counts[*s - '0']++;
    cr_assert_eq(counts[0], free_count, "free: %s", states());
    cr_assert_eq(counts[1], held, "held: %s", states());
    cr_assert_eq(counts[2], sold, "sold: %s", states());
    cr_assert_eq(counts[3], blocked, "blocked: %s", states());
}

void assert_log_tells_the_state(uint64_t first_rev)
{
    char replayed[SEATS + 1], text[20000];
    const char *answer = server_redis(redis, "XRANGE {e1}:log - +");
    char *rest = text, *word;
    uint64_t expected = first_rev;

    memset(replayed, '0', SEATS);
    replayed[SEATS] = '\0';
    snprintf(text, sizeof(text), "%s", answer);
    while ((word = strsep(&rest, " "))) {
        uint64_t at;
        char *state, *seats, *n;

        if (strcmp(word, "rev") != 0)
            continue;
        at = strtoull(strsep(&rest, " "), NULL, 10);
        cr_assert_eq(at, expected++, "revision %llu is not the next one", (unsigned long long)at);
        strsep(&rest, " ");
        state = strsep(&rest, " ");
        strsep(&rest, " ");
        seats = strsep(&rest, " ");
        while ((n = strsep(&seats, ",")))
            replayed[strtol(n, NULL, 10)] = *state;
    }
    cr_assert_eq(expected, rev() + 1);
    cr_assert_str_eq(replayed, states());
}
