#include "tests/unit/http_server_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

char large[LARGE_SIZE];

/* ---- handlers ---- */

static void hello(struct http_request *req, void *ctx)
{
    struct fixture *f = ctx;

    f->handled++;
    http_header(req, "X-Own", "1");
    buf_append_str(req->out, "hello");
    http_reply(req, 200, "text/plain");
}

static void echo(struct http_request *req, void *ctx)
{
    struct fixture *f = ctx;

    f->handled++;
    buf_append_slice(req->out, req->body);
    http_reply(req, 200, "text/plain");
}

/* The body's memory may have moved the head: what points into it must have moved along. */
static void echo_big(struct http_request *req, void *ctx)
{
    cr_assert(slice_is(req->path, "/big/one"));
    cr_assert(slice_is(req->params[0], "one"));
    cr_assert(slice_is(req->query, "q"));
    echo(req, ctx);
}

/* Everything that a handler sees, to be compared as text. */
static void describe(struct http_request *req, void *ctx)
{
    bool bad;
    struct slice q = http_query_get(req, "q", &bad);
    struct slice again = http_query_get(req, "q", NULL);
    struct slice token = http_credential(req, "Bearer");
    struct slice shown = q.at ? q : SLICE_LITERAL("");

    (void)ctx;
    buf_printf(req->out,
               "path=%.*s query=%.*s p0=%.*s q=%s%.*s%s peer=%.*s token=%.*s trace=%.*s last=%.*s",
               SLICE_ARG(req->path), SLICE_ARG(req->query), SLICE_ARG(req->params[0]),
               q.at ? "[" : "-", SLICE_ARG(shown),
               q.at  ? "]"
               : bad ? "!"
                     : "",
               SLICE_ARG(req->peer), SLICE_ARG(token), SLICE_ARG(req->traceparent),
               SLICE_ARG(http_header_get(req, "x-twice")));
    cr_assert(!q.at || slice_eq(q, again));
    http_reply(req, 200, "text/plain");
}

static void park(struct http_request *req, void *ctx)
{
    struct fixture *f = ctx;

    cr_assert_lt(f->parked_count, array_len(f->parked));
    f->parked[f->parked_count++] = req;
}

static void released(void *arg)
{
    ((struct fixture *)arg)->released++;
}

static void shared(struct http_request *req, void *ctx)
{
    http_reply_shared(req, 200, "application/octet-stream", slice_of(large, sizeof(large)),
                      released, ctx);
}

static void built(struct http_request *req, void *ctx)
{
    (void)ctx;
    buf_append(req->out, large, sizeof(large));
    http_reply(req, 200, "application/octet-stream");
}

static void nothing(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply_empty(req, 204);
}

static void broken(struct http_request *req, void *ctx)
{
    (void)ctx;
    while (!req->out->failed)
        buf_append(req->out, large, sizeof(large));
    http_reply(req, 200, "text/plain");
}

static void problem(struct http_request *req, void *ctx)
{
    struct json_out w = http_problem_begin(req, PROBLEM_SEAT_UNAVAILABLE, "two \"seats\"\r\n");

    (void)ctx;
    json_put_int(&w, "count", 2);
    http_problem_end(req, &w, PROBLEM_SEAT_UNAVAILABLE);
}

static void failure(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply_failure(req, STATUS_TIMEOUT);
}

static void json(struct http_request *req, void *ctx)
{
    json_t *object = http_body_json(req);

    (void)ctx;
    if (!object)
        return;
    json_decref(object);
    http_reply_empty(req, 204);
}

static const struct route routes[] = {
    {HTTP_GET_, "/hello", hello, 0, 0},
    {HTTP_GET_, "/describe/{x}", describe, 0, 0},
    {HTTP_POST_, "/echo", echo, 0, 0},
    {HTTP_POST_, "/small", echo, 0, 10},
    {HTTP_POST_, "/big/{x}", echo_big, 0, 4 * 1024 * 1024},
    {HTTP_POST_, "/json", json, 0, 0},
    {HTTP_POST_, "/park", park, 0, 0},
    {HTTP_GET_, "/park", park, 0, 0},
    {HTTP_GET_, "/shared", shared, 0, 0},
    {HTTP_GET_, "/built", built, 0, 0},
    {HTTP_DELETE_, "/hello", nothing, 0, 0},
    {HTTP_GET_, "/broken", broken, 0, 0},
    {HTTP_GET_, "/problem", problem, 0, 0},
    {HTTP_GET_, "/failure", failure, 0, 0},
    {HTTP_GET_, "/admin", hello, ROUTE_ADMIN, 0},
    {HTTP_GET_, "/ws", hello, ROUTE_WEBSOCKET, 0},
    {HTTP_POST_, "/webhook", echo, ROUTE_NEVER_SHED, 0},
};

/* ---- the server ---- */

static const struct http_server_options usual = {.connections = 64, .requests = 64};

void begin_with(struct fixture *f, const struct http_server_options *options)
{
    char why[100];

    memset(f, 0, sizeof(*f));
    loop_init(&f->loop, &clock_system);
    router_init(&f->router);
    router_add(&f->router, routes, array_len(routes), f);
    f->server = http_server_new(&f->loop, &f->router, options);
    metric_page_init(&f->page);
    metric_page_add(&f->page, http_server_metrics(f->server));
    f->values = http_server_metrics(f->server)->base;
    cr_assert_eq(http_server_listen(f->server, "127.0.0.1", 0, why, sizeof(why)), STATUS_OK, "%s",
                 why);
    wire_open(&f->w, &f->loop, http_server_port(f->server));
}

void begin(struct fixture *f)
{
    begin_with(f, &usual);
}

void end(struct fixture *f)
{
    wire_close(&f->w);
    if (f->server)
        http_server_free(f->server);
    loop_free(&f->loop);
    router_free(&f->router);
}

void another(struct fixture *f, struct wire *w)
{
    wire_open(w, &f->loop, http_server_port(f->server));
}

/* The slices of a parked request are read only now: they must still be there. */
void answer_parked(struct fixture *f)
{
    for (size_t i = 0; i < f->parked_count; i++) {
        struct http_request *req = f->parked[i];

        f->gone_when_answered += http_gone(req);
        buf_printf(req->out, "%.*s?%.*s:%.*s", SLICE_ARG(req->path), SLICE_ARG(req->query),
                   SLICE_ARG(req->body));
        http_reply(req, 200, "text/plain");
    }
    f->parked_count = 0;
}

/* ---- what was answered ---- */

void assert_body(struct wire *w, int status, const char *body)
{
    struct wire_answer a = wire_answer(w, false);

    cr_assert_eq(a.status, status, "%s%s", a.head, a.body);
    cr_assert_str_eq(a.body, body);
    wire_answer_free(&a);
}

void assert_problem(struct wire *w, int status, const char *code)
{
    struct wire_answer a = wire_answer(w, false);
    char member[64];

    snprintf(member, sizeof(member), "\"code\":\"%s\"", code);
    cr_assert_eq(a.status, status, "%s", a.head);
    cr_assert(strstr(a.head, "\r\nContent-Type: application/problem+json\r\n"));
    cr_assert(strstr(a.body, member), "%s", a.body);
    cr_assert(strstr(a.body, "\"requestId\":\""));
    wire_answer_free(&a);
}
