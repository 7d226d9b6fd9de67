/* The news (Kafka) as the domain sees it: produce with an answer, consume from a position. Behind
 * an ops table: bus_rdkafka.c is production. */
#ifndef HOLDFAST_STORE_BUS_H
#define HOLDFAST_STORE_BUS_H

#include "engine/base/list.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

struct bus;
struct bus_send;
struct bus_feed;

struct bus_header {
    const char *name;
    struct slice value;
};

/* OK: the message is on all in-sync replicas. INVALID: it can never be accepted (too large); when
 * several were on their way one of the others may be to blame, so send it alone before you believe
 * it. NOT_FOUND: there is no such topic, or not for us, now. TIMEOUT, UNAVAILABLE, CANCELED: not
 * known. */
typedef void (*bus_cb)(struct bus_send *send, enum status status);

/* Embedded by the caller, who owns it until the callback. */
struct bus_send {
    bus_cb cb;
    struct bus *bus;    /* private */
    struct list link;   /* private */
    enum status status; /* private */
};

struct bus_message {
    struct slice topic, key, payload; /* at == NULL: tombstone */
    int32_t partition;
    int64_t offset, timestamp_ms;
    const struct bus_header *headers;
    size_t header_count;
};

/* A consumer of one topic, all partitions, without a group: each process sees everything. */
struct bus_feed_ops {
    void (*message)(struct bus_feed *feed,
                    const struct bus_message *message); /* the message lives during the call */
    /* Everything that was in the topic when the feed started (or reconnected) has been delivered.
     * Once per start. May be NULL. */
    void (*caught_up)(struct bus_feed *feed);
};

struct bus_feed {
    const struct bus_feed_ops *ops; /* the caller's */
    void *ctx;                      /* the caller's */
    void *impl;                     /* private */
};

enum bus_start { BUS_FROM_BEGINNING, BUS_FROM_END };

struct bus_ops {
    enum status (*send)(struct bus *bus, struct bus_send *send, const char *topic, struct slice key,
                        struct slice payload, const struct bus_header *headers,
                        size_t header_count);
    enum status (*feed)(struct bus *bus, struct bus_feed *feed, const char *topic,
                        enum bus_start start);
    void (*feed_stop)(struct bus *bus, struct bus_feed *feed);
    bool (*ready)(struct bus *bus, const char **ret_why);
    void (*abandon)(struct bus *bus);
    void (*close)(struct bus *bus);
};

struct bus {
    const struct bus_ops *ops;
};

/* Everything is copied. Messages of one key keep the order of their sends (idempotent producer,
 * acks=all). OVERLOADED when the queue is full,
 * UNAVAILABLE while a lost producer is made anew (a second): then no callback. */
static inline MUST_CHECK enum status bus_send(struct bus *bus, struct bus_send *send,
                                              const char *topic, struct slice key,
                                              struct slice payload,
                                              const struct bus_header *headers, size_t header_count)
{
    return bus->ops->send(bus, send, topic, key, payload, headers, header_count);
}

static inline MUST_CHECK enum status bus_feed_start(struct bus *bus, struct bus_feed *feed,
                                                    const char *topic, enum bus_start start)
{
    return bus->ops->feed(bus, feed, topic, start);
}

static inline void bus_feed_stop(struct bus *bus,
                                 struct bus_feed *feed) /* no message after this returns */
{
    bus->ops->feed_stop(bus, feed);
}

static inline bool bus_ready(struct bus *bus, const char **ret_why)
{
    return bus->ops->ready(bus, ret_why);
}

/* Waits for nothing any more: what was sent completes with CANCELED in a later turn, and nothing is
 * taken. For an end that cannot wait for a broker that is away. */
static inline void bus_abandon(struct bus *bus)
{
    bus->ops->abandon(bus);
}

static inline void bus_close(struct bus *bus)
{
    bus->ops->close(bus);
}

#endif
