#include "seatmap-ws/seatmap_api.h"

#define SUBPROTOCOL      "holdfast.seatmap.v1"
#define SUBPROTOCOL_JSON "holdfast.seatmap.v1+json"

/* The first offer that we speak; a client that offers nothing gets the binary form. False: it
 * offers only what we do not speak. */
static bool choose_format(struct slice offered, enum frame_format *ret_format,
                          const char **ret_subprotocol)
{
    *ret_format = FRAME_BINARY;
    *ret_subprotocol = NULL;
    if (!offered.at || slice_trim(offered).len == 0)
        return true;
    while (offered.at) {
        struct slice name = slice_trim(slice_cut(&offered, ','));
        if (slice_is(name, SUBPROTOCOL)) {
            *ret_subprotocol = SUBPROTOCOL;
            return true;
        }
        if (slice_is(name, SUBPROTOCOL_JSON)) {
            *ret_format = FRAME_JSON;
            *ret_subprotocol = SUBPROTOCOL_JSON;
            return true;
        }
    }
    return false;
}

static bool read_since(struct http_request *req, uint64_t *ret_since)
{
    bool bad = false;
    struct slice text = http_query_get(req, "since", &bad);

    *ret_since = 0;
    return !bad && (!text.at || (slice_to_u64(text, ret_since) && *ret_since <= ROOM_REV_MAX));
}

static void get_seatmap(struct http_request *req, void *ctx)
{
    struct seatmap_api *api = ctx;
    uint64_t event_id, since;
    enum frame_format format;
    const char *subprotocol;

    if (!http_param_id(req, 0, &event_id))
        return;
    if (!ws_origin_ok(req, api->origins)) {
        http_reply_problem(req, PROBLEM_ORIGIN_FORBIDDEN, NULL);
        return;
    }
    if (!read_since(req, &since)) {
        http_reply_problem(req, PROBLEM_BAD_REQUEST,
                           "since must be a rev: a whole number below 2^53.");
        return;
    }
    if (http_query_get(req, "sections", NULL).at) {
        http_reply_problem(req, PROBLEM_BAD_REQUEST,
                           "sections are not offered: leave the parameter out to get all seats.");
        return;
    }
    if (!choose_format(ws_offered(req), &format, &subprotocol)) {
        http_reply_problem(req, PROBLEM_BAD_REQUEST,
                           "The subprotocols are " SUBPROTOCOL " and " SUBPROTOCOL_JSON ".");
        return;
    }
    hub_join(api->hub, req, event_id, since, format, subprotocol);
}

static const struct route routes[] = {
    {HTTP_GET_, "/v1/seatmaps/{eventId}", get_seatmap, ROUTE_WEBSOCKET, 0},
};

void seatmap_api_add(struct seatmap_api *api, struct router *router)
{
    router_add(router, routes, array_len(routes), api);
}
