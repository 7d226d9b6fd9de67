/* Webhooks of the payment simulator: signed news of a charge to the merchant, late, twice, never or
 * in the wrong order as the script of its token says.
 *
 * Body: {"id":"wh_...","type":"charge.<state>","charge":{...}}. Header: Sim-Signature: t=<unix
 * seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>"> with the shared secret. */
#ifndef HOLDFAST_PAYSIM_WEBHOOK_H
#define HOLDFAST_PAYSIM_WEBHOOK_H

#include "engine/net/http_client.h"
#include "paysim/charge.h"

struct webhooks {
    struct loop *loop;
    struct http_client *client;
    const char *url, *secret; /* borrowed; no url: nothing is sent */
    uint64_t sent;            /* also makes the ids */
};

void webhooks_init(struct webhooks *w, struct loop *l, const char *url, const char *secret);
void webhooks_close(struct webhooks *w);

/* Sends news of the charge as it is now, under the id `wh_<charge>_<type>` (so that the same news
 * twice has the same id), and again each second, five times at most, until the merchant answers
 * 2xx. `state` may be an older one: that makes news out of order. */
void webhook_send(struct webhooks *w, const struct charge *c, enum charge_state state);

#endif
