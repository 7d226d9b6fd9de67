/* The hub: all rooms of the process and the sessions in them. Per tick one diff of a room is built
 * once and the same bytes go to everybody who is up to date; a slow session is skipped and keeps
 * only the rev it was sent, and later gets one merged diff, or the snapshot when that is smaller.
 */
#ifndef HOLDFAST_SEATMAP_WS_HUB_H
#define HOLDFAST_SEATMAP_WS_HUB_H

#include "engine/base/metric.h"
#include "engine/net/loop.h"
#include "engine/net/ws.h"
#include "seatmap-ws/room.h"

#define HUB_METRICS(X)                                                                             \
    X(GAUGE, seatmap_rooms, "events whose seats are known")                                        \
    X(GAUGE, seatmap_sessions, "open WebSockets")                                                  \
    X(COUNTER, seatmap_changes_total, "changes applied")                                           \
    X(COUNTER, seatmap_changes_old_total, "changes that were known already")                       \
    X(COUNTER, seatmap_bad_total, "messages that made no sense")                                   \
    X(COUNTER, seatmap_gaps_total, "gaps in the news, each healed by a snapshot")                  \
    X(COUNTER, seatmap_frames_total, "frames queued to sessions")                                  \
    X(COUNTER, seatmap_skips_total, "sessions skipped in a tick because bytes were still waiting") \
    X(COUNTER, seatmap_slow_total, "sessions closed because they stayed too slow")                 \
    X(HISTOGRAM, seatmap_sweep_us, "time of one tick's sweep over all rooms and sessions")

METRIC_STRUCT(hub_metrics, HUB_METRICS);

struct hub_options {
    size_t sessions_max, rooms_max;
    unsigned tick_ms; /* shortest; the tick gets longer when a sweep takes more than half of it */
    unsigned slow_ms; /* a session that could not be sent anything for so long is closed 1013 */
};

struct hub; /* opaque: hub.c */

struct hub *hub_new(struct loop *l, const struct hub_options *options);
void hub_free(struct hub *h); /* after the server is gone: no session may be left */
struct metric_group *hub_metrics(struct hub *h);

/* What the feed tells. */
void hub_change(struct hub *h, uint64_t event_id, uint64_t rev, uint8_t state,
                const uint32_t *seats, size_t count);
void hub_snapshot(struct hub *h, uint64_t event_id, uint64_t rev, struct slice states);
void hub_bad_news(struct hub *h); /* a message that could not be read: counted */
/* From here on an event without a room does not exist: sessions that waited for it are closed 4404.
 */
void hub_caught_up(struct hub *h);

/* Takes the request in as a session of that event: accepts the WebSocket, or answers the problem.
 * `since` 0: from nothing. */
void hub_join(struct hub *h, struct http_request *req, uint64_t event_id, uint64_t since,
              enum frame_format format, const char *subprotocol);

#endif
