#include "waitroom/waitroom.h"

#include "engine/base/mem.h"
#include "waitroom/join.h"
#include "waitroom/pass.h"
#include "waitroom/queue.h"

#define JOIN_BATCHES 256
#define JWKS_MAX     4096

void waitroom_init(struct waitroom *w)
{
    rng_seed_random(&w->rng);
    buf_init(&w->jwks, JWKS_MAX);
    jwt_signer_jwks(&w->signer, 1, &w->jwks);
    pool_init(&w->waiters, queue_waiter_size(), w->requests_max);
    pool_init(&w->joins, join_size(), w->requests_max);
    pool_init(&w->join_batches, join_batch_size(), JOIN_BATCHES);
    pool_init(&w->claims, pass_claim_size(), w->requests_max);
    w->queues = queues_new(w);
    line_store_init();
}

void waitroom_free(struct waitroom *w)
{
    queues_free(w->queues);
    pool_free(&w->waiters);
    pool_free(&w->joins);
    pool_free(&w->join_batches);
    pool_free(&w->claims);
    buf_free(&w->jwks);
}

#define METRIC_ROW_TAG waitroom_metrics
static const struct metric_desc descs[] = {WAITROOM_METRICS(METRIC_ROW_)};

struct metric_group waitroom_metric_group(struct waitroom *w)
{
    return (struct metric_group){.descs = descs, .count = array_len(descs), .base = &w->metrics};
}
