/* The feed: both seat topics of Kafka, read into the hub. Bad messages are counted and passed over.
 */
#ifndef HOLDFAST_SEATMAP_WS_FEED_H
#define HOLDFAST_SEATMAP_WS_FEED_H

#include "engine/store/bus.h"
#include "seatmap-ws/hub.h"

struct feed {
    struct hub *hub;
    struct bus *bus;
    struct bus_feed changes, snapshots;
    uint32_t *seats;   /* owned scratch: seats of one change */
    struct buf states; /* scratch: state string of one snapshot */
};

/* `hub` and `bus` are borrowed until feed_stop. Changes are read from the end: what came before is
 * in the snapshots, which the relay repeats while an event is hot. */
enum status feed_start(struct feed *f, struct bus *bus, struct hub *hub) MUST_CHECK;
void feed_stop(struct feed *f);

/* One message each, for the feed and for tests: STATUS_MALFORMED when it makes no sense. */
enum status feed_read_change(struct feed *f, struct slice payload) MUST_CHECK;
enum status feed_read_snapshot(struct feed *f, struct slice payload) MUST_CHECK;

#endif
