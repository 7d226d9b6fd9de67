/* A consumer of all partitions of one topic, without a group. */
#ifndef HOLDFAST_STORE_BUS_FEED_H
#define HOLDFAST_STORE_BUS_FEED_H

#include "engine/store/bus.h"
#include "engine/store/bus_client.h"

struct feed_run;

struct feed_options {
    const char *brokers, *client_id;
    uint64_t *received;                               /* counted up */
    void (*freed)(struct feed_run *run, void *owner); /* last */
    void *owner;
};

/* Runs until feed_run_stop. The topic is looked up until it is found. */
struct feed_run *feed_run_new(struct loop *l, struct bus_feed *feed, const char *topic,
                              enum bus_start start, const struct feed_options *options);
void feed_run_stop(struct feed_run *run); /* no message after this returns; freed comes later */
const struct bus_client *feed_run_client(const struct feed_run *run);

#endif
