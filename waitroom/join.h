/* Joining: all joins of one loop turn go to the line in one script call. */
#ifndef HOLDFAST_WAITROOM_JOIN_H
#define HOLDFAST_WAITROOM_JOIN_H

#include "engine/base/json.h"
#include "engine/base/uuid.h"
#include "waitroom/queue.h"

/* POST /v1/queues/{eventId}/tickets */
void join_post(struct http_request *req, void *ctx);
/* Its body. STATUS_INVALID: ret_why names what is wrong. */
enum status join_id_read(json_t *body, struct uuid *ret_id, char *ret_why,
                         size_t why_size) MUST_CHECK;

void join_init(struct queue *q);
void join_free(struct queue *q);
/* A reservation of numbers has ended (meter.c): those who waited for it go on. */
void join_reserved(struct queue *q, enum status status);

/* Sizes for the pools. */
size_t join_size(void);
size_t join_batch_size(void);

#endif
