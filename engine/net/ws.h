/* WebSockets (RFC 6455) on a connection that came as an HTTP request. Incoming frames are parsed
 * with wslay contexts that are borrowed while bytes are in flight; outgoing frames are encoded once
 * and shared: the same bytes go to all. */
#ifndef HOLDFAST_NET_WS_H
#define HOLDFAST_NET_WS_H

#include "engine/net/http.h"

struct ws;

/* A message as it goes over the wire, reference-counted. */
struct ws_frame;

enum ws_kind { WS_TEXT = 1, WS_BINARY = 2 };

/* One unfragmented, unmasked, uncompressed frame; the payload is copied. Starts with one reference.
 */
struct ws_frame *ws_frame_new(enum ws_kind kind, struct slice payload);
struct ws_frame *ws_frame_ref(struct ws_frame *f);
void ws_frame_unref(struct ws_frame *f); /* NULL is fine */
size_t ws_frame_size(const struct ws_frame *f);
struct slice ws_frame_payload(const struct ws_frame *f);

struct ws_ops {
    /* A complete text or binary message of at most `message_max` bytes; the slice lives during the
     * call. May be NULL: then anything but control frames closes 1003. */
    void (*message)(struct ws *ws, enum ws_kind kind, struct slice payload, void *ctx);
    /* All queued bytes are in the kernel: room for more. May be NULL. */
    void (*drained)(struct ws *ws, void *ctx);
    /* The last call, exactly once, after ws_accept succeeded: the socket is gone for whatever
     * reason. `code` is the close code, 1006 without one. */
    void (*closed)(struct ws *ws, uint16_t code, void *ctx);
    size_t message_max; /* bytes; larger closes 1009 */
};

/* Turns the exchange into a WebSocket and ends it as an http_reply would: 101 with `subprotocol`
 * (NULL: none). NULL when the request is not a valid handshake; the problem is then already
 * answered. `ops` is borrowed for life. The server pings when idle and closes peers that do not
 * answer. */
struct ws *ws_accept(struct http_request *req, const char *subprotocol, const struct ws_ops *ops,
                     void *ctx);

/* Queues the frame (taking a reference of its own). Never calls back inside. On a socket that is
 * closing it does nothing. */
void ws_send(struct ws *ws, struct ws_frame *f);
/* Bytes queued and not yet accepted by the kernel. The skip rule asks this. */
size_t ws_backlog(const struct ws *ws);
void ws_set_ctx(struct ws *ws, void *ctx);
void *ws_ctx(const struct ws *ws);
/* Starts the closing handshake, cut after 2 s; ops->closed still comes, later. */
void ws_close(struct ws *ws, uint16_t code, const char *reason);

/* The subprotocols that the client offers, in its order, comma-cut by the caller: the raw header.
 */
struct slice ws_offered(const struct http_request *req);
/* True when there is no Origin header, or it is the request's own host (X-Forwarded-Host/Host), or
 * it is in `allowed` (comma-separated origins, may be NULL). */
bool ws_origin_ok(const struct http_request *req, const char *allowed);

#endif
