#include "paysim/webhook.h"

#include "engine/base/log.h"
#include "engine/base/token.h"

#include <stdio.h>

#define ATTEMPTS 5

struct delivery {
    struct webhooks *hooks;
    struct http_fetch fetch;
    struct timer retry;
    struct buf body;
    char signature[128];
    const char *headers[3];
    int attempts;
};

void webhooks_init(struct webhooks *w, struct loop *l, const char *url, const char *secret)
{
    *w = (struct webhooks){.loop = l, .url = url, .secret = secret};
    w->client = http_client_new(l, "webhook");
}

void webhooks_close(struct webhooks *w)
{
    http_client_free(w->client);
    w->client = NULL;
}

static void closed(struct timer *t)
{
    struct delivery *d = container_of(t, struct delivery, retry);

    buf_free(&d->body);
    mem_free(d);
}

static void sign(struct delivery *d)
{
    const char *secret = d->hooks->secret;
    long long now_s = (long long)(loop_wall_ms(d->hooks->loop) / 1000);
    struct buf signed_text;
    uint8_t mac[32];
    char hex[65] = {0};

    buf_init(&signed_text, 16384);
    buf_printf(&signed_text, "%lld.", now_s);
    buf_append_slice(&signed_text, buf_slice(&d->body));
    hmac_sha256(secret, strlen(secret), signed_text.at, signed_text.len, mac);
    buf_free(&signed_text);
    hex_encode(mac, sizeof(mac), hex);
    snprintf(d->signature, sizeof(d->signature), "Sim-Signature: t=%lld,v1=%s", now_s, hex);
}

static void deliver(struct delivery *d);

static void deliver_cb(struct http_fetch *fetch, enum status status)
{
    struct delivery *d = container_of(fetch, struct delivery, fetch);
    bool taken = status == STATUS_OK && fetch->http_status / 100 == 2;

    http_fetch_release(fetch);
    if (taken || status == STATUS_CANCELED || d->attempts >= ATTEMPTS) {
        if (!taken)
            log_warn("webhook", "not taken", log_status(status));
        timer_close(&d->retry, closed);
        return;
    }
    timer_start(&d->retry, 1000, 0);
}

static void deliver(struct delivery *d)
{
    d->attempts++;
    sign(d);
    d->fetch = (struct http_fetch){
        .method = HTTP_POST_,
        .url = d->hooks->url,
        .headers = d->headers,
        .body = buf_slice(&d->body),
        .deadline_ms = 5000,
        .cb = deliver_cb,
    };
    if (!d->hooks->client || http_fetch_submit(d->hooks->client, &d->fetch)) {
        if (d->hooks->client && d->attempts < ATTEMPTS)
            timer_start(&d->retry, 1000, 0);
        else
            timer_close(&d->retry, closed);
    }
}

static void retry_cb(struct timer *t)
{
    deliver(container_of(t, struct delivery, retry));
}

static void write_body(struct buf *b, const struct charge *c, enum charge_state state)
{
    struct json_out w;
    char id[64], type[32];

    snprintf(id, sizeof(id), "wh_%s_%s", c->id, charge_state_text(state));
    snprintf(type, sizeof(type), "charge.%s", charge_state_text(state));
    json_begin(&w, b);
    json_object_begin(&w);
    json_put_str(&w, "id", slice_str(id));
    json_put_str(&w, "type", slice_str(type));
    json_key(&w, "charge");
    charge_write(&w, c);
    json_object_end(&w);
}

void webhook_send(struct webhooks *w, const struct charge *c, enum charge_state state)
{
    struct delivery *d;

    if (!w->url || !w->client)
        return;
    d = mem_alloc(sizeof(*d));
    d->hooks = w;
    buf_init(&d->body, 8192);
    write_body(&d->body, c, state);
    d->headers[0] = d->signature;
    d->headers[1] = "Content-Type: application/json";
    timer_init(w->loop, &d->retry, retry_cb);
    w->sent++;
    deliver(d);
}
