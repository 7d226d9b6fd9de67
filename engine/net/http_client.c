/* The life of a fetch:
 *
 *   submit -> [breaker, limit] -> attempt in libcurl -> end of it -> done -> cb, at the turn's end
 *   end of it -> a while -> attempt, when idempotent, within the budget and the deadline
 */
#include "engine/net/http_client_curl.h"

#include <assert.h>
#include <stdio.h>

#define ANSWER_MAX   (256 * 1024)
#define CONNECT_MS   3000
#define ATTEMPTS_MAX 3
#define RETRY_WAIT_MS                                                                              \
    40 /* before the first retry, doubled for the next, plus up to as much at random */
#define RETRY_SHARE             0.1  /* retries a request pays for */
#define RETRY_SAVED_MAX         10.0 /* retries that can be saved up */
#define BREAKER_FAILURES        5
#define BREAKER_WINDOW_NS       10000000000
#define BREAKER_PROBE_NS        1000000000
#define HTTP_CLIENT_EASIES_KEPT 64

#define METRIC_ROW_TAG          http_client_metrics
static const struct metric_desc descs[] = {HTTP_CLIENT_METRICS(METRIC_ROW_)};

/* ---- the breaker ---- */

static bool breaker_admits(struct http_client *c)
{
    int64_t now = loop_mono_ns(c->loop);

    if (!c->open)
        return true;
    if (now < c->next_probe_ns)
        return false;
    c->next_probe_ns = now + BREAKER_PROBE_NS;
    return true;
}

static void note_success(struct http_client *c)
{
    c->failures = 0;
    c->open = false;
    c->values.client_breaker_open = 0;
}

static void note_failure(struct http_client *c)
{
    int64_t now = loop_mono_ns(c->loop);

    if (c->failures == 0 || now - c->first_failure_ns > BREAKER_WINDOW_NS) {
        c->failures = 0;
        c->first_failure_ns = now;
    }
    if (++c->failures < BREAKER_FAILURES || c->open)
        return;
    c->open = true;
    c->values.client_breaker_open = 1;
    c->next_probe_ns = now + BREAKER_PROBE_NS;
}

/* ---- delivery ---- */

static void drop_easy(struct http_client *c, CURL *easy)
{
    if (c->easy_count == HTTP_CLIENT_EASIES_KEPT || c->freed) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    c->easies[c->easy_count++] = easy;
}

static void state_free(struct http_fetch_state *st)
{
    drop_easy(st->client, st->easy);
    curl_slist_free_all(st->headers);
    mem_free(st);
}

static void deliver(struct turn_end *end)
{
    struct http_client *c = container_of(end, struct http_client, deliver);
    struct list *link;

    while ((link = list_pop_front(&c->done)) != NULL) {
        struct http_fetch_state *st = list_entry(link, struct http_fetch_state, link);
        struct http_fetch *fetch = st->fetch;
        enum status result = st->result;
        uint64_t us = (uint64_t)(loop_mono_ns(c->loop) - st->started_ns) / 1000;

        if (result == STATUS_OK && c->values.client_request_us.counts)
            hist_record(&c->values.client_request_us, us);
        state_free(st);
        fetch->state = NULL;
        c->count--;
        fetch->cb(fetch, result);
    }
    http_client_release(c);
}

static void finish(struct http_fetch_state *st, enum status result)
{
    struct http_client *c = st->client;

    st->result = result;
    list_remove(&st->link);
    list_push_back(&c->done, &st->link);
    loop_defer(c->loop, &c->deliver);
}

/* ---- an attempt ---- */

static size_t take_answer(char *at, size_t size, size_t count, void *userdata)
{
    struct http_fetch_state *st = userdata;

    buf_append(&st->fetch->answer, at, size * count);
    return st->fetch->answer.failed ? 0 : size * count;
}

static const char *method_name(enum http_method method)
{
    switch (method) {
    case HTTP_POST_: return "POST";
    case HTTP_PUT_: return "PUT";
    case HTTP_PATCH_: return "PATCH";
    case HTTP_DELETE_: return "DELETE";
    case HTTP_OPTIONS_: return "OPTIONS";
    case HTTP_HEAD_: return "HEAD";
    case HTTP_GET_:
    case HTTP_OTHER_: break;
    }
    return "GET";
}

static long left_ms(const struct http_fetch_state *st)
{
    return (long)((st->deadline_ns - loop_mono_ns(st->client->loop)) / 1000000);
}

static void set_method(CURL *easy, const struct http_fetch *fetch)
{
    bool has_body = fetch->body.len > 0 || fetch->method == HTTP_POST_ ||
                    fetch->method == HTTP_PUT_ || fetch->method == HTTP_PATCH_;

    if (fetch->method == HTTP_HEAD_)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (has_body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, fetch->body.at ? fetch->body.at : "");
    }
    if (has_body || fetch->method != HTTP_GET_)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method_name(fetch->method));
}

static void attempt(struct http_fetch_state *st)
{
    struct http_client *c = st->client;
    long left = left_ms(st);

    st->attempts++;
    c->values.client_requests_total++;
    buf_clear(&st->fetch->answer);
    curl_easy_setopt(st->easy, CURLOPT_TIMEOUT_MS, left > 1 ? left : 1L);
    curl_easy_setopt(st->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    list_remove(&st->link);
    list_push_back(&c->flying, &st->link);
    curl_multi_add_handle(c->multi, st->easy);
}

static enum status status_of(const struct http_fetch_state *st, CURLcode code)
{
    switch (code) {
    case CURLE_OK: return STATUS_OK;
    case CURLE_OPERATION_TIMEDOUT: return STATUS_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION: return STATUS_UNAVAILABLE;
    case CURLE_WRITE_ERROR: return st->fetch->answer.failed ? STATUS_TOO_LARGE : STATUS_INTERNAL;
    case CURLE_OUT_OF_MEMORY: return STATUS_INTERNAL;
    default: return STATUS_PROTOCOL;
    }
}

static void arm_retry_timer(struct http_client *c)
{
    int64_t soonest = INT64_MAX, wait_ms;

    list_for_each (it, &c->waiting) {
        struct http_fetch_state *st = list_entry(it, struct http_fetch_state, link);

        if (st->retry_ns < soonest)
            soonest = st->retry_ns;
    }
    if (soonest == INT64_MAX)
        return;
    wait_ms = (soonest - loop_mono_ns(c->loop)) / 1000000 + 1;
    timer_start(&c->retry_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

static void retry_due(struct timer *t)
{
    struct http_client *c = container_of(t, struct http_client, retry_timer);
    int64_t now = loop_mono_ns(c->loop);

    list_for_each_safe (it, &c->waiting) {
        struct http_fetch_state *st = list_entry(it, struct http_fetch_state, link);

        if (st->retry_ns <= now)
            attempt(st);
    }
    arm_retry_timer(c);
}

static bool failed_for_now(const struct http_fetch_state *st, enum status result)
{
    int http_status = st->fetch->http_status;

    if (result == STATUS_OK)
        return http_status == 502 || http_status == 503 || http_status == 504;
    return result == STATUS_UNAVAILABLE || result == STATUS_PROTOCOL;
}

/* True: it will be tried again. Each request pays for a tenth of a retry, so that retries cannot
 * multiply the load on what is failing. */
static bool retry(struct http_fetch_state *st, enum status result)
{
    struct http_client *c = st->client;
    int64_t wait_ms = RETRY_WAIT_MS << (st->attempts - 1);

    if (!st->fetch->idempotent || !failed_for_now(st, result) || st->attempts == ATTEMPTS_MAX)
        return false;
    wait_ms += (int64_t)rng_below(&c->rng, (uint64_t)wait_ms);
    if (c->open || c->retries_saved < 1 || left_ms(st) <= wait_ms)
        return false;
    c->retries_saved -= 1;
    c->values.client_retries_total++;
    st->retry_ns = loop_mono_ns(c->loop) + wait_ms * 1000000;
    list_remove(&st->link);
    list_push_back(&c->waiting, &st->link);
    arm_retry_timer(c);
    return true;
}

static void read_answer(struct http_fetch_state *st)
{
    struct http_fetch *fetch = st->fetch;
    const char *type = NULL;
    long code = 0;

    curl_easy_getinfo(st->easy, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(st->easy, CURLINFO_CONTENT_TYPE, &type);
    fetch->http_status = (int)code;
    snprintf(fetch->content_type, sizeof(fetch->content_type), "%s", type ? type : "");
}

void http_client_attempt_ended(struct http_fetch_state *st, CURLcode code)
{
    struct http_client *c = st->client;
    enum status result = status_of(st, code);

    curl_multi_remove_handle(c->multi, st->easy);
    st->fetch->http_status = 0;
    if (result == STATUS_OK)
        read_answer(st);
    c->values.client_failures_total += result != STATUS_OK;
    if (failed_for_now(st, result) || result == STATUS_TIMEOUT)
        note_failure(c);
    else
        note_success(c);
    if (!retry(st, result))
        finish(st, result);
}

/* ---- submitting ---- */

static bool url_ok(const char *url)
{
    CURLU *parsed;
    bool ok;

    if (!url || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0))
        return false;
    parsed = curl_url();
    ok = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK;
    curl_url_cleanup(parsed);
    return ok;
}

static struct curl_slist *header_list(const struct http_fetch *fetch)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (const char *const *h = fetch->headers; h && *h; h++)
        list = curl_slist_append(list, *h);
    return list;
}

static void prepare(struct http_fetch_state *st)
{
    struct http_fetch *fetch = st->fetch;

    st->headers = header_list(fetch);
    curl_easy_setopt(st->easy, CURLOPT_PRIVATE, st);
    curl_easy_setopt(st->easy, CURLOPT_URL, fetch->url);
    curl_easy_setopt(st->easy, CURLOPT_HTTPHEADER, st->headers);
    curl_easy_setopt(st->easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(st->easy, CURLOPT_WRITEDATA, st);
    curl_easy_setopt(st->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(st->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(st->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(st->easy, CURLOPT_PROXY, ""); /* the environment does not redirect payments */
    set_method(st->easy, fetch);
}

enum status http_fetch_submit(struct http_client *c, struct http_fetch *fetch)
{
    struct http_fetch_state *st;

    buf_init(&fetch->answer, ANSWER_MAX);
    fetch->http_status = 0;
    if (!url_ok(fetch->url))
        return STATUS_INVALID;
    if (c->count >= HTTP_CLIENT_FLIGHT_MAX)
        return STATUS_OVERLOADED;
    if (!breaker_admits(c))
        return STATUS_UNAVAILABLE;
    st = mem_alloc(sizeof(*st));
    st->fetch = fetch;
    st->client = c;
    list_init(&st->link);
    st->easy = c->easy_count ? c->easies[--c->easy_count] : curl_easy_init();
    assert(st->easy);
    st->started_ns = loop_mono_ns(c->loop);
    st->deadline_ns = st->started_ns + (int64_t)fetch->deadline_ms * 1000000;
    fetch->state = st;
    c->count++;
    c->retries_saved += RETRY_SHARE;
    if (c->retries_saved > RETRY_SAVED_MAX)
        c->retries_saved = RETRY_SAVED_MAX;
    prepare(st);
    attempt(st);
    return STATUS_OK;
}

void http_fetch_release(struct http_fetch *fetch)
{
    buf_free(&fetch->answer);
}

/* ---- life ---- */

struct http_client *http_client_new(struct loop *l, const char *name)
{
    struct http_client *c = mem_alloc(sizeof(*c));

    curl_global_init(CURL_GLOBAL_DEFAULT);
    c->loop = l;
    list_init(&c->flying);
    list_init(&c->waiting);
    list_init(&c->done);
    turn_end_init(&c->deliver, deliver);
    timer_init(l, &c->retry_timer, retry_due);
    c->handles = 2;
    c->retries_saved = 1;
    rng_seed_random(&c->rng);
    http_client_watch(c);
    snprintf(c->labels, sizeof(c->labels), "client=\"%s\"", name);
    c->metrics =
        (struct metric_group){descs, array_len(descs), &c->values, c->labels, {NULL, NULL}};
    return c;
}

size_t http_client_in_flight(const struct http_client *c)
{
    return c->count;
}

struct metric_group *http_client_metrics(struct http_client *c)
{
    return &c->metrics;
}

void http_client_release(struct http_client *c)
{
    if (!c->freed || c->handles > 0 || c->count > 0)
        return;
    mem_free(c);
}

static void timer_gone(struct http_client *c)
{
    c->handles--;
    http_client_release(c);
}

static void curl_timer_gone(struct timer *t)
{
    timer_gone(container_of(t, struct http_client, curl_timer));
}

static void retry_timer_gone(struct timer *t)
{
    timer_gone(container_of(t, struct http_client, retry_timer));
}

void http_client_free(struct http_client *c)
{
    while (!list_empty(&c->flying)) {
        struct http_fetch_state *st = list_entry(c->flying.next, struct http_fetch_state, link);

        curl_multi_remove_handle(c->multi, st->easy);
        finish(st, STATUS_CANCELED);
    }
    while (!list_empty(&c->waiting))
        finish(list_entry(c->waiting.next, struct http_fetch_state, link), STATUS_CANCELED);
    while (c->easy_count)
        curl_easy_cleanup(c->easies[--c->easy_count]);
    c->freed = true;
    metric_group_free(&c->metrics);
    timer_close(&c->curl_timer, curl_timer_gone);
    timer_close(&c->retry_timer, retry_timer_gone);
    curl_multi_cleanup(c->multi);
}
