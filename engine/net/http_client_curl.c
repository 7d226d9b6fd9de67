/* libcurl on the loop: it says which sockets and what time it waits for (its multi_socket
 * interface); uv_poll and one timer do the waiting. */
#include "engine/net/http_client_curl.h"

#include <assert.h>

/* A socket of libcurl's. */
struct watch {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
};

static void read_results(struct http_client *c)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
        char *st = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &st);
        http_client_attempt_ended((struct http_fetch_state *)(void *)st, code);
    }
}

static void curl_timer_fired(struct timer *t)
{
    struct http_client *c = container_of(t, struct http_client, curl_timer);
    int running;

    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    read_results(c);
}

static int curl_wants_time(CURLM *multi, long timeout_ms, void *userp)
{
    struct http_client *c = userp;

    (void)multi;
    if (c->freed)
        return 0;
    if (timeout_ms < 0)
        timer_stop(&c->curl_timer);
    else
        timer_start(&c->curl_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *w = container_of(poll, struct watch, poll);
    struct http_client *c = w->client;
    int flags = 0, running;

    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(c->multi, w->fd, flags, &running);
    read_results(c);
}

static void watch_closed(uv_handle_t *handle)
{
    struct watch *w = container_of((uv_poll_t *)handle, struct watch, poll);
    struct http_client *c = w->client;

    mem_free(w);
    c->handles--;
    http_client_release(c);
}

static struct watch *watch_new(struct http_client *c, curl_socket_t fd)
{
    struct watch *w = mem_alloc(sizeof(*w));

    w->client = c;
    w->fd = fd;
    uv_poll_init_socket(&c->loop->uv, &w->poll, fd);
    c->handles++;
    curl_multi_assign(c->multi, fd, w);
    return w;
}

static int curl_wants_socket(CURL *easy, curl_socket_t fd, int what, void *userp, void *socketp)
{
    struct http_client *c = userp;
    struct watch *w = socketp;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            curl_multi_assign(c->multi, fd, NULL);
            uv_close((uv_handle_t *)&w->poll, watch_closed);
        }
        return 0;
    }
    if (!w)
        w = watch_new(c, fd);
    if (what != CURL_POLL_OUT)
        events |= UV_READABLE;
    if (what != CURL_POLL_IN)
        events |= UV_WRITABLE;
    uv_poll_start(&w->poll, events, socket_ready);
    return 0;
}

void http_client_watch(struct http_client *c)
{
    timer_init(c->loop, &c->curl_timer, curl_timer_fired);
    c->multi = curl_multi_init();
    assert(c->multi);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, curl_wants_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, curl_wants_time);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
}
