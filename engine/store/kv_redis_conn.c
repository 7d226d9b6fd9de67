#include "engine/store/kv_redis_conn.h"

#include "engine/base/buf.h"
#include "engine/store/kv_redis_reply.h"

#include <assert.h>
#include <stdio.h>

#define READ_SIZE (64u << 10)
#define OUT_MAX   (64u << 20)
/* hiredis moves its rest to the front after every KiB it parsed: fed in small pieces there is
 * little to move. */
#define FEED_SIZE (4u << 10)

/* resolving -> connecting -> up -> closed; any -> closed. Closed only waits for libuv to give the
 * memory back. */
enum state { RESOLVING, CONNECTING, UP, CLOSED };

struct redis_conn {
    struct loop *loop;
    const struct redis_conn_events *events;
    void *ctx;
    enum state state;
    const char *address;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    uv_timer_t start; /* makes the first step come later, and never inside redis_conn_open */
    bool resolving, writing;
    int open_handles;
    struct buf out, sent; /* gathered; being written */
    struct turn_end flush;
    struct reply_reader *reader;
    char *read_buffer;
};

/* ---- the end ---- */

static void free_if_done(struct redis_conn *c)
{
    const struct redis_conn_events *events = c->events;
    void *ctx = c->ctx;

    if (c->open_handles > 0 || c->resolving)
        return;
    buf_free(&c->out);
    buf_free(&c->sent);
    reply_reader_free(c->reader);
    mem_free(c->read_buffer);
    mem_free(c);
    events->freed(ctx);
}

static void handle_closed(uv_handle_t *handle)
{
    struct redis_conn *c = handle->data;

    c->open_handles--;
    free_if_done(c);
}

void redis_conn_close(struct redis_conn *c)
{
    if (c->state == CLOSED)
        return;
    c->state = CLOSED;
    turn_end_cancel(&c->flush);
    if (c->resolving)
        uv_cancel((uv_req_t *)&c
                      ->resolve); /* when it is too late for that, resolved() comes all the same */
    uv_close(&c->u.handle, handle_closed);
    uv_close((uv_handle_t *)&c->start, handle_closed);
}

static void fail(struct redis_conn *c, const char *why)
{
    if (c->state == CLOSED)
        return;
    redis_conn_close(c);
    c->events->down(c->ctx, why);
}

/* ---- reading ---- */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct redis_conn *c = handle->data;

    (void)suggested;
    *ret_buf = uv_buf_init(c->read_buffer, READ_SIZE);
}

static enum status take_replies(struct redis_conn *c)
{
    const struct kv_reply *reply = NULL;
    enum status status;

    while (c->state == UP) {
        status = reply_reader_next(c->reader, &reply);
        if (status || !reply)
            return status;
        c->events->reply(c->ctx, reply);
    }
    return STATUS_OK;
}

static void read_done(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct redis_conn *c = stream->data;
    struct slice rest = slice_of(buffer->base, n > 0 ? (size_t)n : 0);

    if (n < 0) {
        fail(c, n == UV_EOF ? "the server closed the connection" : uv_strerror((int)n));
        return;
    }
    c->events->turn(c->ctx);
    while (rest.len > 0 && c->state == UP) {
        struct slice piece = slice_of(rest.at, rest.len < FEED_SIZE ? rest.len : FEED_SIZE);

        rest = slice_of(rest.at + piece.len, rest.len - piece.len);
        if (reply_reader_feed(c->reader, piece) || take_replies(c))
            fail(c, "the server broke the protocol");
    }
}

/* ---- writing: everything of a turn in one write; what comes while one is under way waits for it
 * ---- */

static void flush(struct redis_conn *c);

static void write_done(uv_write_t *write, int status)
{
    struct redis_conn *c = container_of(write, struct redis_conn, write);

    c->writing = false;
    buf_clear(&c->sent);
    if (c->state != UP)
        return;
    if (status < 0)
        fail(c, uv_strerror(status));
    else
        flush(c);
}

static void write_rest(struct redis_conn *c, size_t done)
{
    uv_buf_t rest;
    int rc;

    buf_swap(&c->out, &c->sent);
    rest = uv_buf_init(c->sent.at + done, (unsigned)(c->sent.len - done));
    rc = uv_write(&c->write, &c->u.stream, &rest, 1, write_done);
    if (rc < 0)
        fail(c, uv_strerror(rc));
    else
        c->writing = true;
}

static void flush(struct redis_conn *c)
{
    uv_buf_t all = uv_buf_init(c->out.at, (unsigned)c->out.len);
    int n;

    if (c->state != UP || c->writing || c->out.len == 0)
        return;
    n = uv_try_write(&c->u.stream, &all, 1);
    if (n == UV_EAGAIN)
        n = 0;
    if (n < 0)
        fail(c, uv_strerror(n));
    else if ((size_t)n == c->out.len)
        buf_clear(&c->out);
    else
        write_rest(c, (size_t)n);
}

static void turn_over(struct turn_end *end)
{
    flush(container_of(end, struct redis_conn, flush));
}

struct buf *redis_conn_out(struct redis_conn *c)
{
    return &c->out;
}

void redis_conn_flush(struct redis_conn *c)
{
    assert(c->state == UP);
    loop_defer(c->loop, &c->flush);
}

/* ---- connecting ---- */

static void connected(uv_connect_t *connect, int status)
{
    struct redis_conn *c = container_of(connect, struct redis_conn, connect);

    if (c->state == CLOSED)
        return;
    if (status == 0)
        status = uv_read_start(&c->u.stream, give_buffer, read_done);
    if (status < 0) {
        fail(c, uv_strerror(status));
        return;
    }
    c->state = UP;
    if (c->u.handle.type == UV_TCP) {
        uv_tcp_nodelay(&c->u.tcp, 1);
        uv_tcp_keepalive(&c->u.tcp, 1, 15);
    }
    c->events->up(c->ctx);
}

static void connect_to(struct redis_conn *c, const struct sockaddr *address)
{
    int rc = uv_tcp_connect(&c->connect, &c->u.tcp, address, connected);

    c->state = CONNECTING;
    if (rc < 0)
        fail(c, uv_strerror(rc));
}

static void resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
    struct redis_conn *c = container_of(resolve, struct redis_conn, resolve);

    c->resolving = false;
    if (c->state == CLOSED)
        free_if_done(c);
    else if (status < 0)
        fail(c, uv_strerror(status));
    else
        connect_to(c, found->ai_addr);
    uv_freeaddrinfo(found);
}

/* "host:port" or "[v6]:port"; numbers are used as they are, names go to the resolver's thread. */
static void start_tcp(struct redis_conn *c)
{
    struct slice address = slice_str(c->address), host, port;
    const char *colon = strrchr(c->address, ':');
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    char host_text[256], port_text[8];
    struct sockaddr_storage number;
    uint64_t n = 0;
    int rc;

    port = colon ? slice_of(colon + 1, strlen(colon + 1)) : SLICE_LITERAL("6379");
    host = colon ? slice_of(c->address, (size_t)(colon - c->address)) : address;
    if (host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
        host = slice_of(host.at + 1, host.len - 2);
    if (!slice_to_str(host, host_text, sizeof(host_text)) ||
        !slice_to_str(port, port_text, sizeof(port_text)) || !slice_to_u64(port, &n) || n == 0 ||
        n > 65535) {
        fail(c, "the address is not host:port");
        return;
    }
    if (uv_ip4_addr(host_text, (int)n, (struct sockaddr_in *)&number) == 0 ||
        uv_ip6_addr(host_text, (int)n, (struct sockaddr_in6 *)&number) == 0) {
        connect_to(c, (const struct sockaddr *)&number);
        return;
    }
    rc = uv_getaddrinfo(&c->loop->uv, &c->resolve, resolved, host_text, port_text, &hints);
    if (rc < 0)
        fail(c, uv_strerror(rc));
    else
        c->resolving = true;
}

static bool is_unix(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

static void start(uv_timer_t *timer)
{
    struct redis_conn *c = timer->data;

    if (is_unix(c->address)) {
        c->state = CONNECTING;
        uv_pipe_connect(&c->connect, &c->u.pipe, c->address + 5, connected);
    } else {
        start_tcp(c);
    }
}

struct redis_conn *redis_conn_open(struct loop *l, const char *address,
                                   const struct redis_conn_events *events, void *ctx)
{
    struct redis_conn *c = mem_alloc(sizeof(*c));
    int rc =
        is_unix(address) ? uv_pipe_init(&l->uv, &c->u.pipe, 0) : uv_tcp_init(&l->uv, &c->u.tcp);

    assert(rc == 0);
    (void)rc;
    uv_timer_init(&l->uv, &c->start);
    c->loop = l;
    c->address = address;
    c->events = events;
    c->ctx = ctx;
    c->u.handle.data = c->start.data = c;
    c->open_handles = 2;
    c->reader = reply_reader_new();
    c->read_buffer = mem_alloc(READ_SIZE);
    buf_init(&c->out, OUT_MAX);
    buf_init(&c->sent, OUT_MAX);
    turn_end_init(&c->flush, turn_over);
    uv_timer_start(&c->start, start, 0, 0);
    return c;
}
