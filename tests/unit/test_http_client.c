/* The client against a server of ours on the same loop, and against ports where nobody or nobody
 * useful listens. */
#include "engine/net/http_client.h"
#include "engine/net/http_server.h"
#include "tests/lib/fake_clock.h"
#include "tests/lib/leaks.h"
#include "tests/lib/port.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(http_client, .fini = assert_no_leaks);

struct fixture {
    struct loop loop;
    struct router router;
    struct http_server *server;
    struct http_client *client;
    struct metric_page page;
    struct http_client_metrics *values;
    struct http_request *parked;
    int served, fail_first; /* requests seen; of which so many are answered 503 */
    char base[64];
};

struct call {
    struct http_fetch fetch;
    char url[128];
    int calls;
    enum status status;
};

static void echo(struct http_request *req, void *ctx)
{
    struct fixture *f = ctx;

    if (f->served++ < f->fail_first) {
        http_reply_failure(req, STATUS_UNAVAILABLE);
        return;
    }
    buf_printf(req->out, "%d %.*s %.*s", (int)req->method, SLICE_ARG(http_header_get(req, "x-own")),
               SLICE_ARG(req->body));
    http_reply(req, 200, "text/special");
}

static void park(struct http_request *req, void *ctx)
{
    struct fixture *f = ctx;

    f->parked = req;
}

static void flood(struct http_request *req, void *ctx)
{
    static char large[300 * 1024];

    (void)ctx;
    http_reply_shared(req, 200, "text/plain", slice_of(large, sizeof(large)), NULL, NULL);
}

static const struct route routes[] = {
    {HTTP_GET_, "/echo", echo, 0, 0}, {HTTP_POST_, "/echo", echo, 0, 0},
    {HTTP_PUT_, "/echo", echo, 0, 0}, {HTTP_DELETE_, "/echo", echo, 0, 0},
    {HTTP_GET_, "/park", park, 0, 0}, {HTTP_GET_, "/flood", flood, 0, 0},
};

static void begin_with(struct fixture *f, const struct clock *clock)
{
    const struct http_server_options options = {.connections = 64, .requests = 64};
    char why[100];

    memset(f, 0, sizeof(*f));
    loop_init(&f->loop, clock);
    router_init(&f->router);
    router_add(&f->router, routes, array_len(routes), f);
    f->server = http_server_new(&f->loop, &f->router, &options);
    cr_assert_eq(http_server_listen(f->server, "127.0.0.1", 0, why, sizeof(why)), STATUS_OK, "%s",
                 why);
    snprintf(f->base, sizeof(f->base), "http://127.0.0.1:%u", http_server_port(f->server));
    f->client = http_client_new(&f->loop, "test");
    metric_page_init(&f->page);
    metric_page_add(&f->page, http_client_metrics(f->client));
    f->values = http_client_metrics(f->client)->base;
}

static void begin(struct fixture *f)
{
    begin_with(f, &clock_system);
}

static void end(struct fixture *f)
{
    if (f->client)
        http_client_free(f->client);
    http_server_free(f->server);
    loop_free(&f->loop);
    router_free(&f->router);
}

static void called(struct http_fetch *fetch, enum status status)
{
    struct call *c = container_of(fetch, struct call, fetch);

    c->calls++;
    c->status = status;
}

static enum status submit(struct fixture *f, struct call *c, enum http_method method,
                          const char *base, const char *path)
{
    enum status status;

    snprintf(c->url, sizeof(c->url), "%s%s", base, path);
    c->fetch.method = method;
    c->fetch.url = c->url;
    c->fetch.cb = called;
    if (!c->fetch.deadline_ms)
        c->fetch.deadline_ms = 3000;
    status = http_fetch_submit(f->client, &c->fetch);
    cr_assert_eq(c->calls, 0, "never inside the submit");
    return status;
}

static void fetch(struct fixture *f, struct call *c, enum http_method method, const char *path)
{
    cr_assert_eq(submit(f, c, method, f->base, path), STATUS_OK);
    LOOP_UNTIL(&f->loop, c->calls == 1, 5000);
}

static void dead_base(char *ret_base, size_t size)
{
    snprintf(ret_base, size, "http://127.0.0.1:%u", port_free());
}

Test(http_client, fetches)
{
    static const char *const headers[] = {"X-Own: mine", "Content-Type: text/plain", NULL};
    struct fixture f;
    struct call c = {.fetch = {.headers = headers, .body = SLICE_LITERAL("content")}};
    struct call again = {0};

    begin(&f);
    fetch(&f, &c, HTTP_POST_, "/echo");
    cr_assert_eq(c.status, STATUS_OK);
    cr_assert_eq(c.fetch.http_status, 200);
    cr_assert_str_eq(c.fetch.content_type, "text/special");
    cr_assert(slice_is(buf_slice(&c.fetch.answer), "2 mine content"));
    http_fetch_release(&c.fetch);
    fetch(&f, &again, HTTP_DELETE_, "/echo");
    cr_assert(slice_is(buf_slice(&again.fetch.answer), "5  "));
    http_fetch_release(&again.fetch);
    end(&f);
}

Test(http_client, an_error_status_is_an_answer)
{
    struct fixture f;
    struct call c = {0};

    begin(&f);
    fetch(&f, &c, HTTP_GET_, "/nothing");
    cr_assert_eq(c.status, STATUS_OK);
    cr_assert_eq(c.fetch.http_status, 404);
    cr_assert_str_eq(c.fetch.content_type, "application/problem+json");
    http_fetch_release(&c.fetch);
    end(&f);
}

Test(http_client, failures)
{
    struct fixture f;
    struct call refused = {0}, slow = {.fetch = {.deadline_ms = 60}}, large = {0}, bad = {0};
    char base[64];

    begin(&f);
    dead_base(base, sizeof(base));
    cr_assert_eq(submit(&f, &refused, HTTP_GET_, base, "/"), STATUS_OK);
    LOOP_UNTIL(&f.loop, refused.calls == 1, 5000);
    cr_assert_eq(refused.status, STATUS_UNAVAILABLE);
    fetch(&f, &slow, HTTP_GET_, "/park");
    cr_assert_eq(slow.status, STATUS_TIMEOUT);
    fetch(&f, &large, HTTP_GET_, "/flood");
    cr_assert_eq(large.status, STATUS_TOO_LARGE);
    cr_assert_eq(submit(&f, &bad, HTTP_GET_, "file://", "/etc/passwd"), STATUS_INVALID);
    cr_assert_eq(submit(&f, &bad, HTTP_GET_, "http://", ""), STATUS_INVALID);
    http_fetch_release(&large.fetch);
    http_fetch_release(&slow.fetch);
    http_reply_empty(f.parked, 204);
    end(&f);
}

Test(http_client, an_idempotent_call_is_tried_again)
{
    struct fixture f;
    struct call c = {.fetch = {.idempotent = true}};

    begin(&f);
    f.fail_first = 1;
    fetch(&f, &c, HTTP_GET_, "/echo");
    cr_assert_eq(c.fetch.http_status, 200);
    cr_assert(slice_is(buf_slice(&c.fetch.answer), "0  "), "nothing is left of the first answer");
    cr_assert_eq(f.served, 2);
    cr_assert_eq(f.values->client_retries_total, 1);
    http_fetch_release(&c.fetch);
    end(&f);
}

Test(http_client, others_are_not)
{
    struct fixture f;
    struct call c = {0};

    begin(&f);
    f.fail_first = 1;
    fetch(&f, &c, HTTP_POST_, "/echo");
    cr_assert_eq(c.fetch.http_status, 503);
    cr_assert_eq(f.served, 1);
    http_fetch_release(&c.fetch);
    end(&f);
}

Test(http_client, retries_are_a_tenth_of_the_requests)
{
    struct fixture f;
    int answered = 0;

    begin(&f);
    for (int i = 0; i < 60; i++) {
        struct call c = {.fetch = {.idempotent = true}};

        f.fail_first = f.served + (i % 2); /* every second request fails at first */
        fetch(&f, &c, HTTP_GET_, "/echo");
        answered += c.fetch.http_status == 200;
        http_fetch_release(&c.fetch);
    }
    cr_assert(f.values->client_retries_total >= 5 && f.values->client_retries_total <= 7, "%d",
              (int)f.values->client_retries_total);
    cr_assert_eq(answered, 30 + (int)f.values->client_retries_total);
    end(&f);
}

Test(http_client, the_breaker_opens_and_lets_a_probe_through)
{
    struct fixture f;
    struct fake_clock clock;
    struct call c[5] = {0}, shut = {0}, probe = {0}, healed = {0};
    char base[64];

    fake_clock_init(&clock, 0);
    begin_with(&f, &clock.clock);
    dead_base(base, sizeof(base));
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(submit(&f, &c[i], HTTP_GET_, base, "/"), STATUS_OK);
        LOOP_UNTIL(&f.loop, c[i].calls == 1, 5000);
    }
    cr_assert_eq(f.values->client_breaker_open, 1);
    cr_assert_eq(submit(&f, &shut, HTTP_GET_, f.base, "/echo"), STATUS_UNAVAILABLE);
    fake_clock_advance(&clock, 1001);
    cr_assert_eq(submit(&f, &probe, HTTP_GET_, base, "/"), STATUS_OK);
    LOOP_UNTIL(&f.loop, probe.calls == 1, 5000);
    cr_assert_eq(submit(&f, &shut, HTTP_GET_, f.base, "/echo"), STATUS_UNAVAILABLE,
                 "one probe a second");
    fake_clock_advance(&clock, 1001);
    fetch(&f, &healed, HTTP_GET_, "/echo");
    cr_assert_eq(f.values->client_breaker_open, 0);
    http_fetch_release(&healed.fetch);
    end(&f);
}

Test(http_client, freeing_it_cancels_in_the_next_turn)
{
    struct fixture f;
    struct call flying = {0}, waiting = {.fetch = {.idempotent = true}};

    begin(&f);
    f.fail_first = 1;
    cr_assert_eq(submit(&f, &flying, HTTP_GET_, f.base, "/park"), STATUS_OK);
    cr_assert_eq(submit(&f, &waiting, HTTP_GET_, f.base, "/echo"), STATUS_OK);
    LOOP_UNTIL(&f.loop, f.parked && f.values->client_retries_total == 1, 5000);
    http_client_free(f.client);
    f.client = NULL;
    cr_assert_eq(flying.calls + waiting.calls, 0);
    LOOP_UNTIL(&f.loop, flying.calls && waiting.calls, 5000);
    cr_assert_eq(flying.status, STATUS_CANCELED);
    cr_assert_eq(waiting.status, STATUS_CANCELED);
    cr_assert_eq(flying.calls + waiting.calls, 2);
    http_fetch_release(&flying.fetch);
    http_fetch_release(&waiting.fetch);
    http_reply_empty(f.parked, 204);
    end(&f);
}

static void called_and_frees(struct http_fetch *fetch, enum status status)
{
    called(fetch, status);
    http_client_free(fetch->ctx);
}

Test(http_client, a_callback_may_free_the_client)
{
    struct fixture f;
    struct call c = {0}, other = {0};

    begin(&f);
    cr_assert_eq(submit(&f, &c, HTTP_GET_, f.base, "/echo"), STATUS_OK);
    cr_assert_eq(submit(&f, &other, HTTP_GET_, f.base, "/park"), STATUS_OK);
    c.fetch.cb = called_and_frees;
    c.fetch.ctx = f.client;
    LOOP_UNTIL(&f.loop, c.calls == 1 && other.calls == 1, 5000);
    f.client = NULL;
    cr_assert_eq(c.status, STATUS_OK);
    cr_assert_eq(other.status, STATUS_CANCELED);
    http_fetch_release(&c.fetch);
    http_fetch_release(&other.fetch);
    if (f.parked)
        http_reply_empty(f.parked, 204);
    end(&f);
}
