/* What a warm server costs: no allocation per request, no buffer per idle connection. Allocations
 * of this program, our libraries and libuv are counted: the linker wraps malloc and its kin (see
 * meson.build), libuv gets the wrapped ones. */
#include "engine/net/http_server.h"
#include "tests/lib/until.h"
#include "tests/lib/wire.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);

static size_t allocations;

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    allocations++;
    return __real_realloc(at, size);
}

struct fixture {
    struct loop loop;
    struct router router;
    struct http_server *server;
    struct metric_page page;
    struct http_server_metrics *values;
    struct http_request *parked;
};

static void hello(struct http_request *req, void *ctx)
{
    struct json_out w;

    (void)ctx;
    http_header(req, "ETag", "\"1\"");
    json_begin(&w, req->out);
    json_object_begin(&w);
    json_put_str(&w, "q", http_query_get(req, "q", NULL));
    json_put_str(&w, "body", req->body);
    json_object_end(&w);
    http_reply(req, 200, "application/json");
}

static void later(struct http_request *req, void *ctx)
{
    struct fixture *f = ctx;

    f->parked = req;
}

static const struct route routes[] = {
    {HTTP_GET_, "/hello/{x}", hello, 0, 0},
    {HTTP_POST_, "/hello/{x}", hello, 0, 0},
    {HTTP_GET_, "/later", later, 0, 0},
};

static void begin(struct fixture *f)
{
    const struct http_server_options options = {.connections = 512, .requests = 64};
    char why[100];

    uv_replace_allocator(__wrap_malloc, __wrap_realloc, __wrap_calloc, free);
    memset(f, 0, sizeof(*f));
    loop_init(&f->loop, &clock_system);
    router_init(&f->router);
    router_add(&f->router, routes, array_len(routes), f);
    f->server = http_server_new(&f->loop, &f->router, &options);
    metric_page_init(&f->page);
    metric_page_add(&f->page, http_server_metrics(f->server));
    f->values = http_server_metrics(f->server)->base;
    cr_assert_eq(http_server_listen(f->server, "127.0.0.1", 0, why, sizeof(why)), STATUS_OK, "%s",
                 why);
}

static void end(struct fixture *f)
{
    http_server_free(f->server);
    loop_free(&f->loop);
    router_free(&f->router);
}

/* Sends and reads all of an answer without allocating. */
static void exchange(struct fixture *f, struct wire *w, const char *text)
{
    char answer[16384];
    ssize_t n = -1;
    int64_t until = loop_mono_ns(&f->loop) + 2000000000;

    cr_assert_eq(send(w->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    while (n <= 0 && loop_mono_ns(&f->loop) < until) {
        struct pollfd p = {.fd = w->fd, .events = POLLIN};

        loop_turn(&f->loop, false);
        if (f->parked) {
            buf_append_str(f->parked->out, "later");
            http_reply(f->parked, 200, "text/plain");
            f->parked = NULL;
            loop_turn(&f->loop, false);
        }
        poll(&p, 1, 1);
        n = recv(w->fd, answer, sizeof(answer), MSG_DONTWAIT);
    }
    cr_assert_gt(n, 0);
}

static const char *const requests[] = {
    "GET /hello/1?q=a%20b HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n",
    "GET /hello/1 HTTP/1.1\r\nHost: x\r\n\r\nGET /hello/2 HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST /hello/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    ("POST /hello/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
     "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    "PUT /hello/1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /later HTTP/1.1\r\nHost: x\r\n\r\n",
};

Test(http_warm, a_request_allocates_nothing)
{
    struct fixture f;
    struct wire w;
    size_t before;

    begin(&f);
    wire_open(&w, &f.loop, http_server_port(f.server));
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < array_len(requests); i++)
            exchange(&f, &w, requests[i]);
    }
    before = allocations;
    cr_assert_gt(before, 0, "the counter counts");
    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < array_len(requests); i++)
            exchange(&f, &w, requests[i]);
    }
    cr_assert_eq(allocations, before, "%zu allocations in %zu requests", allocations - before,
                 100 * (array_len(requests) + 1));
    wire_close(&w);
    end(&f);
}

Test(http_warm, an_idle_connection_holds_no_buffer)
{
    struct fixture f;
    struct wire w[200];

    begin(&f);
    for (size_t i = 0; i < array_len(w); i++) {
        wire_open(&w[i], &f.loop, http_server_port(f.server));
        exchange(&f, &w[i], requests[i % array_len(requests)]);
    }
    LOOP_UNTIL(&f.loop, f.values->http_buffers_borrowed == 0, 2000);
    cr_assert_eq(f.values->http_connections, (int64_t)array_len(w));
    wire_say(&w[0], "GET /hello/1 HTTP/1.1\r\nHo");
    LOOP_UNTIL(&f.loop, f.values->http_buffers_borrowed == 1, 2000);
    exchange(&f, &w[0], "st: x\r\n\r\n");
    LOOP_UNTIL(&f.loop, f.values->http_buffers_borrowed == 0, 2000);
    for (size_t i = 0; i < array_len(w); i++)
        wire_close(&w[i]);
    end(&f);
}
