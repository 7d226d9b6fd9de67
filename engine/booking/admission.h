/* Admission: what the booking server takes on, decided when a request's head is known and before
 * its body is read. What is let in is done within its deadline; the rest hears 503 with Retry-After
 * at once.
 *
 *   new work (POST holds)            refused when Redis is away, when the writes in flight reach a
 *                                    limit that finds itself (limiter.h), or when commits wait long
 *   started work (bookings, refunds) refused only when it would be in vain: PostgreSQL is away, or
 *                                    its commit would wait for more than half of its deadline
 *   webhooks                         never
 *   all else                         by the limit of requests in flight alone, of which new work
 *                                    leaves a quarter; so reads from memory go on
 *
 * The limit counts both kinds of writes, so that bookings that pile up keep new holds out. It falls
 * when the shortest answer of a tenth of a second took longer than `queue_ms`, be it to a hold or
 * of PostgreSQL to a commit; when it took so much longer to a booking than the shortest of the last
 * minutes, which is what the payment provider takes by itself (the base of TCP Vegas, Brakmo and
 * Peterson 1995); or when a provider has three quarters of what may be on its way to it. */
#ifndef HOLDFAST_BOOKING_ADMISSION_H
#define HOLDFAST_BOOKING_ADMISSION_H

#include "engine/base/limiter.h"
#include "engine/base/metric.h"
#include "engine/base/rng.h"
#include "engine/booking/commit.h"
#include "engine/net/http_client.h"
#include "engine/net/http_server.h"
#include "engine/store/kv.h"

#define ADMISSION_PROVIDERS_MAX 2

#define ADMISSION_METRICS(X)                                                                       \
    X(GAUGE, admission_limit, "writes in flight above which holds are refused")                    \
    X(GAUGE, admission_in_flight, "writes in flight")                                              \
    X(COUNTER, admission_holds_refused_total, "holds refused early with 503")                      \
    X(COUNTER, admission_bookings_refused_total,                                                   \
      "bookings, cancellations and refunds refused early with 503")                                \
    X(GAUGE, admission_standing_ms,                                                                \
      "the standing delay: the shortest answer of the last tenth of a second")                     \
    X(GAUGE, admission_commit_wait_ms, "how long a commit submitted now would wait")

METRIC_STRUCT(admission_metrics, ADMISSION_METRICS);

struct admission {
    /* the caller's, before admission_open */
    struct loop *loop;
    struct kv *kv;
    struct db *db;
    const struct commit_metrics *commits;                   /* with their histogram */
    struct http_client *providers[ADMISSION_PROVIDERS_MAX]; /* NULL: none */
    int64_t queue_ms;                                       /* how long the standing delay may be */
    /* to read */
    struct limiter limiter;
    struct admission_metrics metrics;
    struct metric_group group;
    /* private */
    struct rng rng;
    struct timer tick;
    struct hist commits_seen, commits_now;
    int64_t hold_least_ns;      /* shortest answer to a hold in this interval; INT64_MAX: none */
    int64_t booking_least_ns;   /* the same of bookings */
    int64_t booking_base_ns[2]; /* shortest of these and of the last five minutes */
    int64_t base_since_ns;
    int64_t patience_ns;    /* until then the last fall of the limit is given time to show */
    int64_t commit_done_ns; /* when a commit was answered last */
    double commit_rate;     /* a second while there was a backlog, smoothed */
    bool commit_backlog;    /* the last interval ended with bookings waiting */
};

/* `requests`: the server's limit of requests in flight. */
void admission_open(struct admission *a, size_t requests);
void admission_close(struct admission *a); /* the memory lives until the loop has turned and the
                                              server is gone */

/* For http_server_gate; ctx is the admission. */
bool admission_gate(struct http_request *req, void *admission);
void admission_done(struct http_request *req, bool waited, void *admission);

/* How full it is, in percent of the limit. */
unsigned admission_fill(const struct admission *a);
/* How long a commit that is submitted now would wait, from how many wait and how fast they went. */
int64_t admission_commit_wait_ms(const struct admission *a);

#endif
