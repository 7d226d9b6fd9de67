#include "bench/client.h"

#include "engine/base/log.h"

#include <arpa/inet.h>
#include <llhttp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ANSWER_MAX = 16 * 1024 * 1024,
    READ_SIZE = 64 * 1024,
    REQUEST_MAX = 64 * 1024,
    DEADLINE_S_DEFAULT = 30,
    SWEEP_MS = 100,
    SPARE_MAX = 1024
};

enum conn_state { CONN_CONNECTING, CONN_IDLE, CONN_BUSY, CONN_CLOSING };

struct conn {
    struct client *client;
    struct list link; /* in connecting, idle or busy */
    enum conn_state state;
    struct client_request *request; /* the one being answered */
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    llhttp_t parser;
    struct buf body;
    int status;
    bool complete, keep_alive;
    bool used;  /* has answered before */
    bool heard; /* something of the present answer */
};

struct client {
    struct loop *loop;
    struct client_options options;
    struct sockaddr_in address;
    char host[64];
    llhttp_settings_t settings;
    struct list connecting, idle, busy; /* struct conn */
    struct list first, waiting;         /* struct client_request */
    size_t open, waiting_count, source_next;
    struct timer sweep;
    char *read_buffer;
    struct buf spare[SPARE_MAX]; /* buffers of answered requests, for the next ones */
    size_t spare_count;
    bool freeing;
};

static void dispatch(struct client *c);
static struct client_request *next_request(struct client *c);

/* ---- the end of a request ---- */

static void request_done(struct client_request *r, int status, struct slice body)
{
    struct client *c = r->client;
    struct buf sent = r->head_and_body;

    r->head_and_body = (struct buf){.limit = sent.limit};
    if (c->spare_count < SPARE_MAX)
        c->spare[c->spare_count++] = sent;
    else
        buf_free(&sent);
    r->cb(r, status, body);
}

static void freed_cb(struct timer *t)
{
    struct client *c = container_of(t, struct client, sweep);

    while (c->spare_count)
        buf_free(&c->spare[--c->spare_count]);
    mem_free(c->read_buffer);
    mem_free(c);
}

static void conn_closed(uv_handle_t *handle)
{
    struct conn *k = handle->data;
    struct client *c = k->client;

    buf_free(&k->body);
    mem_free(k);
    c->open--;
    if (c->freeing && c->open == 0)
        timer_close(&c->sweep, freed_cb);
    else
        dispatch(c);
}

/* The client closes first and hard (RST), so that no TIME_WAIT is left behind. */
static void conn_close(struct conn *k)
{
    struct client_request *r = k->request;

    if (k->state == CONN_CLOSING)
        return;
    k->state = CONN_CLOSING;
    list_remove(&k->link);
    k->request = NULL;
    if (uv_tcp_close_reset(&k->tcp, conn_closed) != 0 && !uv_is_closing((uv_handle_t *)&k->tcp))
        uv_close((uv_handle_t *)&k->tcp, conn_closed);
    if (r)
        request_done(r, 0, SLICE_NONE);
}

/* ---- answers ---- */

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct conn *k = parser->data;

    buf_append(&k->body, at, len);
    return k->body.failed ? -1 : 0;
}

static int on_complete(llhttp_t *parser)
{
    struct conn *k = parser->data;

    k->status = parser->status_code;
    k->keep_alive = llhttp_should_keep_alive(parser);
    k->complete = true;
    return HPE_PAUSED;
}

static void conn_answered(struct conn *k)
{
    struct client_request *r = k->request;

    k->request = NULL;
    k->used = true;
    k->heard = false;
    if (k->keep_alive) {
        k->state = CONN_IDLE;
        list_remove(&k->link);
        list_push_front(&k->client->idle, &k->link);
    }
    request_done(r, k->status, buf_slice(&k->body));
    buf_clear(&k->body);
    if (!k->keep_alive)
        conn_close(k);
    else
        dispatch(k->client);
}

/* A server may end a connection that was idle for long at the moment a request is sent on it. Of
 * such a one nothing is heard, and it is sent once more, as every client does (RFC 9112 9.3.1):
 * what changes something has its key here. */
static void take_back(struct conn *k)
{
    struct client_request *r = k->request;

    if (!r || !k->used || k->heard || r->again)
        return;
    k->request = NULL;
    r->again = true;
    list_push_front(&k->client->first, &r->link);
    k->client->waiting_count++;
}

static void conn_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *ret_buf)
{
    struct conn *k = handle->data;

    (void)hint;
    *ret_buf = uv_buf_init(k->client->read_buffer, READ_SIZE);
}

static void conn_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct conn *k = stream->data;

    if (len == 0)
        return;
    if (len < 0 || !k->request) { /* closed, or bytes that nobody asked for */
        take_back(k);
        conn_close(k);
        return;
    }
    k->heard = true;
    enum llhttp_errno e = llhttp_execute(&k->parser, buf->base, (size_t)len);
    if (k->complete) {
        llhttp_init(&k->parser, HTTP_RESPONSE, &k->client->settings);
        k->parser.data = k;
        k->complete = false;
        conn_answered(k);
    } else if (e != HPE_OK) {
        conn_close(k);
    }
}

/* ---- requests ---- */

static void conn_written(uv_write_t *write, int status)
{
    struct conn *k = write->data;

    if (status < 0) {
        take_back(k);
        conn_close(k);
    }
}

static void conn_send(struct conn *k, struct client_request *r)
{
    uv_buf_t buf = uv_buf_init(r->head_and_body.at, (unsigned)r->head_and_body.len);

    if (!r->deadline_ns)
        r->deadline_ns = loop_mono_ns(k->client->loop) + DEADLINE_S_DEFAULT * INT64_C(1000000000);
    k->request = r;
    k->state = CONN_BUSY;
    list_remove(&k->link);
    list_push_back(&k->client->busy, &k->link);
    int sent = uv_try_write((uv_stream_t *)&k->tcp, &buf, 1);
    if (sent == (int)buf.len)
        return;
    if (sent > 0) {
        buf.base += sent;
        buf.len -= (size_t)sent;
    }
    k->write.data = k;
    if (uv_write(&k->write, (uv_stream_t *)&k->tcp, &buf, 1, conn_written) != 0)
        conn_close(k);
}

static void conn_connected(uv_connect_t *connect, int status)
{
    struct conn *k = connect->data;

    if (k->state == CONN_CLOSING)
        return;
    if (status < 0 || uv_read_start((uv_stream_t *)&k->tcp, conn_alloc, conn_read) != 0) {
        /* One request pays for the failed connection; the others try theirs. */
        k->request = next_request(k->client);
        conn_close(k);
        return;
    }
    uv_tcp_nodelay(&k->tcp, 1);
    k->state = CONN_IDLE;
    list_remove(&k->link);
    list_push_back(&k->client->idle, &k->link);
    dispatch(k->client);
}

/* 127.100.0.1 and on: every fan has an address of its own, as it would have outside. */
static void conn_bind_source(struct conn *k)
{
    struct client *c = k->client;
    struct sockaddr_in source = {.sin_family = AF_INET};
    uint32_t n = (uint32_t)(c->source_next++ % c->options.sources);

    source.sin_addr.s_addr = htonl(UINT32_C(0x7f640001) + n / 250 * 256 + n % 250);
    uv_tcp_bind(&k->tcp, (struct sockaddr *)&source, 0);
}

static void conn_open(struct client *c)
{
    struct conn *k = mem_alloc(sizeof(*k));

    k->client = c;
    k->state = CONN_CONNECTING;
    list_push_back(&c->connecting, &k->link);
    buf_init(&k->body, ANSWER_MAX);
    llhttp_init(&k->parser, HTTP_RESPONSE, &c->settings);
    k->parser.data = k;
    uv_tcp_init_ex(&c->loop->uv, &k->tcp, AF_INET);
    k->tcp.data = k;
    k->connect.data = k;
    c->open++;
    if (c->options.sources)
        conn_bind_source(k);
    if (uv_tcp_connect(&k->connect, &k->tcp, (struct sockaddr *)&c->address, conn_connected) != 0)
        conn_close(k);
}

/* Whose turn it is, taken off; NULL when nobody waits. */
static struct client_request *next_request(struct client *c)
{
    struct list *link = list_pop_front(list_empty(&c->first) ? &c->waiting : &c->first);

    c->waiting_count -= link != NULL;
    return link ? list_entry(link, struct client_request, link) : NULL;
}

static void dispatch(struct client *c)
{
    while (c->waiting_count && !list_empty(&c->idle)) {
        struct conn *k = list_entry(c->idle.next, struct conn, link);
        conn_send(k, next_request(c));
    }
    if (c->waiting_count && c->open < c->options.connections && !c->freeing)
        conn_open(c);
}

void client_request_begin(struct client *c, struct client_request *r, const char *method,
                          const char *path, const char *credential, const char *idempotency_key,
                          const char *body)
{
    struct buf *b = &r->head_and_body;
    size_t body_len = body ? strlen(body) : 0;

    buf_init(b, REQUEST_MAX);
    if (c->spare_count) {
        *b = c->spare[--c->spare_count];
        buf_clear(b);
    }
    buf_append_str(b, method);
    buf_append_char(b, ' ');
    buf_append_str(b, path);
    buf_append_str(b, " HTTP/1.1\r\nhost: ");
    buf_append_str(b, c->host);
    if (credential) {
        buf_append_str(b, "\r\nauthorization: ");
        buf_append_str(b, credential);
    }
    if (idempotency_key) {
        buf_append_str(b, "\r\nidempotency-key: ");
        buf_append_str(b, idempotency_key);
    }
    if (body) {
        buf_append_str(b, "\r\ncontent-type: application/json\r\ncontent-length: ");
        buf_append_u64(b, body_len);
    }
    buf_append_str(b, "\r\n\r\n");
    buf_append(b, body, body_len);
}

void client_submit(struct client *c, struct client_request *r)
{
    r->client = c;
    r->again = false;
    list_push_back(r->first ? &c->first : &c->waiting, &r->link);
    c->waiting_count++;
    dispatch(c);
}

/* ---- deadlines ---- */

static void sweep_cb(struct timer *t)
{
    struct client *c = container_of(t, struct client, sweep);
    int64_t now_ns = loop_mono_ns(c->loop);

    list_for_each_safe (it, &c->busy) {
        struct conn *k = list_entry(it, struct conn, link);
        if (k->request->deadline_ns < now_ns)
            conn_close(k);
    }
}

/* ---- life ---- */

static bool read_url(struct client *c, const char *url)
{
    struct slice rest = slice_str(url), host;
    uint64_t port = 80;
    char text[64];

    if (!slice_starts_with(rest, SLICE_LITERAL("http://")))
        return false;
    rest = slice_of(rest.at + 7, rest.len - 7);
    rest = slice_cut(&rest, '/');
    if (!slice_to_str(rest, c->host, sizeof(c->host)))
        return false;
    host = slice_cut(&rest, ':');
    if (rest.at && (!slice_to_u64(rest, &port) || port == 0 || port > 65535))
        return false;
    if (!slice_to_str(slice_is(host, "localhost") ? SLICE_LITERAL("127.0.0.1") : host, text,
                      sizeof(text)))
        return false;
    return uv_ip4_addr(text, (int)port, &c->address) == 0;
}

/* A load generator that can be pointed at strangers is a weapon. */
static bool is_loopback(const struct sockaddr_in *address)
{
    return ntohl(address->sin_addr.s_addr) >> 24 == 127;
}

struct client *client_new(struct loop *l, const struct client_options *options, char *ret_why,
                          size_t why_size)
{
    struct client *c = mem_alloc(sizeof(*c));

    c->loop = l;
    c->options = *options;
    list_init(&c->connecting);
    list_init(&c->idle);
    list_init(&c->busy);
    list_init(&c->first);
    list_init(&c->waiting);
    if (!options->url || !read_url(c, options->url) || !is_loopback(&c->address)) {
        snprintf(ret_why, why_size, "'%s' is not an http:// URL of a loopback address",
                 options->url ? options->url : "");
        mem_free(c);
        return NULL;
    }
    llhttp_settings_init(&c->settings);
    c->settings.on_body = on_body;
    c->settings.on_message_complete = on_complete;
    c->read_buffer = mem_alloc(READ_SIZE);
    timer_init(l, &c->sweep, sweep_cb);
    timer_start(&c->sweep, SWEEP_MS, SWEEP_MS);
    uv_unref((uv_handle_t *)&c->sweep.uv);
    return c;
}

void client_free(struct client *c)
{
    c->freeing = true;
    for (struct client_request *r; (r = next_request(c));)
        request_done(r, 0, SLICE_NONE);
    struct list *const all[] = {&c->connecting, &c->busy, &c->idle};
    for (size_t i = 0; i < array_len(all); i++)
        list_for_each_safe (it, all[i])
            conn_close(list_entry(it, struct conn, link));
    if (c->open == 0)
        timer_close(&c->sweep, freed_cb);
}

size_t client_open(const struct client *c)
{
    return c->open;
}

size_t client_waiting(const struct client *c)
{
    return c->waiting_count;
}
