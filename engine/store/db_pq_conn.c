#include "engine/store/db_pq_conn.h"

#include "engine/base/log.h"
#include "engine/base/rng.h"

#include <assert.h>

#define CONNECT_MS   5000
#define RETRY_MS_MIN 50
#define RETRY_MS_MAX 2000

/* Said once on every connection. A commit is durable before it is answered, whatever the server's
 * default. */
#define GREETING                                                                                   \
    "SET synchronous_commit = on; SET statement_timeout = '60s'; SET "                             \
    "idle_in_transaction_session_timeout = '10s';"                                                 \
    "SET client_min_messages = warning; SET client_encoding = 'UTF8'"
/* The statements of a service touch a few rows by their key. A plan that was made while its table
 * was empty reads all of it, and stays: measured, 1.7 ms of processor a charged booking. Planning
 * anew each time costs ten times the execution. */
static const char greeting[] =
    GREETING "; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET jit = off";
static const char greeting_reports[] = GREETING;

static void lose(struct pq_conn *c, const char *why);

/* ---- the poll handle: one per socket, since libpq may change sockets while it connects and libuv
 * frees handles later ---- */

struct pq_poller {
    uv_poll_t uv;
    struct pq_conn *conn;
    int events;
};

static void poller_free(uv_handle_t *handle)
{
    mem_free(container_of(handle, struct pq_poller, uv));
}

static void unwatch(struct pq_conn *c)
{
    if (!c->poller)
        return;
    uv_close((uv_handle_t *)&c->poller->uv, poller_free);
    c->poller = NULL;
}

static void socket_ready(uv_poll_t *uv, int status, int events);

static void watch(struct pq_conn *c, int events)
{
    struct pq_poller *p = c->poller;
    int rc;

    if (p && p->events == events)
        return;
    if (!p) {
        p = mem_alloc(sizeof(*p));
        rc = uv_poll_init(&c->loop->uv, &p->uv, PQsocket(c->pg));
        if (rc < 0) {
            mem_free(p);
            lose(c, uv_strerror(rc));
            return;
        }
        p->conn = c;
        c->poller = p;
    }
    p->events = events;
    uv_poll_start(&p->uv, events, socket_ready);
}

/* ---- losing and trying again ---- */

static void hang_up(struct pq_conn *c)
{
    unwatch(c);
    if (c->pg)
        PQfinish(c->pg);
    c->pg = NULL;
    c->prepared_len = 0;
}

static void plan_retry(struct pq_conn *c)
{
    uint64_t jitter;

    rng_secret(&jitter, sizeof(jitter));
    c->retry_ms = c->retry_ms * 2 > RETRY_MS_MAX ? RETRY_MS_MAX : c->retry_ms * 2;
    timer_start(&c->step, RETRY_MS_MIN + jitter % (c->retry_ms - RETRY_MS_MIN + 1), 0);
}

static void lose(struct pq_conn *c, const char *why)
{
    char text[200];

    if (!slice_to_str(slice_of(why, strcspn(why, "\n")), text,
                      sizeof(text))) /* it may be libpq's, gone after PQfinish */
        memcpy(text, "connection failed", sizeof("connection failed"));
    if (c->state == PQ_READY)
        log_warn("postgresql", "connection lost", log_str("why", text));
    hang_up(c);
    c->state = PQ_DOWN;
    plan_retry(c);
    c->events->lost(c, text);
}

void pq_conn_cut(struct pq_conn *c, const char *why)
{
    lose(c, why);
}

/* ---- writing ---- */

static void flush(struct pq_conn *c)
{
    int rest = PQflush(c->pg);

    if (rest < 0)
        lose(c, PQerrorMessage(c->pg));
    else
        watch(c, rest ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

static bool is_prepared(const struct pq_conn *c, const struct db_statement *statement)
{
    for (size_t i = 0; i < c->prepared_len; i++) {
        if (c->prepared[i] == statement)
            return true;
    }
    return false;
}

static void remember(struct pq_conn *c, const struct db_statement *statement)
{
    if (c->prepared_len == c->prepared_cap) {
        c->prepared_cap = c->prepared_cap ? c->prepared_cap * 2 : 32;
        c->prepared =
            mem_resize(c->prepared, c->prepared_cap * sizeof(const struct db_statement *));
    }
    c->prepared[c->prepared_len++] = statement;
}

void pq_conn_forget(struct pq_conn *c, const struct db_statement *statement)
{
    for (size_t i = 0; i < c->prepared_len; i++) {
        if (c->prepared[i] == statement)
            c->prepared[i--] = c->prepared[--c->prepared_len];
    }
}

/* Parse is sent with the first use; those that follow rely on it before it is answered (26000 if it
 * was refused: the pool sends them again). */
static bool send_parse(struct pq_conn *c, struct pq_job *job)
{
    job->preparing = !is_prepared(c, job->statement);
    if (!job->preparing)
        return true;
    remember(c, job->statement);
    return PQsendPrepare(c->pg, job->statement->name, job->statement->text, 0, NULL);
}

void pq_conn_send(struct pq_conn *c, struct pq_job *job)
{
    assert(c->state == PQ_READY);
    list_push_back(&c->in_flight, &job->link);
    c->in_flight_len++;
    job->sent = true;
    if (send_parse(c, job) &&
        PQsendQueryPrepared(c->pg, job->statement->name, (int)job->statement->params, job->values,
                            job->lengths, NULL, 0) &&
        PQpipelineSync(c->pg))
        flush(c);
    else
        lose(c, PQerrorMessage(c->pg));
}

/* ---- reading ---- */

static void keep_result(struct pq_job *job, PGresult *result)
{
    bool is_first_error = PQresultStatus(result) != PGRES_PIPELINE_ABORTED &&
                          (!job->result || PQresultStatus(job->result) != PGRES_FATAL_ERROR);

    if (!is_first_error) {
        PQclear(result);
        return;
    }
    PQclear(job->result);
    job->result = result;
}

/* A result of the oldest job: of its Parse, then of itself, then of its Sync (a commit that fails
 * reports before the Sync). */
static void take_result(struct pq_conn *c, PGresult *result)
{
    struct pq_job *job = list_entry(c->in_flight.next, struct pq_job, link);
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        list_remove(&job->link);
        c->in_flight_len--;
        c->events->answered(c, job);
        return;
    }
    if (job->preparing) {
        job->preparing = false;
        if (status == PGRES_COMMAND_OK) {
            PQclear(result);
            return;
        }
        pq_conn_forget(c, job->statement);
    }
    keep_result(job, result);
}

static void take_results(struct pq_conn *c)
{
    while (c->state == PQ_READY && !list_empty(&c->in_flight) && !PQisBusy(c->pg)) {
        PGresult *result = PQgetResult(c->pg);

        if (result)
            take_result(
                c, result); /* NULL only separates the results of one statement from the next */
        else if (PQstatus(c->pg) == CONNECTION_BAD)
            break;
    }
    if (c->state == PQ_READY && PQstatus(c->pg) == CONNECTION_BAD)
        lose(c, PQerrorMessage(c->pg));
}

/* ---- connecting ---- */

static void greet(struct pq_conn *c)
{
    unwatch(c);
    c->state = PQ_GREETING;
    if (PQsetnonblocking(c->pg, 1) || !PQsendQuery(c->pg, c->reports ? greeting_reports : greeting))
        lose(c, PQerrorMessage(c->pg));
    else
        flush(c);
}

static void greeted(struct pq_conn *c)
{
    if (!PQenterPipelineMode(c->pg)) {
        lose(c, PQerrorMessage(c->pg));
        return;
    }
    c->state = PQ_READY;
    c->retry_ms = RETRY_MS_MIN;
    timer_stop(&c->step);
    c->events->ready(c);
}

static void take_greeting(struct pq_conn *c)
{
    while (!PQisBusy(c->pg)) {
        PGresult *result = PQgetResult(c->pg);
        bool done = !result, good = result && PQresultStatus(result) == PGRES_COMMAND_OK;

        PQclear(result);
        if (done) {
            greeted(c);
            return;
        }
        if (!good) {
            lose(c, PQerrorMessage(c->pg));
            return;
        }
    }
}

static void connect_on(struct pq_conn *c)
{
    unwatch(c);
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_READING: watch(c, UV_READABLE); break;
    case PGRES_POLLING_WRITING: watch(c, UV_WRITABLE); break;
    case PGRES_POLLING_OK: greet(c); break;
    default: lose(c, PQerrorMessage(c->pg)); break;
    }
}

static void ignore_notice(void *ctx, const PGresult *notice)
{
    (void)ctx;
    log_debug("postgresql", "notice",
              log_str("text", PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY)));
}

/* A host name is resolved by libpq, blocking: name addresses where that matters. */
static void connect_start(struct pq_conn *c)
{
    const char *names[] = {"dbname",
                           "fallback_application_name",
                           "keepalives_idle",
                           "keepalives_interval",
                           "keepalives_count",
                           "tcp_user_timeout",
                           NULL};
    const char *values[] = {c->conninfo, c->application, "15", "5", "3", "10000", NULL};

    c->state = PQ_CONNECTING;
    timer_start(&c->step, CONNECT_MS, 0);
    c->pg = PQconnectStartParams(names, values, 1);
    if (!c->pg || PQstatus(c->pg) == CONNECTION_BAD) {
        lose(c, c->pg ? PQerrorMessage(c->pg) : "out of memory");
        return;
    }
    PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
    watch(c, UV_WRITABLE);
}

static void step_over(struct timer *timer)
{
    struct pq_conn *c = container_of(timer, struct pq_conn, step);

    if (c->state == PQ_DOWN)
        connect_start(c);
    else
        lose(c, "no answer to the connect");
}

/* libuv says only that the socket has an error and stops watching it; libpq finds out which. False
 * when the connection is lost. */
static bool read_input(struct pq_conn *c, int status)
{
    bool failed = !PQconsumeInput(c->pg) || status < 0;

    if (c->state == PQ_GREETING)
        take_greeting(c);
    else
        take_results(c); /* what came before the end counts */
    if (failed && (c->state == PQ_GREETING || c->state == PQ_READY))
        lose(c, PQerrorMessage(c->pg));
    return !failed;
}

static void socket_ready(uv_poll_t *uv, int status, int events)
{
    struct pq_conn *c = container_of(uv, struct pq_poller, uv)->conn;

    if (c->state == PQ_CONNECTING) {
        connect_on(c);
        return;
    }
    if ((status < 0 || (events & UV_READABLE)) && !read_input(c, status))
        return;
    if ((events & UV_WRITABLE) && (c->state == PQ_GREETING || c->state == PQ_READY))
        flush(c);
}

void pq_conn_open(struct pq_conn *c)
{
    list_init(&c->in_flight);
    c->state = PQ_DOWN;
    c->retry_ms = RETRY_MS_MIN;
    timer_init(c->loop, &c->step, step_over);
    timer_start(&c->step, 0, 0);
}

/* ---- canceling: PQcancel blocks, so it runs in libuv's threads with its own copy of what it needs
 * ---- */

struct pq_cancel {
    uv_work_t work;
    PGcancel *handle;
    struct pq_conn *conn; /* NULL when it has been closed meanwhile */
};

static void cancel_run(uv_work_t *work)
{
    char why[256];

    PQcancel(container_of(work, struct pq_cancel, work)->handle, why, sizeof(why));
}

static void cancel_done(uv_work_t *work, int status)
{
    struct pq_cancel *cancel = container_of(work, struct pq_cancel, work);

    (void)status;
    if (cancel->conn)
        cancel->conn->cancel = NULL;
    PQfreeCancel(cancel->handle);
    mem_free(cancel);
}

void pq_conn_cancel(struct pq_conn *c)
{
    struct pq_cancel *cancel;
    PGcancel *handle = c->state == PQ_READY && !c->cancel ? PQgetCancel(c->pg) : NULL;

    if (!handle)
        return;
    cancel = mem_alloc(sizeof(*cancel));
    cancel->handle = handle;
    cancel->conn = c;
    c->cancel = cancel;
    if (uv_queue_work(&c->loop->uv, &cancel->work, cancel_run, cancel_done) < 0)
        cancel_done(&cancel->work, 0);
}

/* ---- the end ---- */

static void step_closed(struct timer *timer)
{
    struct pq_conn *c = container_of(timer, struct pq_conn, step);

    mem_free(c->prepared);
    c->events->freed(c);
}

void pq_conn_close(struct pq_conn *c)
{
    hang_up(c);
    c->state = PQ_CLOSED;
    if (c->cancel)
        c->cancel->conn = NULL;
    timer_close(&c->step, step_closed);
}
