/* The till: the part of the booking server that takes money and gives tickets. Made by main.c,
 * which calls its five functions. */
#ifndef HOLDFAST_BOOKING_TILL_H
#define HOLDFAST_BOOKING_TILL_H

#include "engine/base/config.h"
#include "engine/base/token.h"
#include "engine/booking/completer.h"
#include "engine/booking/engine.h"
#include "engine/booking/reconciler.h"
#include "engine/net/router.h"

struct till_settings {
    const char *ticket_keys;
    const char *payment_url, *payment_secret;
    const char *stripe_url, *stripe_key, *stripe_webhook_secret;
    int64_t payment_timeout_ms, payment_poll_ms, booking_lease_ms, commit_batches;
};

/* Rows of a config_option table, as DAEMON_OPTIONS. */
#define TILL_OPTIONS(type, member)                                                                 \
    {"ticket-keys",                                                                                \
     CONFIG_STR,                                                                                   \
     offsetof(type, member.ticket_keys),                                                           \
     NULL,                                                                                         \
     0,                                                                                            \
     0,                                                                                            \
     false,                                                                                        \
     "file of the keys that seal tickets and access tokens"},                                      \
        {"payment-url",                                                                            \
         CONFIG_STR,                                                                               \
         offsetof(type, member.payment_url),                                                       \
         NULL,                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         false,                                                                                    \
         "base URL of the provider sim; none: there is no such provider"},                         \
        {"payment-secret",                                                                         \
         CONFIG_STR,                                                                               \
         offsetof(type, member.payment_secret),                                                    \
         "paysim",                                                                                 \
         0,                                                                                        \
         0,                                                                                        \
         true,                                                                                     \
         "of the webhooks of sim"},                                                                \
        {"stripe-url",                                                                             \
         CONFIG_STR,                                                                               \
         offsetof(type, member.stripe_url),                                                        \
         "https://api.stripe.com",                                                                 \
         0,                                                                                        \
         0,                                                                                        \
         false,                                                                                    \
         "base URL of Stripe"},                                                                    \
        {"stripe-key",                                                                             \
         CONFIG_STR,                                                                               \
         offsetof(type, member.stripe_key),                                                        \
         NULL,                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         true,                                                                                     \
         "secret key of Stripe; none: there is no such provider"},                                 \
        {"stripe-webhook-secret",                                                                  \
         CONFIG_STR,                                                                               \
         offsetof(type, member.stripe_webhook_secret),                                             \
         "",                                                                                       \
         0,                                                                                        \
         0,                                                                                        \
         true,                                                                                     \
         "of the webhooks of Stripe"},                                                             \
        {"payment-timeout-ms",                                                                     \
         CONFIG_INT,                                                                               \
         offsetof(type, member.payment_timeout_ms),                                                \
         "8000",                                                                                   \
         10,                                                                                       \
         120000,                                                                                   \
         false,                                                                                    \
         "for one call of a payment provider, ms"},                                                \
        {"payment-poll-ms",                                                                        \
         CONFIG_INT,                                                                               \
         offsetof(type, member.payment_poll_ms),                                                   \
         "1000",                                                                                   \
         10,                                                                                       \
         600000,                                                                                   \
         false,                                                                                    \
         "how soon an undecided payment is asked about again, ms"},                                \
        {"booking-lease-ms",                                                                       \
         CONFIG_INT,                                                                               \
         offsetof(type, member.booking_lease_ms),                                                  \
         "12000",                                                                                  \
         100,                                                                                      \
         600000,                                                                                   \
         false,                                                                                    \
         "a purchase without sign of life for so long is taken over, ms"},                         \
    {                                                                                              \
        "commit-batches", CONFIG_INT, offsetof(type, member.commit_batches), "4", 1, 64, false,    \
            "commit statements on their way at once"                                               \
    }

struct till {
    struct engine *engine;
    struct token_keys keys;
    struct commit *commit;
    struct purchases purchases;
    struct refunds refunds;
    struct completer completer;
    struct reconciler reconciler;
    struct http_client *clients[PURCHASE_PROVIDERS_MAX];
    struct pool exchanges; /* booking_exchange.c */
};

/* First of all, before any store is opened: reads the keys. Without them nothing can be sold, and
 * the reason is in ret_why. */
enum status till_load(struct till *t, const struct till_settings *settings, char *ret_why,
                      size_t why_size) MUST_CHECK;
/* Reads the keys again (SIGHUP). On failure the old stay, and the reason is in ret_why. */
enum status till_reload(struct till *t, const struct till_settings *settings, char *ret_why,
                        size_t why_size) MUST_CHECK;
/* `requests`: purchases in flight at most. */
void till_open(struct till *t, struct engine *e, const struct till_settings *settings,
               size_t requests);
void till_metrics(struct till *t, struct metric_page *page);
void till_routes(struct till *t, struct router *r);
void till_admin_routes(struct till *t, struct router *ops);
void till_stop(struct till *t); /* before kv and db are closed */
void till_free(struct till *t); /* after that, and when the loop has turned */

#endif
