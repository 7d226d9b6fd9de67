#include "engine/booking/shard.h"

#include "engine/base/log.h"

/* "HOLDFAST" spelled in a lock's upper bytes keeps these keys apart from those of others in the
 * database. */
#define LOCK_KEY_BASE (INT64_C(0x484f4c44) << 16)
#define RETRY_MS      1000

static void held_set(struct shards *s, unsigned shard, bool held)
{
    uint32_t before = s->held;

    s->held = held ? before | UINT32_C(1) << shard : before & ~(UINT32_C(1) << shard);
    if (s->held == before || s->closing)
        return;
    log_info("relay", held ? "shard taken" : "shard lost", log_u64("shard", shard));
    s->changed(s, s->ctx);
}

static void ask_cb(struct db_request *request, enum status status, const struct db_result *result)
{
    struct shard_ask *ask = container_of(request, struct shard_ask, db);

    ask->busy = false;
    ask->shards->asking--;
    if (status == STATUS_OK && result->rows == 1 && db_bool(result, 0, 0))
        held_set(ask->shards, ask->shard, true);
}

static void ask_for(struct shard_ask *ask)
{
    ask->db.cb = ask_cb;
    if (db_try_lock(ask->shards->db, &ask->db, LOCK_KEY_BASE + ask->shard) != STATUS_OK)
        return;
    ask->busy = true;
    ask->shards->asking++;
}

static void timer_cb_retry(struct timer *t)
{
    struct shards *s = container_of(t, struct shards, timer);

    for (unsigned i = 0; i < SHARD_COUNT; i++)
        if (!(s->held >> i & 1) && !s->asks[i].busy)
            ask_for(&s->asks[i]);
}

static void lock_lost(struct db *db, int64_t key, void *ctx)
{
    struct shards *s = ctx;

    (void)db;
    if (key >= LOCK_KEY_BASE && key < LOCK_KEY_BASE + SHARD_COUNT)
        held_set(s, (unsigned)(key - LOCK_KEY_BASE), false);
}

void shards_start(struct shards *s, struct loop *l, struct db *db, shards_changed_cb changed,
                  void *ctx)
{
    *s = (struct shards){.loop = l, .db = db, .changed = changed, .ctx = ctx};
    for (unsigned i = 0; i < SHARD_COUNT; i++)
        s->asks[i] = (struct shard_ask){.shards = s, .shard = i};
    db->on_lock_lost = lock_lost;
    db->on_lock_lost_ctx = s;
    timer_init(l, &s->timer, timer_cb_retry);
    timer_start(&s->timer, 1, RETRY_MS);
}

void shards_stop(struct shards *s)
{
    s->closing = true;
    s->db->on_lock_lost = NULL;
    for (unsigned i = 0; i < SHARD_COUNT; i++)
        if (s->held >> i & 1)
            db_unlock(s->db, LOCK_KEY_BASE + i);
    s->held = 0;
    timer_close(&s->timer, NULL);
}
