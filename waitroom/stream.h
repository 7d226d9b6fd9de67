/* The stream: one frame a queue, built at most once a second when what it says has changed, the
 * same bytes to all subscribers. */
#ifndef HOLDFAST_WAITROOM_STREAM_H
#define HOLDFAST_WAITROOM_STREAM_H

#include "waitroom/queue.h"

/* GET /v1/queues/{eventId}/stream */
void stream_get(struct http_request *req, void *ctx);
/* A new view has come: sends it if it is time and it says something new. */
void stream_offer(struct queue *q);

void stream_init(struct queue *q);
void stream_free(struct queue *q); /* has no subscribers any more */

#endif
