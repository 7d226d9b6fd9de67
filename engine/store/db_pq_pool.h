/* Connections to PostgreSQL that share a queue of statements: who waits, who is sent where,
 * deadlines, what a lost connection means. */
#ifndef HOLDFAST_STORE_DB_PQ_POOL_H
#define HOLDFAST_STORE_DB_PQ_POOL_H

#include "engine/store/db_pq.h"
#include "engine/store/db_pq_conn.h"
#include "engine/store/deadline.h"

struct pq_pool;

struct pq_pool_options {
    const char *conninfo, *application; /* borrowed while the pool lives */
    bool reports;
    size_t connections, pipeline, waiting_max;
    struct db_pq_metrics *metrics;
    void (*on_lost)(void *ctx);  /* a connection that was ready is gone, before its statements
                                    complete; may be NULL */
    void (*on_freed)(void *ctx); /* last */
    void *ctx;
};

struct pq_pool *pq_pool_new(struct loop *l, const struct pq_pool_options *options);
/* As db_query. */
enum status pq_pool_query(struct pq_pool *p, struct db_request *request,
                          const struct db_statement *statement, const struct slice *params,
                          unsigned deadline_ms) MUST_CHECK;
bool pq_pool_ready(const struct pq_pool *p, const char **ret_why);
/* As db_waited_ms. */
unsigned pq_pool_waited_ms(const struct pq_pool *p);
/* Completes everything with CANCELED in the next turn, then frees itself and calls on_freed. */
void pq_pool_close(struct pq_pool *p);

#endif
