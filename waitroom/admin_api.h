/* What an operator does to a queue, on the ops listener: settings, pause, resume, open, close,
 * reset. */
#ifndef HOLDFAST_WAITROOM_ADMIN_API_H
#define HOLDFAST_WAITROOM_ADMIN_API_H

#include "engine/net/router.h"
#include "waitroom/waitroom.h"

void admin_api_add(struct router *router, struct waitroom *w);

#endif
