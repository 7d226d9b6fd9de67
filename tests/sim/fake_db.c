/* PostgreSQL behind a network. Several connections an engine: statements may overtake each other. A
 * statement may fail without having run, or run and its answer be lost; the caller cannot tell. */
#include "tests/sim/invariants.h"
#include "tests/sim/stores.h"

#include "engine/base/mem.h"

#include <stdio.h>

enum { LOCKS_MAX = 64 };

struct fake_db {
    struct db db;
    struct host *host;
    struct list link, jobs;
    int64_t locks[LOCKS_MAX]; /* held by this connection */
    size_t lock_count;
    struct sim_event lock_news;
    int64_t lost[LOCKS_MAX]; /* and not told yet */
    size_t lost_count;
};

struct job {
    struct fake_db *conn;
    struct db_request *request; /* NULL: nobody waits */
    struct list link;
    struct sim_event progress, deadline;
    const struct db_statement *statement; /* NULL: a lock */
    int64_t key;
    struct slice *params;
    struct arena arena;
    struct pg_answer *answer; /* NULL: it did not run */
    enum status failed;
};

static void job_free(struct job *j)
{
    list_remove(&j->link);
    world_cancel(&j->progress);
    world_cancel(&j->deadline);
    if (j->answer)
        pg_answer_free(j->answer);
    arena_free(&j->arena);
    mem_free(j);
}

static void complete(struct job *j, enum status status)
{
    struct db_request *request = j->request;
    struct host *was;

    world_cancel(&j->deadline);
    j->request = NULL;
    if (!request)
        return;
    if (j->answer)
        request->error = j->answer->error;
    was = world_enter(j->conn->host);
    request->cb(request, status, status == STATUS_OK ? &j->answer->result : NULL);
    world_enter(was);
}

static void answer(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, progress);

    if (world_put_off(e, j->conn->host))
        return;
    complete(j, j->failed ? j->failed : j->answer->status);
    job_free(j);
}

static void late(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, deadline);

    if (!world_put_off(e, j->conn->host))
        complete(j, STATUS_TIMEOUT);
}

/* ---- locks ---- */

static bool lock_held(int64_t key)
{
    list_for_each (it, &stores.dbs) {
        const struct fake_db *c = list_entry(it, struct fake_db, link);

        for (size_t i = 0; i < c->lock_count; i++) {
            if (c->locks[i] == key)
                return true;
        }
    }
    return false;
}

static void tell_lost(struct sim_event *e)
{
    struct fake_db *c = container_of(e, struct fake_db, lock_news);
    size_t count = c->lost_count;

    if (world_put_off(e, c->host))
        return;
    c->lost_count = 0;
    world_enter(c->host);
    for (size_t i = 0; i < count; i++) {
        if (c->db.on_lock_lost)
            c->db.on_lock_lost(&c->db, c->lost[i], c->db.on_lock_lost_ctx);
    }
    world_enter(NULL);
}

/* PostgreSQL knows at once, the engine some time later: for a while two may believe that they hold
 * a lock. */
static void cut_locks(struct fake_db *c)
{
    if (!c->lock_count || c->lost_count)
        return;
    TRACE("postgresql: engine %u loses its locks", c->host->id);
    memcpy(c->lost, c->locks, sizeof(c->lost));
    c->lost_count = c->lock_count;
    c->lock_count = 0;
    world_at(&c->lock_news, NULL, (int64_t)chance(3000) * MS, tell_lost);
}

static void take_lock(struct job *j)
{
    struct fake_db *c = j->conn;
    bool got = !lock_held(j->key) && c->lock_count < LOCKS_MAX && !c->lost_count;

    if (got)
        c->locks[c->lock_count++] = j->key;
    j->answer = pg_answer_new();
    j->answer->result.rows = j->answer->result.columns = 1;
    j->answer->cells = arena_take(&j->answer->arena, sizeof(struct slice));
    j->answer->cells[0] = got ? SLICE_LITERAL("t") : SLICE_LITERAL("f");
    j->answer->cell_count = 1;
}

static void fake_unlock(struct db *db, int64_t key)
{
    struct fake_db *c = container_of(db, struct fake_db, db);

    for (size_t i = 0; i < c->lock_count; i++) {
        if (c->locks[i] == key) {
            c->locks[i] = c->locks[--c->lock_count];
            return;
        }
    }
}

/* ---- statements ---- */

static bool is_poll(const struct job *j)
{
    return strcmp(j->statement->name, "outbox_fetch") == 0 ||
           strcmp(j->statement->name, "booking_resume") == 0 ||
           strcmp(j->statement->name, "refund_resume") == 0 ||
           strcmp(j->statement->name, "payment_reconcile") == 0;
}

static void trace_job(const struct job *j)
{
    const struct pg_answer *a = j->answer;

    if (!world.trace || (is_poll(j) && a->result.rows == 0))
        return;
    world_trace_head();
    printf("postgresql <- engine %u: %s", j->conn->host->id, j->statement->name);
    for (size_t i = 0; i < j->statement->params; i++)
        printf(" %.*s", j->params[i].len < 80 ? (int)j->params[i].len : 80,
               j->params[i].at ? j->params[i].at : "NULL");
    printf(" -> %s%s, %zu rows:", status_code(a->status), a->error.constraint, a->result.rows);
    for (size_t i = 0; i < a->cell_count && i < 40; i++)
        printf(" %.*s", a->cells[i].len < 40 ? (int)a->cells[i].len : 40,
               a->cells[i].at ? a->cells[i].at : "NULL");
    printf("\n");
}

static void run(struct job *j)
{
    stores.pg.now_ms = pg_wall_ms();
    j->answer = pg_run(&stores.pg, j->statement, j->params);
    trace_job(j);
    for (size_t i = 0; i < j->answer->cell_count; i++)
        world_mark_bytes(j->answer->cells[i].at,
                         j->answer->cells[i].at ? j->answer->cells[i].len : 0);
}

static void arrive(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, progress);
    enum status lost = chance(2) ? STATUS_TIMEOUT : STATUS_UNAVAILABLE;

    if (stores.pg_away) {
        j->failed = STATUS_UNAVAILABLE;
    } else if (!j->statement) {
        take_lock(j);
    } else if (happens(stores.faults.db_not_run)) {
        TRACE("postgresql: %s of engine %u fails and did not run", j->statement->name,
              j->conn->host->id);
        j->failed = lost;
    } else {
        run(j);
        if (happens(stores.faults.db_lost)) {
            TRACE("postgresql: the answer to %s of engine %u is lost", j->statement->name,
                  j->conn->host->id);
            j->failed = lost;
        }
    }
    if (happens(stores.faults.db_lock_cut))
        cut_locks(j->conn);
    world_at(&j->progress, NULL, latency_ns(stores.faults.slow / 4), answer);
}

/* Its connections break: some of what was on its way has run, and nobody is told. */
static void cut(struct fake_db *c)
{
    TRACE("postgresql: the connections of engine %u break", c->host->id);
    list_for_each (it, &c->jobs) {
        struct job *j = list_entry(it, struct job, link);

        if (j->statement && !j->answer && !j->failed && chance(2)) {
            run(j);
            check_step(); /* a step of its own */
        }
        j->failed = STATUS_UNAVAILABLE;
        world_at(&j->progress, NULL, latency_ns(0), answer);
    }
    cut_locks(c);
}

void pg_cut(const struct host *h)
{
    list_for_each (it, &stores.dbs) {
        if (list_entry(it, struct fake_db, link)->host == h)
            cut(list_entry(it, struct fake_db, link));
    }
}

void pg_stop(void)
{
    TRACE("postgresql is away");
    list_for_each (it, &stores.dbs)
        cut(list_entry(it, struct fake_db, link));
    stores.pg_away = true;
}

static struct job *job_new(struct fake_db *c, struct db_request *request, unsigned deadline_ms)
{
    struct job *j = mem_alloc(sizeof(*j));

    j->conn = c;
    j->request = request;
    list_push_back(&c->jobs, &j->link);
    world_at(&j->progress, NULL, latency_ns(stores.faults.slow), arrive);
    if (deadline_ms)
        world_at(&j->deadline, NULL, (int64_t)deadline_ms * MS, late);
    return j;
}

static enum status fake_query(struct db *db, struct db_request *request,
                              const struct db_statement *statement, const struct slice *params,
                              unsigned deadline_ms)
{
    struct fake_db *c = container_of(db, struct fake_db, db);
    struct host *was = world_enter(NULL);
    struct job *j = job_new(c, request, deadline_ms);

    j->statement = statement;
    j->params = arena_take(&j->arena, (statement->params + 1) * sizeof(*params));
    for (size_t i = 0; i < statement->params; i++) {
        char *copy = params[i].at ? arena_take(&j->arena, params[i].len + 1) : NULL;

        if (params[i].len)
            memcpy(copy, params[i].at, params[i].len);
        j->params[i] = slice_of(copy, params[i].len);
    }
    world_enter(was);
    return STATUS_OK;
}

static enum status fake_lock(struct db *db, struct db_request *request, int64_t key)
{
    struct fake_db *c = container_of(db, struct fake_db, db);
    struct host *was = world_enter(NULL);

    job_new(c, request, 0)->key = key;
    world_enter(was);
    return STATUS_OK;
}

static bool fake_ready(struct db *db, const char **ret_why)
{
    (void)db;
    (void)ret_why;
    return !stores.pg_away;
}

static const struct db_ops ops = {
    .query = fake_query, .lock = fake_lock, .unlock = fake_unlock, .ready = fake_ready};

struct db *db_connect(void)
{
    struct host *host = world_enter(NULL);
    struct fake_db *c = mem_alloc(sizeof(*c));

    c->db.ops = &ops;
    c->host = host;
    list_init(&c->jobs);
    list_push_back(&stores.dbs, &c->link);
    world_enter(host);
    return &c->db;
}

/* A statement that was sent runs or not; the locks are free at once. */
void fake_db_forget(struct host *h)
{
    list_for_each_safe (it, &stores.dbs) {
        struct fake_db *c = list_entry(it, struct fake_db, link);

        if (c->host != h)
            continue;
        list_for_each_safe (link, &c->jobs) {
            struct job *j = list_entry(link, struct job, link);

            if (j->statement && !j->answer && !j->failed && chance(2))
                run(j);
            job_free(j);
        }
        world_cancel(&c->lock_news);
        list_remove(&c->link);
        mem_free(c);
    }
}
