/* A TCP connection of the server: a slot with a socket. It borrows buffers while bytes are in
 * flight, gathers what is to be sent, and has one deadline.
 *
 *   kernel -> one 64 KiB read buffer -> ops->bytes, which holds back what it cannot use yet
 *   conn_out, conn_send_shared -> queue -> conn_flush -> kernel; the rest waits for the socket
 *
 * Closing is deferred: conn_close may be called anywhere; the slot stays valid until ops->closed,
 * in a later phase of the loop. */
#ifndef HOLDFAST_NET_CONN_H
#define HOLDFAST_NET_CONN_H

#include "engine/base/pool.h"
#include "engine/net/buffers.h"
#include "engine/net/loop.h"

#define CONN_READ_SIZE (64 * 1024)
#define CONN_PEER_SIZE 46 /* INET6_ADDRSTRLEN */

struct conn;
struct conn_set;

/* What a connection waits for; each kind has one length for all connections, so a list in order of
 * arming is in order of expiry. */
enum conn_deadline {
    CONN_DEADLINE_NONE,
    CONN_DEADLINE_IDLE,   /* a request */
    CONN_DEADLINE_HEAD,   /* the rest of a head */
    CONN_DEADLINE_BODY,   /* the rest of a body */
    CONN_DEADLINE_LINGER, /* the peer's end after ours */
    CONN_DEADLINE_WS_IDLE,
    CONN_DEADLINE_WS_PONG,
    CONN_DEADLINE_WS_CLOSE,
    CONN_DEADLINES,
};

struct conn_ops {
    /* Must use all, or keep the rest with conn_hold_back. */
    void (*bytes)(struct conn *c, const char *at, size_t len);
    /* Queued bytes that had to wait for the socket are all in the kernel now. */
    void (*flushed)(struct conn *c);
    void (*expired)(struct conn *c, enum conn_deadline kind);
    /* The last call; the slot is free afterwards. */
    void (*closed)(struct conn *c);
};

struct conn {
    uv_tcp_t tcp;
    uv_write_t write;
    struct conn_set *set;
    const struct conn_ops *ops; /* the protocol spoken now */
    void *owner;                /* the protocol's object, may be NULL */
    struct list link;           /* in set->all */
    /* private: reading */
    struct buf *held;    /* bytes that came too early; reading is stopped meanwhile */
    size_t held_at;      /* where the unused ones of them start */
    struct buf *feeding; /* held bytes while ops->bytes looks at them */
    /* private: sending */
    struct list queue;   /* struct conn_chunk */
    size_t queued;       /* bytes in it */
    struct list dirty;   /* in set->dirty: flush at the end of the turn */
    struct list sending; /* in set->sending while a write waits for the socket */
    int64_t send_since;  /* ms; when the kernel was last seen to take bytes */
    size_t send_left;    /* bytes that it had not taken then */
    size_t write_size;   /* bytes of the write that waits */
    /* private: deadline */
    struct list deadline_link;
    int64_t deadline_since; /* ms */
    uint8_t deadline;       /* enum conn_deadline */
    bool reading, writing, resuming, closing;
    bool finishing, lingers,
        lingering; /* conn_finish was called; it is to wait for the peer; it does */
    char peer[CONN_PEER_SIZE];
};

/* Bytes on their way out: in a borrowed buffer, or shared with others. */
struct conn_chunk {
    struct list link;
    struct buf *buf;   /* or NULL */
    struct slice rest; /* shared bytes, when buf is NULL */
    size_t sent;       /* of buf */
    void (*release)(void *arg);
    void *arg;
};

struct conn_timeouts {
    unsigned ms[CONN_DEADLINES];
    unsigned send_ms;
};

/* All connections of a server and what they share. Embedded; the server's own part is told by the
 * callbacks. */
struct conn_set {
    struct loop *loop;
    struct buffers buffers;
    struct list all;
    size_t count;
    /* Called when a slot becomes free, when bytes waited too long (before the close), each tick of
     * the coarse timer. Any may be NULL. */
    void (*on_slot_free)(struct conn_set *set);
    void (*on_timeout)(struct conn_set *set);
    void (*on_tick)(struct conn_set *set);
    /* private */
    struct pool slots;
    struct conn_timeouts timeouts;
    struct list deadlines[CONN_DEADLINES];
    struct list dirty, sending;
    struct turn_end flush;
    struct timer tick;
    unsigned tick_ms;
    struct list idle_chunks;
    size_t idle_chunk_count;
    char *read_buffer;
};

/* `slots`: connections at most. */
void conn_set_init(struct conn_set *s, struct loop *loop, size_t slots,
                   const struct conn_timeouts *timeouts);
/* Stops the timer; ends when its handle is closed: then `closed`. All connections must be gone. */
void conn_set_close(struct conn_set *s, timer_cb closed);
void conn_set_free(struct conn_set *s); /* after `closed` */

/* Takes a waiting connection from `listener`: NULL when there is no slot (the connection is left
 * waiting) or the accept failed. It does not read yet. */
struct conn *conn_accept(struct conn_set *s, uv_stream_t *listener, const struct conn_ops *ops);
void conn_start(struct conn *c);
/* Another protocol from here on. */
void conn_set_owner(struct conn *c, const struct conn_ops *ops, void *owner);

/* Keeps bytes that ops->bytes got and cannot use now; reading stops until conn_resume, which hands
 * them in again at the end of this turn. */
void conn_hold_back(struct conn *c, const char *at, size_t len);
void conn_resume(struct conn *c);

/* The buffer at the end of the queue, to append to; what is appended goes out with the next flush.
 * conn_out_done after the appending. */
struct buf *conn_out(struct conn *c);
void conn_out_done(struct conn *c);
/* Queues a borrowed buffer of this set (owned by the connection from now on) or shared bytes,
 * released when they are sent or dropped. */
void conn_send_buf(struct conn *c, struct buf *b);
void conn_send_shared(struct conn *c, struct slice bytes, void (*release)(void *arg), void *arg);
/* Sends at once what the kernel takes. What was queued and not flushed is sent at the end of the
 * turn. */
void conn_flush(struct conn *c);

/* Arms the deadline, in place of the one before. Arming the same again within a tick is free. */
void conn_deadline(struct conn *c, enum conn_deadline kind);
/* Drops what is queued and closes. Twice is harmless. */
void conn_close(struct conn *c);
/* Closes when everything queued is sent. `linger`: then waits for the peer to finish (a reset would
 * destroy the answer when the peer is still sending). */
void conn_finish(struct conn *c, bool linger);

/* Bytes queued that the kernel has not taken. */
size_t conn_backlog(const struct conn *c);

/* ---- between conn.c and conn_send.c ---- */

void conn_mark_dirty(struct conn *c);
void conn_take_up(struct conn *c);
void conn_drop_queue(struct conn *c);
void conn_finish_now(struct conn *c);
void conn_check_sending(struct conn_set *s); /* closes those whose bytes have waited too long */
void conn_free_chunks(struct conn_set *s);

#endif
