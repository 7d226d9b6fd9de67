#include "engine/store/db_pq_lock.h"

#include <inttypes.h>
#include <stdio.h>

#define LOCK_MS 5000

static const struct db_statement try_lock = {"store_try_lock",
                                             "SELECT pg_try_advisory_lock($1::bigint)", 1, false};
static const struct db_statement unlock = {"store_unlock", "SELECT pg_advisory_unlock($1::bigint)",
                                           1, false};

/* Stands between the pool and the caller's request, to learn whether the lock was given. */
struct lock_request {
    struct db_request inner;
    struct pq_locks *locks;
    struct db_request *request; /* NULL: an unlock, nobody waits */
    int64_t key;
};

static size_t find(const struct pq_locks *locks, int64_t key)
{
    size_t i = 0;

    while (i < locks->held_len && locks->held[i] != key)
        i++;
    return i;
}

static void add(struct pq_locks *locks, int64_t key)
{
    locks->held = mem_resize(locks->held, (locks->held_len + 1) * sizeof(*locks->held));
    locks->held[locks->held_len++] = key;
}

static enum status submit(struct pq_locks *locks, struct db_request *request,
                          const struct db_statement *statement, int64_t key, db_cb cb)
{
    struct lock_request *lock = mem_alloc(sizeof(*lock));
    char text[24];
    struct slice param = slice_of(text, (size_t)snprintf(text, sizeof(text), "%" PRId64, key));
    enum status status;

    lock->inner.cb = cb;
    lock->locks = locks;
    lock->request = request;
    lock->key = key;
    status = pq_pool_query(locks->pool, &lock->inner, statement, &param, LOCK_MS);
    if (status)
        mem_free(lock);
    return status;
}

static void unlock_cb(struct db_request *inner, enum status status, const struct db_result *result)
{
    (void)status; /* if it did not reach the server, the connection is gone and the lock with it */
    (void)result;
    mem_free(container_of(inner, struct lock_request, inner));
}

static void release(struct pq_locks *locks, int64_t key)
{
    if (locks->pool && submit(locks, NULL, &unlock, key, unlock_cb))
        return; /* no connection: nothing is held */
}

static void try_lock_cb(struct db_request *inner, enum status status,
                        const struct db_result *result)
{
    struct lock_request *lock = container_of(inner, struct lock_request, inner);
    struct db_request *request = lock->request;

    if (status == STATUS_OK && db_bool(result, 0, 0) &&
        find(lock->locks, lock->key) == lock->locks->held_len)
        add(lock->locks, lock->key);
    if (status == STATUS_TIMEOUT)
        release(lock->locks, lock->key); /* it may be given yet: this goes behind it */
    request->error = inner->error;
    mem_free(lock);
    request->cb(request, status, result);
}

void pq_locks_lost(struct pq_locks *locks)
{
    struct db *db = locks->db;

    while (locks->held_len > 0) {
        int64_t key = locks->held[--locks->held_len];

        if (db->on_lock_lost)
            db->on_lock_lost(db, key, db->on_lock_lost_ctx);
    }
}

void pq_locks_init(struct pq_locks *locks, struct db *db, struct loop *l,
                   const struct pq_pool_options *options)
{
    *locks = (struct pq_locks){.db = db, .loop = l, .options = *options};
}

enum status pq_locks_try(struct pq_locks *locks, struct db_request *request, int64_t key)
{
    if (!locks->pool)
        locks->pool = pq_pool_new(locks->loop, &locks->options);
    return submit(locks, request, &try_lock, key, try_lock_cb);
}

void pq_locks_release(struct pq_locks *locks, int64_t key)
{
    size_t i = find(locks, key);

    if (i == locks->held_len)
        return;
    locks->held[i] = locks->held[--locks->held_len];
    release(locks, key);
}

bool pq_locks_close(struct pq_locks *locks)
{
    struct pq_pool *pool = locks->pool;

    mem_free(locks->held);
    locks->held = NULL;
    locks->held_len = 0;
    if (pool)
        pq_pool_close(pool);
    return pool != NULL;
}
