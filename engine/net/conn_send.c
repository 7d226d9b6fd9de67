/* The sending side of a connection: a queue of chunks, tried at once, and written by libuv only
 * when the socket is full. */
#include "engine/net/conn.h"

#define OUT_LIMIT   (64 * 1024 * 1024) /* bytes of one buffer in the queue */
#define OUT_ROUND   (32 * 1024)        /* a buffer this full is not appended to */
#define WRITE_PARTS 16                 /* chunks in one system call */
#define WAIT_PARTS  4 /* in one write that waits: what libuv's request holds without allocating */

/* ---- chunks ---- */

static struct conn_chunk *chunk_take(struct conn_set *s)
{
    struct list *link = list_pop_front(&s->idle_chunks);

    if (!link)
        return mem_alloc(sizeof(struct conn_chunk));
    s->idle_chunk_count--;
    return list_entry(link, struct conn_chunk, link);
}

static void chunk_drop(struct conn_set *s, struct conn_chunk *k)
{
    if (k->buf)
        buffers_return(&s->buffers, k->buf);
    else if (k->release)
        k->release(k->arg);
    if (s->idle_chunk_count > s->slots.capacity) { /* one for each socket of a broadcast */
        mem_free(k);
        return;
    }
    list_push_front(&s->idle_chunks, &k->link);
    s->idle_chunk_count++;
}

static struct slice chunk_rest(const struct conn_chunk *k)
{
    return k->buf ? slice_of(k->buf->at + k->sent, k->buf->len - k->sent) : k->rest;
}

void conn_drop_queue(struct conn *c)
{
    struct list *link;

    while ((link = list_pop_front(&c->queue)) != NULL)
        chunk_drop(c->set, list_entry(link, struct conn_chunk, link));
    c->queued = 0;
}

void conn_mark_dirty(struct conn *c)
{
    if (c->closing || !list_empty(&c->dirty))
        return;
    list_push_back(&c->set->dirty, &c->dirty);
    loop_defer(c->set->loop, &c->set->flush);
}

static void enqueue(struct conn *c, struct conn_chunk *k)
{
    list_push_back(&c->queue, &k->link);
    c->queued += chunk_rest(k).len;
    conn_mark_dirty(c);
}

struct buf *conn_out(struct conn *c)
{
    struct conn_chunk *last = list_entry(c->queue.prev, struct conn_chunk, link);
    bool open = !list_empty(&c->queue) && last->buf && last->buf->len < OUT_ROUND && !c->writing;

    if (!open) {
        last = chunk_take(c->set);
        last->buf = buffers_borrow(&c->set->buffers, OUT_LIMIT);
        last->sent = 0;
        list_push_back(&c->queue, &last->link);
    }
    c->queued -= last->buf->len;
    return last->buf;
}

void conn_out_done(struct conn *c)
{
    struct conn_chunk *last = list_entry(c->queue.prev, struct conn_chunk, link);

    c->queued += last->buf->len;
    conn_mark_dirty(c);
}

void conn_send_buf(struct conn *c, struct buf *b)
{
    struct conn_chunk *k;

    if (c->closing || b->len == 0) {
        buffers_return(&c->set->buffers, b);
        return;
    }
    k = chunk_take(c->set);
    k->buf = b;
    k->sent = 0;
    enqueue(c, k);
}

void conn_send_shared(struct conn *c, struct slice bytes, void (*release)(void *arg), void *arg)
{
    struct conn_chunk *k;

    if (c->closing || bytes.len == 0) {
        if (release)
            release(arg);
        return;
    }
    k = chunk_take(c->set);
    k->buf = NULL;
    k->rest = bytes;
    k->release = release;
    k->arg = arg;
    enqueue(c, k);
}

/* ---- sending ---- */

static unsigned gather(const struct conn *c, uv_buf_t *ret_parts, unsigned most)
{
    unsigned n = 0;

    list_for_each (it, &c->queue) {
        struct slice rest = chunk_rest(list_entry(it, struct conn_chunk, link));

        if (n == most)
            break;
        ret_parts[n++] = uv_buf_init((char *)rest.at, (unsigned)rest.len);
    }
    return n;
}

/* `n` bytes of the queue's front are in the kernel. */
static void consume(struct conn *c, size_t n)
{
    c->queued -= n;
    while (!list_empty(&c->queue)) {
        struct conn_chunk *k = list_entry(c->queue.next, struct conn_chunk, link);
        size_t rest = chunk_rest(k).len;

        if (n < rest) {
            if (k->buf)
                k->sent += n;
            else
                k->rest = slice_of(k->rest.at + n, rest - n);
            return;
        }
        n -= rest;
        list_remove(&k->link);
        chunk_drop(c->set, k);
    }
}

static void write_done(uv_write_t *write, int status);

static size_t size_of(const uv_buf_t *parts, unsigned n)
{
    size_t size = 0;

    while (n-- > 0)
        size += parts[n].len;
    return size;
}

static void write_rest(struct conn *c)
{
    uv_buf_t parts[WAIT_PARTS];
    unsigned n = gather(c, parts, WAIT_PARTS);

    c->writing = true;
    c->write_size = c->send_left = size_of(parts, n);
    c->send_since = (int64_t)uv_now(&c->set->loop->uv);
    list_push_back(&c->set->sending, &c->sending);
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, parts, n, write_done) != 0) {
        c->writing = false;
        conn_close(c);
    }
}

void conn_flush(struct conn *c)
{
    list_remove(&c->dirty);
    while (!c->closing && !c->writing && !list_empty(&c->queue)) {
        uv_buf_t parts[WRITE_PARTS];
        unsigned n = gather(c, parts, WRITE_PARTS);
        int sent = uv_try_write((uv_stream_t *)&c->tcp, parts, n);

        if (sent < 0 && sent != UV_EAGAIN) {
            conn_close(c);
            return;
        }
        if (sent > 0)
            consume(c, (size_t)sent);
        if (sent < 0 || (size_t)sent < size_of(parts, n)) {
            write_rest(c);
            return;
        }
    }
    if (!c->closing && !c->writing && c->finishing)
        conn_finish_now(c);
}

static void write_done(uv_write_t *write, int status)
{
    struct conn *c = container_of(write, struct conn, write);

    c->writing = false;
    list_remove(&c->sending);
    if (c->closing)
        return;
    if (status < 0) {
        conn_close(c);
        return;
    }
    consume(c, c->write_size);
    conn_flush(c);
    if (!c->writing && !c->closing && !c->lingering)
        c->ops->flushed(c);
}

size_t conn_backlog(const struct conn *c)
{
    return c->writing ? c->queued - c->write_size + c->tcp.write_queue_size : c->queued;
}

void conn_check_sending(struct conn_set *s)
{
    int64_t now = (int64_t)uv_now(&s->loop->uv);

    while (!list_empty(&s->sending)) {
        struct conn *c = list_entry(s->sending.next, struct conn, sending);

        if (now - c->send_since < s->timeouts.send_ms)
            return;
        list_remove(&c->sending);
        if (c->tcp.write_queue_size < c->send_left) {
            c->send_left = c->tcp.write_queue_size;
            c->send_since = now;
            list_push_back(&s->sending, &c->sending);
            continue;
        }
        if (s->on_timeout)
            s->on_timeout(s);
        conn_close(c);
    }
}

void conn_free_chunks(struct conn_set *s)
{
    struct list *link;

    while ((link = list_pop_front(&s->idle_chunks)) != NULL)
        mem_free(list_entry(link, struct conn_chunk, link));
    s->idle_chunk_count = 0;
}
