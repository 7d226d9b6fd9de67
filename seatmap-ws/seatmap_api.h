/* The HTTP side of the seatmap stream: GET /v1/seatmaps/{eventId}?since=<rev>. */
#ifndef HOLDFAST_SEATMAP_WS_SEATMAP_API_H
#define HOLDFAST_SEATMAP_WS_SEATMAP_API_H

#include "engine/net/router.h"
#include "seatmap-ws/hub.h"

struct seatmap_api {
    struct hub *hub;
    const char *origins; /* comma-separated origins that may connect beside our own; may be NULL */
};

/* `api` is borrowed for the router's life. */
void seatmap_api_add(struct seatmap_api *api, struct router *router);

#endif
