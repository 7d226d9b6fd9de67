/* Session advisory locks on a connection of their own: held while the connection lives. */
#ifndef HOLDFAST_STORE_DB_PQ_LOCK_H
#define HOLDFAST_STORE_DB_PQ_LOCK_H

#include "engine/store/db_pq_pool.h"

/* The connection is made when the first lock is asked for. Members are private. */
struct pq_locks {
    struct db *db; /* whose on_lock_lost is told */
    struct loop *loop;
    struct pq_pool_options options;
    struct pq_pool *pool;
    int64_t *held;
    size_t held_len;
};

/* `options` tells where to connect; its on_lost must call pq_locks_lost. */
void pq_locks_init(struct pq_locks *locks, struct db *db, struct loop *l,
                   const struct pq_pool_options *options);
/* As db_try_lock and db_unlock. */
enum status pq_locks_try(struct pq_locks *locks, struct db_request *request,
                         int64_t key) MUST_CHECK;
void pq_locks_release(struct pq_locks *locks, int64_t key);
/* All that were held are gone with their connection: tells on_lock_lost. */
void pq_locks_lost(struct pq_locks *locks);
/* True when on_freed will come, later: a connection was made. False: nothing was there to close. */
bool pq_locks_close(struct pq_locks *locks);

#endif
