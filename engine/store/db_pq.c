#include "engine/store/db_pq.h"

#include "engine/store/db_pq_lock.h"
#include "engine/store/db_pq_pool.h"

#include <assert.h>

#define CONNECTIONS       4
#define PIPELINE          8
#define WAITING_MAX       16384
#define LOCKS_WAITING_MAX 1024

struct db_pq {
    struct db db;
    struct loop *loop;
    char *conninfo, *application; /* owned */
    struct pq_pool *pool;
    struct pq_locks locks;
    int pools; /* that still refer to this, once closing */
    struct db_pq_metrics metrics;
    struct metric_group group;
};

#define METRIC_ROW_TAG db_pq_metrics
static const struct metric_desc metric_descs[] = {DB_PQ_METRICS(METRIC_ROW_)};

static struct db_pq *pq_of(struct db *db)
{
    return container_of(db, struct db_pq, db);
}

static enum status pq_query(struct db *db, struct db_request *request,
                            const struct db_statement *statement, const struct slice *params,
                            unsigned deadline_ms)
{
    request->db = db;
    return pq_pool_query(pq_of(db)->pool, request, statement, params, deadline_ms);
}

static enum status pq_lock(struct db *db, struct db_request *request, int64_t key)
{
    request->db = db;
    return pq_locks_try(&pq_of(db)->locks, request, key);
}

static void pq_unlock(struct db *db, int64_t key)
{
    pq_locks_release(&pq_of(db)->locks, key);
}

static bool pq_ready(struct db *db, const char **ret_why)
{
    return pq_pool_ready(pq_of(db)->pool, ret_why);
}

static unsigned pq_waited_ms(struct db *db)
{
    return pq_pool_waited_ms(pq_of(db)->pool);
}

static void pool_freed(void *ctx)
{
    struct db_pq *d = ctx;

    if (--d->pools > 0)
        return;
    metric_group_free(&d->group);
    mem_free(d->conninfo);
    mem_free(d->application);
    mem_free(d);
}

static void locks_lost(void *ctx)
{
    struct db_pq *d = ctx;

    pq_locks_lost(&d->locks);
}

static void pq_close(struct db *db)
{
    struct db_pq *d = pq_of(db);

    assert(d->pools == 0); /* once */
    d->pools = 1;
    d->pools += pq_locks_close(&d->locks);
    pq_pool_close(d->pool);
}

static const struct db_ops ops = {.query = pq_query,
                                  .lock = pq_lock,
                                  .unlock = pq_unlock,
                                  .ready = pq_ready,
                                  .waited_ms = pq_waited_ms,
                                  .close = pq_close};

struct db *db_pq_new(struct loop *l, const struct db_pq_options *options)
{
    struct db_pq *d = mem_alloc(sizeof(*d));
    struct pq_pool_options pool;

    d->db.ops = &ops;
    d->loop = l;
    d->conninfo = mem_strdup(options->conninfo ? options->conninfo : "");
    d->application = mem_strdup(options->application ? options->application : "holdfast");
    d->group = (struct metric_group){metric_descs, array_len(metric_descs), &d->metrics, NULL, {0}};
    pool = (struct pq_pool_options){
        .conninfo = d->conninfo,
        .application = d->application,
        .reports = options->reports,
        .connections = options->connections ? options->connections : CONNECTIONS,
        .pipeline = options->pipeline ? options->pipeline : PIPELINE,
        .waiting_max = options->waiting_max ? options->waiting_max : WAITING_MAX,
        .metrics = &d->metrics,
        .on_freed = pool_freed,
        .ctx = d,
    };
    d->pool = pq_pool_new(l, &pool);
    pool.connections = 1;
    pool.waiting_max = LOCKS_WAITING_MAX;
    pool.on_lost = locks_lost;
    pq_locks_init(&d->locks, &d->db, l, &pool);
    return &d->db;
}

struct metric_group *db_pq_metrics(struct db *db)
{
    return &pq_of(db)->group;
}
