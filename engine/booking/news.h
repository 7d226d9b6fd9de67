/* What the relay says on Kafka, as bytes: payloads and CloudEvents headers of the wire contract
 * (CloudEvents 1.0, Kafka binding, binary mode). */
#ifndef HOLDFAST_BOOKING_NEWS_H
#define HOLDFAST_BOOKING_NEWS_H

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/store/bus.h"

#define NEWS_TOPIC_CHANGES   "holdfast.seat-changes"
#define NEWS_TOPIC_SNAPSHOTS "holdfast.seat-snapshots"
#define NEWS_HEADERS_MAX     7

/* Headers of one message; slices point into the struct and into what was given. */
struct news_headers {
    struct bus_header list[NEWS_HEADERS_MAX];
    size_t count;
    char time[CLOCK_TEXT_SIZE];
};

/* `trace` is a traceparent or empty. The slices must outlive the send call. */
void news_headers_make(struct news_headers *h, struct slice id, struct slice type, int64_t wall_ms,
                       struct slice trace);

/* One entry of an event's log as the stream has it. */
struct news_change {
    uint64_t rev;
    unsigned state;     /* 0..3 */
    struct slice seats; /* "4,5,6" */
    struct slice cause, trace;
};

/* Appends {"eventId","rev","state","seats","cause"}; STATUS_MALFORMED when the entry makes no sense
 * (nothing useful is then in b). */
enum status news_put_change(struct buf *b, uint64_t event_id,
                            const struct news_change *change) MUST_CHECK;
/* Appends {"eventId","rev","seats","state"}. */
void news_put_snapshot(struct buf *b, uint64_t event_id, uint64_t rev, struct slice states);

#endif
