/* The server: its listeners, its date, its drain and its end. Connections are conn.c, exchanges
 * http_exchange.c. */
#include "engine/net/http_exchange.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define BACKLOG        4096
#define FILES_KEPT     256 /* descriptors left for listeners, stores and files */
#define REFUSALS       16  /* slots beyond the limit, to say 503 in */
#define LINGER_MS      2000
#define REQUEST_MS     9000  /* under the 10 s that a drain and our own client wait */
#define WS_IDLE_MS     30000 /* then a ping */
#define WS_PONG_MS     10000 /* without anything from the peer: cut */
#define WS_CLOSE_MS    2000

#define METRIC_ROW_TAG http_server_metrics
static const struct metric_desc descs[] = {HTTP_SERVER_METRICS(METRIC_ROW_)};

struct http_listener {
    uv_tcp_t tcp;
    struct http_server *server;
    struct list link;
    bool waiting; /* a connection could not be taken for want of a slot */
};

/* ---- accepting ---- */

static void refuse(struct http_server *s, struct conn *c)
{
    static const char text[] =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
        "Content-Type: application/problem+json\r\nContent-Length: 112\r\n\r\n"
        "{\"type\":\"/problems/overloaded\",\"title\":\"More work than can be done is waiting\","
        "\"status\":503,\"code\":\"overloaded\"}";

    s->values.http_connections_refused_total++;
    conn_send_shared(c, SLICE_LITERAL(text), NULL, NULL);
    conn_finish(c, true);
}

static void take_connection(struct http_listener *l)
{
    struct http_server *s = l->server;
    struct conn *c = conn_accept(&s->conns, (uv_stream_t *)&l->tcp, &http_conn_ops);

    if (!c) {
        l->waiting = s->conns.slots.in_use == s->conns.slots.capacity;
        return;
    }
    s->values.http_connections++;
    if (s->conns.count > s->options.connections) {
        refuse(s, c);
        return;
    }
    s->values.http_connections_total++;
    conn_deadline(c, CONN_DEADLINE_IDLE);
    conn_start(c);
}

static void on_connection(uv_stream_t *stream, int status)
{
    if (status == 0)
        take_connection(stream->data);
}

static void slot_free(struct conn_set *set)
{
    struct http_server *s = container_of(set, struct http_server, conns);

    list_for_each (it, &s->listeners) {
        struct http_listener *l = list_entry(it, struct http_listener, link);

        if (!l->waiting)
            continue;
        l->waiting = false;
        take_connection(l);
        break;
    }
    http_server_release(s);
}

static void bytes_waited_too_long(struct conn_set *set)
{
    container_of(set, struct http_server, conns)->values.http_timeouts_total++;
}

/* ---- date ---- */

void http_server_tick(struct http_server *s)
{
    int64_t second = loop_wall_ms(s->loop) / 1000;
    time_t at = (time_t)second;
    struct tm tm;

    if (second == s->date_second)
        return;
    s->date_second = second;
    gmtime_r(&at, &tm);
    s->date_len = strftime(s->date, sizeof(s->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
}

static void on_tick(struct conn_set *set)
{
    struct http_server *s = container_of(set, struct http_server, conns);

    http_server_tick(s);
    s->values.http_buffers_borrowed = set->buffers.lent;
}

/* ---- making ---- */

static size_t within_rlimit(size_t connections)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return connections;
    if (files.rlim_cur <= 2 * FILES_KEPT)
        return files.rlim_cur / 2 < connections ? files.rlim_cur / 2 : connections;
    return files.rlim_cur - FILES_KEPT < connections ? files.rlim_cur - FILES_KEPT : connections;
}

static unsigned or_default(unsigned value, unsigned fallback)
{
    return value ? value : fallback;
}

static struct conn_timeouts timeouts_of(const struct http_server_options *o)
{
    return (struct conn_timeouts){
        .send_ms = or_default(o->send_ms, 10000),
        .ms =
            {
                [CONN_DEADLINE_IDLE] = or_default(o->idle_ms, 75000),
                [CONN_DEADLINE_HEAD] = or_default(o->head_ms, 10000),
                [CONN_DEADLINE_BODY] = or_default(o->body_ms, 10000),
                [CONN_DEADLINE_LINGER] = LINGER_MS,
                [CONN_DEADLINE_WS_IDLE] = or_default(o->ws_idle_ms, WS_IDLE_MS),
                [CONN_DEADLINE_WS_PONG] = or_default(o->ws_pong_ms, WS_PONG_MS),
                [CONN_DEADLINE_WS_CLOSE] = WS_CLOSE_MS,
            },
    };
}

struct http_server *http_server_new(struct loop *l, const struct router *router,
                                    const struct http_server_options *options)
{
    struct http_server *s = mem_alloc(sizeof(*s));
    struct conn_timeouts timeouts = timeouts_of(options);

    s->loop = l;
    s->router = router;
    s->options = *options;
    s->options.connections = within_rlimit(options->connections);
    s->options.request_ms = or_default(options->request_ms, REQUEST_MS);
    conn_set_init(&s->conns, l, s->options.connections + REFUSALS, &timeouts);
    s->conns.on_slot_free = slot_free;
    s->conns.on_timeout = bytes_waited_too_long;
    s->conns.on_tick = on_tick;
    s->handles = 1; /* the set's timer */
    pool_init(&s->exchanges, sizeof(struct http_exchange),
              s->options.connections + options->requests);
    list_init(&s->listeners);
    list_init(&s->sockets);
    rng_seed_random(&s->rng);
    s->metrics = (struct metric_group){descs, array_len(descs), &s->values, NULL, {NULL, NULL}};
    list_init(&s->metrics.link);
    s->date_second = -1;
    http_server_tick(s);
    return s;
}

void http_server_gate(struct http_server *s, http_gate_fn gate, http_done_fn done, void *ctx)
{
    s->gate = gate;
    s->done = done;
    s->gate_ctx = ctx;
}

struct metric_group *http_server_metrics(struct http_server *s)
{
    return &s->metrics;
}

/* ---- listening ---- */

static int parse_address(const char *address, uint16_t port, struct sockaddr_storage *ret_address)
{
    if (strchr(address, ':'))
        return uv_ip6_addr(address, port, (struct sockaddr_in6 *)ret_address);
    return uv_ip4_addr(address, port, (struct sockaddr_in *)ret_address);
}

/* Accepted sockets inherit these from the listener, which saves system calls for each. */
static void set_socket_options(const struct http_server *s, uv_tcp_t *tcp)
{
    int one = 1, size = (int)s->options.send_buffer;
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)tcp, &fd) != 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (size > 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void listener_closed(uv_handle_t *handle)
{
    struct http_listener *l = handle->data;
    struct http_server *s = l->server;

    mem_free(l);
    s->handles--;
    http_server_release(s);
}

static void close_listener(struct http_listener *l)
{
    list_remove(&l->link);
    uv_close((uv_handle_t *)&l->tcp, listener_closed);
}

enum status http_server_listen(struct http_server *s, const char *address, uint16_t port,
                               char *ret_why, size_t why_size)
{
    struct sockaddr_storage sa = {0};
    struct http_listener *l;
    int error = parse_address(address, port, &sa);

    if (error) {
        snprintf(ret_why, why_size, "%s is not an address", address);
        return STATUS_INVALID;
    }
    l = mem_alloc(sizeof(*l));
    l->server = s;
    l->tcp.data = l;
    list_push_back(&s->listeners, &l->link);
    s->handles++;
    error = uv_tcp_init_ex(&s->loop->uv, &l->tcp, sa.ss_family);
    if (!error) {
        set_socket_options(s, &l->tcp);
        error = uv_tcp_bind(&l->tcp, (struct sockaddr *)&sa, 0);
    }
    if (!error)
        error = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
    if (!error)
        return STATUS_OK;
    snprintf(ret_why, why_size, "%s port %u: %s", address, port, uv_strerror(error));
    close_listener(l);
    return STATUS_UNAVAILABLE;
}

uint16_t http_server_port(const struct http_server *s)
{
    struct sockaddr_storage sa;
    int size = sizeof(sa);
    const struct http_listener *l;

    if (list_empty(&s->listeners))
        return 0;
    l = list_entry(s->listeners.next, struct http_listener, link);
    if (uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&sa, &size) != 0)
        return 0;
    return ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
                                          : ((struct sockaddr_in *)&sa)->sin_port);
}

/* ---- the end ---- */

static void close_listeners(struct http_server *s)
{
    while (!list_empty(&s->listeners))
        close_listener(list_entry(s->listeners.next, struct http_listener, link));
}

static void cut_all(struct http_server *s)
{
    list_for_each_safe (it, &s->conns.all)
        conn_close(list_entry(it, struct conn, link));
}

static void drain_timer_closed(struct timer *t)
{
    struct http_server *s = container_of(t, struct http_server, drain_timer);

    s->handles--;
    http_server_release(s);
}

static void finish_drain(struct http_server *s)
{
    http_drained_cb done = s->drained;

    s->drained = NULL;
    timer_close(&s->drain_timer, drain_timer_closed);
    done(s->drained_ctx);
}

/* Looks every few milliseconds: the end of a drain is no hot path. */
static void drain_step(struct timer *t)
{
    struct http_server *s = container_of(t, struct http_server, drain_timer);
    bool late = (int64_t)uv_now(&s->loop->uv) >= s->drain_until;

    ws_drain_step(s, (int64_t)uv_now(&s->loop->uv));
    if (late)
        cut_all(s);
    if (s->conns.count == 0 || late)
        finish_drain(s);
}

static void close_idle(struct http_server *s)
{
    list_for_each_safe (it, &s->conns.all) {
        struct conn *c = list_entry(it, struct conn, link);

        if (c->ops == &http_conn_ops && !c->owner)
            conn_finish(c, false);
    }
}

void http_server_drain(struct http_server *s, unsigned deadline_ms, http_drained_cb done, void *ctx)
{
    assert(!s->draining);
    s->draining = true;
    s->drained = done;
    s->drained_ctx = ctx;
    uv_update_time(&s->loop->uv);
    s->drain_started = (int64_t)uv_now(&s->loop->uv);
    s->drain_until = s->drain_started + deadline_ms;
    list_for_each (it, &s->sockets)
        s->drain_sockets++;
    close_listeners(s);
    close_idle(s);
    s->handles++;
    timer_init(s->loop, &s->drain_timer, drain_step);
    timer_start(&s->drain_timer, 5, 5);
}

static void tick_closed(struct timer *t)
{
    struct http_server *s = container_of(t, struct http_server, conns.tick);

    ws_shared_free(s);
    conn_set_free(&s->conns);
    pool_free(&s->exchanges);
    mem_free(s);
}

void http_server_release(struct http_server *s)
{
    if (!s->freed || s->handles != 1 || s->conns.count > 0 || s->exchanges.in_use > 0)
        return;
    s->handles = 0;
    conn_set_close(&s->conns, tick_closed);
}

void http_server_free(struct http_server *s)
{
    if (s->drained)
        timer_close(&s->drain_timer, drain_timer_closed);
    s->drained = NULL;
    s->freed = true;
    s->draining = true;
    metric_group_free(&s->metrics);
    close_listeners(s);
    cut_all(s);
    http_server_release(s);
}
