/* The public calls of the waiting room: their routes. */
#ifndef HOLDFAST_WAITROOM_WAITROOM_API_H
#define HOLDFAST_WAITROOM_WAITROOM_API_H

#include "engine/net/router.h"
#include "waitroom/waitroom.h"

void waitroom_api_add(struct router *router, struct waitroom *w);

#endif
