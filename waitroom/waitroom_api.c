#include "waitroom/waitroom_api.h"

#include "engine/base/mem.h"
#include "waitroom/join.h"
#include "waitroom/pass.h"
#include "waitroom/queue.h"
#include "waitroom/stream.h"

/* GET /v1/queues/{eventId}: asked more often than everything else together. No store, no
 * allocation. */
static void get_status(struct http_request *req, void *ctx)
{
    struct queue *q = queue_enter(ctx, req, get_status);

    if (!q)
        return;
    board_render(&q->board, q->event_id, &q->line, q->line_gen, queue_now_ms(q));
    http_header(req, "ETag", q->board.etag);
    http_header(req, "Cache-Control", "public, max-age=1");
    if (etag_matches(http_header_get(req, "if-none-match"), q->board.etag)) {
        http_reply_empty(req, 304);
        return;
    }
    buf_append_slice(req->out, buf_slice(&q->board.body));
    http_reply(req, 200, "application/json");
}

/* GET /.well-known/jwks.json */
static void get_jwks(struct http_request *req, void *ctx)
{
    struct waitroom *w = ctx;

    http_header(req, "Cache-Control", "public, max-age=60");
    buf_append_slice(req->out, buf_slice(&w->jwks));
    http_reply(req, 200, "application/jwk-set+json");
}

static const struct route routes[] = {
    {HTTP_GET_, "/v1/queues/{eventId}", get_status, 0, 0},
    {HTTP_POST_, "/v1/queues/{eventId}/tickets", join_post, 0, 1024},
    {HTTP_GET_, "/v1/queues/{eventId}/tickets/me", pass_get_me, 0, 0},
    {HTTP_POST_, "/v1/queues/{eventId}/passes", pass_post, 0, 1024},
    {HTTP_GET_, "/v1/queues/{eventId}/stream", stream_get, ROUTE_WEBSOCKET, 0},
    {HTTP_GET_, "/.well-known/jwks.json", get_jwks, 0, 0},
};

void waitroom_api_add(struct router *router, struct waitroom *w)
{
    router_add(router, routes, array_len(routes), w);
}
