/* The news on a real Kafka: librdkafka with its threads, everything brought back to the loop before
 * anybody sees it. */
#ifndef HOLDFAST_STORE_BUS_RDKAFKA_H
#define HOLDFAST_STORE_BUS_RDKAFKA_H

#include "engine/base/metric.h"
#include "engine/net/loop.h"
#include "engine/store/bus.h"

#define BUS_RDKAFKA_METRICS(X)                                                                     \
    X(COUNTER, kafka_sent_total, "messages acknowledged by the broker")                            \
    X(COUNTER, kafka_send_failures_total, "messages that were not acknowledged")                   \
    X(COUNTER, kafka_received_total, "messages received")                                          \
    X(GAUGE, kafka_queued, "messages sent and not acknowledged")                                   \
    X(GAUGE, kafka_up, "1 while a broker is reachable")                                            \
    X(HISTOGRAM, kafka_ack_us, "time to the acknowledgement")

METRIC_STRUCT(bus_rdkafka_metrics, BUS_RDKAFKA_METRICS);

struct bus_rdkafka_options {
    const char *brokers; /* bootstrap servers */
    const char *client_id;
    bool producer;    /* warmed at start: asks for the producer id at once, before the first message
                         needs it */
    size_t queue_max; /* messages, 0: 100,000 */
    unsigned message_ms; /* until a message is given up with TIMEOUT. 0: never, which is what order
                            needs: librdkafka sends what comes behind one that it gave up */
};

struct bus *bus_rdkafka_new(struct loop *l, const struct bus_rdkafka_options *options);
struct metric_group *bus_rdkafka_metrics(struct bus *bus);

#endif
