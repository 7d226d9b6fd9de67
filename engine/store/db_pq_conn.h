/* One connection to PostgreSQL in pipeline mode: connects, prepares what it has not prepared yet,
 * sends statements each with its own Sync, and gives answers in order. Who waits, and what a loss
 * means for them, is the pool's (db_pq_pool.h). */
#ifndef HOLDFAST_STORE_DB_PQ_CONN_H
#define HOLDFAST_STORE_DB_PQ_CONN_H

#include "engine/net/loop.h"
#include "engine/store/db.h"

#include <libpq-fe.h>

/* A statement on its way, with copies of its parameters. One allocation; owned by the pool. */
struct pq_job {
    struct db_request *request; /* NULL: nobody waits any more */
    const struct db_statement *statement;
    struct list link;     /* in the pool's waiting list or the connection's in_flight */
    struct list deadline; /* in the pool's deadlines */
    int64_t submitted_ns, sent_ns, deadline_ns;
    bool sent;      /* it is in in_flight */
    bool preparing; /* the answer to its Parse is due before its own */
    bool canceled;  /* the server was asked to stop it */
    bool retried;
    PGresult *result; /* kept until the Sync is answered: only then is the transaction committed */
    int *lengths;
    const char **values;
    char bytes[];
};

struct pq_conn;

/* Called on the loop, never inside pq_conn_open or pq_conn_close. */
struct pq_conn_events {
    void (*ready)(struct pq_conn *c);
    void (*answered)(struct pq_conn *c, struct pq_job *job); /* it is out of in_flight, its result
                                                                set; the job is the pool's again */
    void (*lost)(struct pq_conn *c, const char *why); /* in_flight is the pool's to deal with; the
                                                         connection tries again by itself */
    void (*freed)(struct pq_conn *c);
};

enum pq_state { PQ_DOWN, PQ_CONNECTING, PQ_GREETING, PQ_READY, PQ_CLOSED };

struct pq_conn {
    /* the pool's */
    void *ctx;
    const struct pq_conn_events *events;
    struct loop *loop;
    const char *conninfo, *application;
    bool reports;          /* as db_pq_options has it */
    struct list in_flight; /* struct pq_job, the oldest first */
    size_t in_flight_len;
    /* private, except reading state */
    enum pq_state state;
    PGconn *pg;
    struct pq_poller *poller;
    struct pq_cancel *cancel; /* under way */
    struct timer step;        /* the next attempt, or the end of this one */
    unsigned retry_ms;
    const struct db_statement **prepared; /* on this connection */
    size_t prepared_len, prepared_cap;
};

/* The pool's members are set. Starts at once and never stops trying until closed. */
void pq_conn_open(struct pq_conn *c);
/* Sends a job and takes it into in_flight; only when PQ_READY. A failure comes as lost (perhaps
 * inside this call). */
void pq_conn_send(struct pq_conn *c, struct pq_job *job);
/* Asks the server to stop what it executes. Harmless when nothing is. It may hit the statement
 * behind: that one reports 57014 and did not run. */
void pq_conn_cancel(struct pq_conn *c);
void pq_conn_forget(struct pq_conn *c,
                    const struct db_statement *statement); /* it must be prepared again */
/* Ends the connection as if the server had gone: lost is called, then it connects again. */
void pq_conn_cut(struct pq_conn *c, const char *why);
/* No event but freed follows. */
void pq_conn_close(struct pq_conn *c);

#endif
