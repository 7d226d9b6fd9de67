#include "bench/hall.h"

#include "engine/base/encode.h"

#include <stdio.h>

enum { REFRESH_MS = 250, HEAD = 16 };

static void read_snapshot(struct hall *h, struct slice body)
{
    const uint8_t *at = (const uint8_t *)body.at;

    if (body.len < HEAD || at[0] != 1 || at[1] != 0)
        return;
    uint32_t count = get_le32(at + 4);
    if (count == 0 || body.len < HEAD + (size_t)(count + 3) / 4)
        return;
    if (count != h->seat_count)
        h->states = mem_resize(h->states, count);
    h->seat_count = count;
    h->rev = get_le64(at + 8);
    memset(h->counts, 0, sizeof(h->counts));
    for (uint32_t n = 0; n < count; n++) {
        h->states[n] = at[HEAD + n / 4] >> (n % 4 * 2) & 3;
        h->counts[h->states[n]]++;
    }
}

static void closed_cb(struct timer *t)
{
    container_of(t, struct hall, timer)->closed = true;
}

static void answer_cb(struct client_request *r, int status, struct slice body)
{
    struct hall *h = container_of(r, struct hall, request);

    h->asking = false;
    if (status == 200)
        read_snapshot(h, body);
    if (h->stopping)
        timer_close(&h->timer, closed_cb);
    else
        timer_start(&h->timer, REFRESH_MS, 0);
}

static void ask_cb(struct timer *t)
{
    struct hall *h = container_of(t, struct hall, timer);

    h->asking = true;
    h->request.cb = answer_cb;
    h->request.deadline_ns = 0;
    client_request_begin(h->client, &h->request, "GET", h->path, NULL, NULL, NULL);
    h->request.head_and_body.len -= 2; /* one more field before the blank line */
    buf_append_str(&h->request.head_and_body, "accept: application/octet-stream\r\n\r\n");
    client_submit(h->client, &h->request);
}

void hall_start(struct hall *h, struct loop *l, struct client *client, const char *event)
{
    *h = (struct hall){.client = client, .loop = l};
    snprintf(h->path, sizeof(h->path), "/v1/events/%s/availability", event);
    timer_init(l, &h->timer, ask_cb);
    timer_start(&h->timer, 0, 0);
}

void hall_stop(struct hall *h)
{
    h->stopping = true;
    if (!h->asking)
        timer_close(&h->timer, closed_cb);
}

size_t hall_pick(const struct hall *h, struct rng *rng, size_t quantity,
                 uint32_t ret_seats[HALL_PICK_MAX])
{
    size_t best = 0;

    if (!h->states || h->counts[0] == 0)
        return 0;
    uint32_t start = (uint32_t)rng_below(rng, h->seat_count);
    size_t run = 0;
    for (uint32_t i = 0; i < h->seat_count && best < quantity; i++) {
        uint32_t n = (start + i) % h->seat_count;
        run = h->states[n] != 0 ? 0 : n == 0 ? 1 : run + 1;
        if (run <= best || run > HALL_PICK_MAX)
            continue;
        best = run;
        for (size_t k = 0; k < run; k++)
            ret_seats[k] = n - (uint32_t)(run - 1 - k);
    }
    return best;
}
