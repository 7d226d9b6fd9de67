/* A librdkafka handle on the loop: its threads write to an eventfd when a queue has something, the
 * loop serves the queue. Shared by the producer (bus_rdkafka.c) and the feeds (bus_feed.c). */
#ifndef HOLDFAST_STORE_BUS_CLIENT_H
#define HOLDFAST_STORE_BUS_CLIENT_H

#include "engine/net/loop.h"

#include <librdkafka/rdkafka.h>

struct bus_client;

/* All on the loop, except before_destroy, which runs in a thread of libuv's pool. */
struct bus_client_ops {
    /* Serves some of what is queued; true when there may be more (it is called again in the next
     * turn). */
    bool (*serve)(struct bus_client *c);
    /* Gives back what was made of the handle: topics, queues. May block. May be NULL. */
    void (*before_destroy)(struct bus_client *c);
    void (*closed)(struct bus_client *c); /* last; the memory is the owner's again */
};

struct bus_client {
    /* the owner's */
    const struct bus_client_ops *ops;
    struct loop *loop;
    /* to read */
    rd_kafka_t *rk;
    rd_kafka_queue_t *main; /* errors, logs, statistics, delivery reports */
    bool up;                /* a broker is connected; known within a second */
    bool closing;
    char why[160]; /* it is not up */
    /* private */
    int wake_fd;
    uv_poll_t wake;
    struct turn_end again;
    uv_work_t destroy;
};

struct bus_setting {
    const char *name, *value;
};

/* `settings` end with a NULL name; they and the client id go to librdkafka, which starts its
 * threads. Aborts when it refuses (a misspelled setting, no threads). */
void bus_client_open(struct bus_client *c, rd_kafka_type_t type, const char *brokers,
                     const char *client_id, const struct bus_setting *settings);
/* `queue` wakes the loop as the main queue does. */
void bus_client_watch(struct bus_client *c, rd_kafka_queue_t *queue);
/* Deals with an event of the main queue that every client has: errors, logs, statistics. False: it
 * is the owner's kind. Destroys nothing. */
bool bus_client_event(struct bus_client *c, rd_kafka_event_t *event);
/* serve is not called again; closed comes later. Does not wait for what is queued. */
void bus_client_close(struct bus_client *c);

#endif
