/* The harness's client against a server that answers, or ends the connection, as it is told. */
#include "bench/client.h"
#include "tests/lib/leaks.h"
#include "tests/lib/until.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(bench_client, .timeout = 20, .fini = assert_no_leaks);

enum { PEERS_MAX = 8 };

/* A letter for each request that arrives, on whatever connection: a answers, e ends, h sends half
 * an answer and ends. */
static struct {
    struct loop loop;
    uv_tcp_t listener;
    uv_tcp_t peers[PEERS_MAX];
    size_t peer_count, requests;
    const char *script;
    struct client *client;
    struct client_request request;
    int calls, status;
} f;

static void alloc_cb(uv_handle_t *handle, size_t hint, uv_buf_t *ret_buf)
{
    static char buffer[4096];

    (void)handle;
    (void)hint;
    *ret_buf = uv_buf_init(buffer, sizeof(buffer));
}

static void say(uv_stream_t *peer, const char *text)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));

    cr_assert_eq(uv_try_write(peer, &buf, 1), (int)strlen(text));
}

/* Requests are short and come one at a time: a read is one of them. */
static void read_cb(uv_stream_t *peer, ssize_t len, const uv_buf_t *buf)
{
    char what;

    (void)buf;
    if (len == 0 || uv_is_closing((uv_handle_t *)peer))
        return;
    if (len < 0) {
        uv_close((uv_handle_t *)peer, NULL);
        return;
    }
    what = f.script[f.requests++];
    if (what == 'a')
        say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    if (what == 'h')
        say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{");
    if (what != 'a')
        uv_close((uv_handle_t *)peer, NULL);
}

static void connection_cb(uv_stream_t *listener, int status)
{
    uv_tcp_t *peer = &f.peers[f.peer_count++];

    cr_assert(status == 0 && f.peer_count <= PEERS_MAX);
    uv_tcp_init(&f.loop.uv, peer);
    cr_assert_eq(uv_accept(listener, (uv_stream_t *)peer), 0);
    uv_read_start((uv_stream_t *)peer, alloc_cb, read_cb);
}

static void setup(const char *script)
{
    struct sockaddr_in address;
    struct client_options options = {.connections = 1};
    int size = sizeof(address);
    char url[64], why[200];

    memset(&f, 0, sizeof(f));
    f.script = script;
    loop_init(&f.loop, &clock_system);
    uv_tcp_init(&f.loop.uv, &f.listener);
    uv_ip4_addr("127.0.0.1", 0, &address);
    cr_assert_eq(uv_tcp_bind(&f.listener, (struct sockaddr *)&address, 0), 0);
    cr_assert_eq(uv_listen((uv_stream_t *)&f.listener, 8, connection_cb), 0);
    uv_tcp_getsockname(&f.listener, (struct sockaddr *)&address, &size);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    options.url = url;
    f.client = client_new(&f.loop, &options, why, sizeof(why));
    cr_assert(f.client, "%s", why);
}

static void teardown(void)
{
    client_free(f.client);
    uv_close((uv_handle_t *)&f.listener, NULL);
    for (size_t i = 0; i < f.peer_count; i++) {
        if (!uv_is_closing((uv_handle_t *)&f.peers[i]))
            uv_close((uv_handle_t *)&f.peers[i], NULL);
    }
    loop_free(&f.loop);
}

static void answered(struct client_request *r, int status, struct slice body)
{
    (void)r;
    (void)body;
    f.calls++;
    f.status = status;
}

static int ask(void)
{
    f.calls = 0;
    f.request = (struct client_request){.cb = answered};
    client_request_begin(f.client, &f.request, "POST", "/v1/x", NULL, "key-1", "{}");
    client_submit(f.client, &f.request);
    LOOP_UNTIL(&f.loop, f.calls == 1, 5000);
    return f.status;
}

Test(bench_client, what_meets_the_end_of_an_idle_connection_goes_again)
{
    setup("aea");
    cr_assert_eq(ask(), 200);
    cr_assert_eq(ask(), 200);
    cr_assert_eq(f.requests, 3);
    cr_assert_eq(f.peer_count, 2, "on a new one");
    teardown();
}

Test(bench_client, once)
{
    setup("aee");
    cr_assert_eq(ask(), 200);
    cr_assert_eq(ask(), 0);
    cr_assert_eq(f.requests, 3);
    teardown();
}

Test(bench_client, not_when_the_connection_was_new)
{
    setup("e");
    cr_assert_eq(ask(), 0);
    cr_assert_eq(f.requests, 1);
    teardown();
}

Test(bench_client, not_when_something_of_the_answer_was_heard)
{
    setup("ah");
    cr_assert_eq(ask(), 200);
    cr_assert_eq(ask(), 0);
    cr_assert_eq(f.requests, 2);
    teardown();
}
