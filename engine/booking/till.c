#include "engine/booking/till.h"

#include "engine/booking/booking_api.h"

#include <stdio.h>

#define WEBHOOK_BODY_MAX (64 * 1024)

static const struct route routes[] = {
    {HTTP_POST_, "/v1/bookings/{eventId}", booking_post, ROUTE_STARTED_WORK, 0},
    {HTTP_GET_, "/v1/bookings/{bookingId}", booking_get, 0, 0},
    {HTTP_POST_, "/v1/bookings/{bookingId}/cancel", booking_cancel, ROUTE_STARTED_WORK, 0},
    {HTTP_POST_, "/v1/bookings/{bookingId}/refunds", booking_refund, ROUTE_STARTED_WORK, 0},
    {HTTP_GET_, "/v1/bookings/{bookingId}/tickets/{id}", ticket_get, 0, 0},
    {HTTP_POST_, "/v1/payments/webhooks/{provider}", webhook_post, ROUTE_NEVER_SHED,
     WEBHOOK_BODY_MAX},
};

static const struct route admin_routes[] = {
    {HTTP_POST_, "/admin/v1/events/{eventId}/bookings/{bookingId}/refunds", office_refund,
     ROUTE_ADMIN, 0},
};

static void add_provider(struct till *t, size_t slot, const struct payment_ops *ops,
                         const char *url, const char *api_key, const char *webhook_secret,
                         int64_t timeout_ms)
{
    t->clients[slot] = http_client_new(t->engine->loop, ops->name);
    t->purchases.providers[slot] = (struct payment_provider){
        .ops = ops,
        .url = url,
        .api_key = api_key,
        .webhook_secret = webhook_secret,
        .deadline_ms = (unsigned)timeout_ms,
        .client = t->clients[slot],
    };
}

static void changed_cb(void *ctx, uint64_t event_id)
{
    engine_changed(ctx, event_id);
}

enum status till_load(struct till *t, const struct till_settings *settings, char *ret_why,
                      size_t why_size)
{
    memset(t, 0, sizeof(*t));
    if (!settings->ticket_keys) {
        snprintf(ret_why, why_size, "--ticket-keys is needed");
        return STATUS_INVALID;
    }
    return token_keys_load(&t->keys, settings->ticket_keys, ret_why, why_size);
}

enum status till_reload(struct till *t, const struct till_settings *settings, char *ret_why,
                        size_t why_size)
{
    struct token_keys keys = {.count = 0};
    enum status status = token_keys_load(&keys, settings->ticket_keys, ret_why, why_size);

    if (status != STATUS_OK) {
        token_keys_free(&keys);
        return status;
    }
    token_keys_free(&t->keys);
    t->keys = keys;
    return STATUS_OK;
}

void till_open(struct till *t, struct engine *e, const struct till_settings *settings,
               size_t requests)
{
    t->engine = e;
    t->commit = commit_new(e->loop, e->db, (size_t)settings->commit_batches);
    t->purchases = (struct purchases){
        .loop = e->loop,
        .db = e->db,
        .seats = e->seats,
        .commit = t->commit,
        .lease_ms = settings->booking_lease_ms,
        .poll_ms = settings->payment_poll_ms,
        .changed = changed_cb,
        .ctx = e,
    };
    if (settings->payment_url)
        add_provider(t, 0, &payment_sim, settings->payment_url, NULL, settings->payment_secret,
                     settings->payment_timeout_ms);
    if (settings->stripe_key)
        add_provider(t, 1, &payment_stripe, settings->stripe_url, settings->stripe_key,
                     settings->stripe_webhook_secret, settings->payment_timeout_ms);
    purchases_init(&t->purchases, 2 * requests);
    refunds_init(&t->refunds, &t->purchases, requests);
    booking_exchanges_init(t, requests);
    completer_init(&t->completer, &t->purchases, &t->refunds);
    reconciler_init(&t->reconciler, &t->purchases, RECONCILER_POLL_MS, RECONCILER_REST_MS);
}

void till_metrics(struct till *t, struct metric_page *page)
{
    metric_page_add(page, commit_metrics(t->commit));
    metric_page_add(page, purchases_metrics(&t->purchases));
    for (size_t i = 0; i < PURCHASE_PROVIDERS_MAX; i++) {
        if (t->clients[i])
            metric_page_add(page, http_client_metrics(t->clients[i]));
    }
}

void till_routes(struct till *t, struct router *r)
{
    router_add(r, routes, array_len(routes), t);
}

void till_admin_routes(struct till *t, struct router *ops)
{
    router_add(ops, admin_routes, array_len(admin_routes), t);
}

void till_stop(struct till *t)
{
    purchases_stop(&t->purchases);
    completer_close(&t->completer);
    reconciler_close(&t->reconciler);
    commit_stop(t->commit);
    for (size_t i = 0; i < PURCHASE_PROVIDERS_MAX; i++) {
        if (t->clients[i])
            http_client_free(t->clients[i]);
    }
}

void till_free(struct till *t)
{
    commit_free(t->commit);
    reconciler_free(&t->reconciler);
    refunds_free(&t->refunds);
    purchases_free(&t->purchases);
    pool_free(&t->exchanges);
    token_keys_free(&t->keys);
}
