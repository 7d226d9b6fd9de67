/* HTTP requests to others (payment provider, JWKS), through libcurl on the loop, with deadline,
 * circuit breaker and retry budget. */
#ifndef HOLDFAST_NET_HTTP_CLIENT_H
#define HOLDFAST_NET_HTTP_CLIENT_H

#include "engine/base/buf.h"
#include "engine/base/metric.h"
#include "engine/net/http.h"
#include "engine/net/loop.h"

struct http_client; /* one per dependency: breaker and budget are its own */
struct http_fetch;

/* status: OK (an answer came, whatever its HTTP status); UNAVAILABLE (no connection: it was
 * certainly not worked on); TIMEOUT and PROTOCOL (the connection broke or spoke nonsense): it may
 * have been worked on; TOO_LARGE (it was, and answered); CANCELED. */
typedef void (*http_fetch_cb)(struct http_fetch *fetch, enum status status);

/* Embedded by the caller, zeroed, filled, submitted; the caller's again in the callback. */
struct http_fetch {
    /* the caller's */
    enum http_method method;
    const char *url;            /* absolute */
    const char *const *headers; /* "name: value", NULL-terminated; may be NULL */
    struct slice body;          /* lives until the callback */
    unsigned deadline_ms;       /* of the whole call, retries included */
    bool idempotent; /* may be sent again after a connection failure or 502/503/504, within the
                        budget */
    http_fetch_cb cb;
    void *ctx;
    /* the answer, valid in the callback and until http_fetch_release */
    int http_status;
    struct buf answer; /* limited to 256 KiB */
    char content_type[64];
    /* private */
    struct http_fetch_state *state;
};

#define HTTP_CLIENT_METRICS(X)                                                                     \
    X(COUNTER, client_requests_total, "requests sent, retries included")                           \
    X(COUNTER, client_failures_total, "requests without an answer")                                \
    X(COUNTER, client_retries_total, "retries, at most a tenth of the requests")                   \
    X(GAUGE, client_breaker_open, "1 while the circuit breaker refuses")                           \
    X(HISTOGRAM, client_request_us, "time to the answer")

METRIC_STRUCT(http_client_metrics, HTTP_CLIENT_METRICS);

#define HTTP_CLIENT_FLIGHT_MAX 1024

/* `name` labels the metrics. The breaker opens after 5 failures in a row within 10 s and lets one
 * probe through each second. */
struct http_client *http_client_new(struct loop *l, const char *name);
void http_client_free(
    struct http_client *c); /* completes everything with CANCELED, in the next turn */
struct metric_group *http_client_metrics(struct http_client *c);

size_t http_client_in_flight(const struct http_client *c); /* those that wait to be repeated, too */

/* OVERLOADED past HTTP_CLIENT_FLIGHT_MAX in flight, UNAVAILABLE when the breaker is open, INVALID
 * for a bad URL: then no callback. */
enum status http_fetch_submit(struct http_client *c, struct http_fetch *fetch) MUST_CHECK;
void http_fetch_release(struct http_fetch *fetch); /* frees the answer */

#endif
