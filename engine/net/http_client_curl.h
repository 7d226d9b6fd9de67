/* Between the files of the HTTP client: the client, a fetch under way, and libcurl's waiting on the
 * loop. */
#ifndef HOLDFAST_NET_HTTP_CLIENT_CURL_H
#define HOLDFAST_NET_HTTP_CLIENT_CURL_H

#include "engine/base/rng.h"
#include "engine/net/http_client.h"

#include <curl/curl.h>

#define HTTP_CLIENT_EASIES_KEPT 64

struct http_fetch_state {
    struct http_fetch *fetch;
    struct http_client *client;
    struct list link; /* in flying, waiting or done */
    CURL *easy;
    struct curl_slist *headers;
    int64_t started_ns, deadline_ns;
    int64_t retry_ns; /* when waiting */
    unsigned attempts;
    enum status result;
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct timer curl_timer, retry_timer;
    struct turn_end deliver;
    struct list flying, waiting, done;
    size_t count; /* fetches between submit and callback */
    CURL *easies[HTTP_CLIENT_EASIES_KEPT];
    size_t easy_count;
    struct rng rng;
    double retries_saved;
    /* the breaker */
    unsigned failures; /* in a row */
    int64_t first_failure_ns, next_probe_ns;
    bool open;
    /* the end */
    bool freed;
    unsigned handles;
    struct http_client_metrics values;
    struct metric_group metrics;
    char labels[64];
};

/* http_client_curl.c: makes c->multi and its timer. */
void http_client_watch(struct http_client *c);

/* http_client.c: an attempt has its end. */
void http_client_attempt_ended(struct http_fetch_state *st, CURLcode code);
/* Frees the client when it was let go and nothing of it is left. */
void http_client_release(struct http_client *c);

#endif
