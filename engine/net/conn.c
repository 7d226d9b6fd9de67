#include "engine/net/conn.h"

#include <assert.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define TICK_MIN_MS 5
#define TICK_MAX_MS 250
#define HELD_LIMIT  (2 * CONN_READ_SIZE)

static int64_t now_ms(const struct conn_set *s)
{
    return (int64_t)uv_now(&s->loop->uv);
}

/* ---- deadlines ---- */

void conn_deadline(struct conn *c, enum conn_deadline kind)
{
    int64_t now = now_ms(c->set);

    if (c->closing || (kind == c->deadline && now - c->deadline_since < c->set->tick_ms))
        return;
    c->deadline = (uint8_t)kind;
    c->deadline_since = now;
    list_remove(&c->deadline_link);
    if (kind != CONN_DEADLINE_NONE)
        list_push_back(&c->set->deadlines[kind], &c->deadline_link);
}

static void expire_kind(struct conn_set *s, enum conn_deadline kind, int64_t now)
{
    struct list *head = &s->deadlines[kind];

    while (!list_empty(head)) {
        struct conn *c = list_entry(head->next, struct conn, deadline_link);

        if (now - c->deadline_since < s->timeouts.ms[kind])
            return;
        list_remove(&c->deadline_link);
        c->deadline = CONN_DEADLINE_NONE;
        if (kind == CONN_DEADLINE_LINGER)
            conn_close(c);
        else
            c->ops->expired(c, kind);
    }
}

static void tick(struct timer *t)
{
    struct conn_set *s = container_of(t, struct conn_set, tick);
    int64_t now = now_ms(s);

    for (int kind = CONN_DEADLINE_NONE + 1; kind < CONN_DEADLINES; kind++)
        expire_kind(s, (enum conn_deadline)kind, now);
    conn_check_sending(s);
    if (s->on_tick)
        s->on_tick(s);
}

/* Fine enough for the shortest of the deadlines, coarse enough to cost nothing. */
static unsigned tick_of(const struct conn_timeouts *timeouts)
{
    unsigned shortest = timeouts->send_ms;

    for (int kind = CONN_DEADLINE_NONE + 1; kind < CONN_DEADLINES; kind++) {
        if (timeouts->ms[kind] < shortest)
            shortest = timeouts->ms[kind];
    }
    shortest /= 8;
    if (shortest < TICK_MIN_MS)
        return TICK_MIN_MS;
    return shortest > TICK_MAX_MS ? TICK_MAX_MS : shortest;
}

/* ---- the set ---- */

/* Takes up again what was held back, then sends what the turn has gathered. */
static void flush_dirty(struct turn_end *end)
{
    struct conn_set *s = container_of(end, struct conn_set, flush);
    struct list due;
    struct list *link;

    list_init(&due);
    list_splice(&due, &s->dirty);
    while ((link = list_pop_front(&due)) != NULL) {
        struct conn *c = list_entry(link, struct conn, dirty);

        if (c->resuming)
            conn_take_up(c);
        conn_flush(c);
    }
}

void conn_set_init(struct conn_set *s, struct loop *loop, size_t slots,
                   const struct conn_timeouts *timeouts)
{
    memset(s, 0, sizeof(*s));
    s->loop = loop;
    s->timeouts = *timeouts;
    s->tick_ms = tick_of(timeouts);
    s->read_buffer = mem_alloc(CONN_READ_SIZE);
    buffers_init(&s->buffers);
    pool_init(&s->slots, sizeof(struct conn), slots);
    list_init(&s->all);
    list_init(&s->dirty);
    list_init(&s->sending);
    list_init(&s->idle_chunks);
    for (int kind = 0; kind < CONN_DEADLINES; kind++)
        list_init(&s->deadlines[kind]);
    turn_end_init(&s->flush, flush_dirty);
    timer_init(loop, &s->tick, tick);
    timer_start(&s->tick, s->tick_ms, s->tick_ms);
    uv_unref((uv_handle_t *)&s->tick.uv);
}

void conn_set_close(struct conn_set *s, timer_cb closed)
{
    assert(s->count == 0);
    turn_end_cancel(&s->flush);
    timer_close(&s->tick, closed);
}

void conn_set_free(struct conn_set *s)
{
    conn_free_chunks(s);
    buffers_free(&s->buffers);
    pool_free(&s->slots);
    mem_free(s->read_buffer);
}

/* ---- opening ---- */

static void read_peer(struct conn *c)
{
    struct sockaddr_storage address;
    int size = sizeof(address);

    c->peer[0] = '\0';
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&address, &size) != 0)
        return;
    if (address.ss_family == AF_INET)
        uv_ip4_name((struct sockaddr_in *)&address, c->peer, sizeof(c->peer));
    else if (address.ss_family == AF_INET6)
        uv_ip6_name((struct sockaddr_in6 *)&address, c->peer, sizeof(c->peer));
}

static void slot_closed(uv_handle_t *handle)
{
    struct conn *c = container_of((uv_tcp_t *)handle, struct conn, tcp);
    struct conn_set *s = c->set;

    if (c->ops)
        c->ops->closed(c);
    conn_drop_queue(c);
    buffers_return(&s->buffers, c->held);
    list_remove(&c->link);
    pool_give(&s->slots, c);
    s->count--;
    if (s->on_slot_free)
        s->on_slot_free(s);
}

struct conn *conn_accept(struct conn_set *s, uv_stream_t *listener, const struct conn_ops *ops)
{
    struct conn *c = pool_take(&s->slots);

    if (!c)
        return NULL;
    memset(c, 0, sizeof(*c));
    c->set = s;
    c->tcp.data = c;
    list_init(&c->queue);
    list_init(&c->dirty);
    list_init(&c->sending);
    list_init(&c->deadline_link);
    list_push_back(&s->all, &c->link);
    s->count++;
    uv_tcp_init(&s->loop->uv, &c->tcp);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) {
        conn_close(c);
        return NULL;
    }
    c->ops = ops;
    read_peer(c);
    return c;
}

void conn_set_owner(struct conn *c, const struct conn_ops *ops, void *owner)
{
    c->ops = ops;
    c->owner = owner;
}

/* ---- reading ---- */

static void lend_read_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct conn *c = container_of((uv_tcp_t *)handle, struct conn, tcp);

    (void)suggested;
    *ret_buf = uv_buf_init(c->set->read_buffer, CONN_READ_SIZE);
}

static void read_done(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct conn *c = container_of((uv_tcp_t *)stream, struct conn, tcp);

    if (nread == 0 || c->closing)
        return;
    if (nread < 0) {
        conn_close(c);
        return;
    }
    if (c->finishing || c->lingering)
        return;
    c->ops->bytes(c, buf->base, (size_t)nread);
    conn_flush(c);
}

void conn_start(struct conn *c)
{
    if (c->closing || c->reading)
        return;
    c->reading = true;
    uv_read_start((uv_stream_t *)&c->tcp, lend_read_buffer, read_done);
}

void conn_hold_back(struct conn *c, const char *at, size_t len)
{
    if (len == 0 || c->closing)
        return;
    if (c->reading) {
        uv_read_stop((uv_stream_t *)&c->tcp);
        c->reading = false;
    }
    if (c->feeding) {
        c->held = c->feeding;
        c->held_at = (size_t)(at - c->held->at);
        c->feeding = NULL;
        return;
    }
    assert(!c->held);
    c->held = buffers_borrow(&c->set->buffers, HELD_LIMIT);
    c->held_at = 0;
    buf_append(c->held, at, len);
}

void conn_resume(struct conn *c)
{
    if (c->closing || c->resuming)
        return;
    c->resuming = true;
    conn_mark_dirty(c);
}

void conn_take_up(struct conn *c)
{
    struct buf *b = c->held;

    c->resuming = false;
    if (c->closing || c->finishing || c->lingering)
        return;
    if (b) {
        c->held = NULL;
        c->feeding = b;
        c->ops->bytes(c, b->at + c->held_at, b->len - c->held_at);
        c->feeding = NULL;
        if (c->held != b)
            buffers_return(&c->set->buffers, b);
    }
    if (!c->held)
        conn_start(c);
}

/* ---- closing ---- */

void conn_close(struct conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    list_remove(&c->dirty);
    list_remove(&c->sending);
    list_remove(&c->deadline_link);
    uv_close((uv_handle_t *)&c->tcp, slot_closed);
}

void conn_finish_now(struct conn *c)
{
    uv_os_fd_t fd;

    if (!c->lingers) {
        conn_close(c);
        return;
    }
    c->finishing = false;
    c->lingering = true;
    buffers_return(&c->set->buffers, c->held);
    c->held = NULL;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
        shutdown(fd, SHUT_WR);
    conn_deadline(c, CONN_DEADLINE_LINGER);
    conn_start(c);
}

void conn_finish(struct conn *c, bool linger)
{
    if (c->closing || c->lingering)
        return;
    c->finishing = true;
    c->lingers = c->lingers || linger;
    conn_mark_dirty(c);
}
