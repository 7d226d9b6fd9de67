#include "tests/integration/line_store_rig.h"

#include "engine/base/encode.h"
#include "engine/base/mem.h"
#include "engine/store/kv_redis.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <stdio.h>

struct loop loop;
struct server *redis;
struct kv *workers[2];
struct kv *kv;

void open_stores(void)
{
    redis = servers_redis_start();
    loop_init(&loop, &clock_system);
    line_store_init();
    for (size_t i = 0; i < array_len(workers); i++) {
        workers[i] = kv_redis_new(&loop, &(struct kv_redis_options){.address = redis->address});
        LOOP_UNTIL(&loop, kv_ready(workers[i], NULL), 3000);
    }
    kv = workers[0];
}

void close_stores(void)
{
    for (size_t i = 0; i < array_len(workers); i++)
        kv_close(workers[i]);
    loop_free(&loop);
    server_stop(redis);
}

/* ---- calls that wait for their answer ---- */

int answered;
static enum status last_status;
struct join_call joined;

void call_cb(struct line_call *call, enum status status)
{
    (void)call;
    answered++;
    last_status = status;
}

void await(enum status submitted)
{
    cr_assert_eq(submitted, STATUS_OK);
    cr_assert_eq(answered, 0, "a callback never comes inside the submit");
    LOOP_UNTIL(&loop, answered == 1, 3000);
    cr_assert_eq(last_status, STATUS_OK);
    answered = 0;
}

bool accepted(struct line_call *call, enum status submitted)
{
    await(submitted);
    return call->accepted;
}

struct meter_call meter(void)
{
    struct meter_call m = {.call.cb = call_cb};

    await(line_store_meter(kv, &m, EVENT));
    return m;
}

bool take_right(const char *token)
{
    struct line_call c = {.cb = call_cb};

    return accepted(&c, line_store_recover(kv, &c, EVENT, token));
}

bool load(const char *token, const struct line_record *record, int64_t pause_ms)
{
    struct line_call c = {.cb = call_cb};

    return accepted(&c, line_store_load(kv, &c, EVENT, token, record, pause_ms));
}

bool reserve(uint32_t epoch, uint64_t high)
{
    struct line_call c = {.cb = call_cb};

    return accepted(&c, line_store_reserve(kv, &c, EVENT, epoch, high));
}

bool confirm(uint32_t epoch, uint64_t watermark)
{
    struct line_call c = {.cb = call_cb};

    return accepted(&c, line_store_confirm(kv, &c, EVENT, epoch, watermark, 0));
}

enum claim_outcome claim_as(struct kv *worker, uint64_t number, bool take)
{
    struct claim_call c = {.call.cb = call_cb};
    char jti[LINE_JTI_SIZE];

    snprintf(jti, sizeof(jti), "pass-%d", (int)number);
    await(line_store_claim(worker, &c, EVENT, number, jti, take, LINE_DEADLINE_MS));
    cr_assert_eq(c.call.outcome, LINE_DONE);
    return c.claim;
}

enum claim_outcome claim(uint64_t number)
{
    return claim_as(kv, number, true);
}

void name_person(uint64_t person, uint8_t ret_id[LINE_JOIN_ID_SIZE])
{
    uint8_t digest[32];

    /* Spread like the keyed hashes of real join ids. */
    put_le64(digest, person * 0x9E3779B97F4A7C15u);
    put_le64(digest + 8, person);
    memcpy(ret_id, digest, LINE_JOIN_ID_SIZE);
}

void join_many(uint64_t first, size_t count)
{
    joined.call.cb = call_cb;
    joined.count = count;
    for (size_t i = 0; i < count; i++)
        name_person(first + i, joined.slots[i].id);
    await(line_store_join(kv, &joined, EVENT, LINE_DEADLINE_MS));
    cr_assert_eq(joined.call.outcome, LINE_DONE);
}

int64_t join(uint64_t person)
{
    join_many(person, 1);
    return joined.slots[0].number;
}

/* ---- a line ---- */

struct line_record record_of(int64_t rate_per_minute, int64_t max_active)
{
    return (struct line_record){.settings = {.version = 1,
                                             .rate_per_minute = rate_per_minute,
                                             .max_active = max_active,
                                             .claim_ms = 60000,
                                             .opens_ms = LONG_AGO_MS},
                                .epoch = 1,
                                .born_ms = LONG_AGO_MS,
                                .salt = {1, 2, 3}};
}

void setup_line(const struct line_record *record, uint64_t high)
{
    cr_assert(take_right("setup"));
    cr_assert(load("setup", record, 0));
    cr_assert(reserve(record->epoch, high));
}

struct line turn_meter(void)
{
    struct meter_call m = meter();

    cr_assert_eq(m.call.outcome, LINE_DONE);
    if (m.persist)
        cr_assert(confirm(m.line.epoch, m.target));
    return m.line;
}

struct line turn_meter_without_time(void)
{
    server_redis(redis, "HSET {e7}:q:line at 9000000000000");
    return turn_meter();
}
