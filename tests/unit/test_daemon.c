/* A whole daemon in a child process: its ops calls, its signals, its log. */
#include "engine/net/daemon.h"
#include "tests/lib/leaks.h"
#include "tests/lib/wire.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(daemon, .fini = assert_no_leaks);

struct settings {
    struct daemon_settings daemon;
};

/* The child's side. */

static bool dependency_ready;

static bool is_ready(void *ctx, const char **ret_why)
{
    (void)ctx;
    *ret_why = "it is \"down\"";
    return dependency_ready;
}

static void flip(struct http_request *req, void *ctx)
{
    (void)ctx;
    dependency_ready = !dependency_ready;
    http_reply_empty(req, 204);
}

static struct http_request *parked;

static void park(struct http_request *req, void *ctx)
{
    (void)ctx;
    parked = req;
}

static void unpark(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply_empty(parked, 204);
    http_reply_empty(req, 204);
}

static const struct route routes[] = {{HTTP_GET_, "/park", park, 0, 0}};
static const struct route ops_routes[] = {
    {HTTP_POST_, "/admin/v1/flip", flip, ROUTE_ADMIN, 0},
    {HTTP_POST_, "/unpark", unpark, 0, 0},
};

static void reload(void *ctx)
{
    (void)ctx;
    log_info("test", "keys read again");
}

static int child(const char *token)
{
    const struct settings s = {{.bind = "127.0.0.1",
                                .log_level = "info",
                                .admin_token = token,
                                .connections = 64,
                                .requests = 16}};
    struct daemon_check check = {.name = "store", .ready = is_ready};
    struct daemon d;
    int code;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    daemon_init(&d, "tested", &s.daemon);
    d.reload = reload;
    router_add(&d.router, routes, array_len(routes), &d);
    router_add(&d.ops_router, ops_routes, array_len(ops_routes), &d);
    daemon_check_add(&d, &check);
    code = daemon_run(&d);
    daemon_free(&d);
    return code;
}

/* The test's side. */

struct fixture {
    struct loop loop; /* for the wires; it has nothing to do */
    pid_t pid;
    FILE *log;
    unsigned port, ops_port;
};

/* Reads the log until a line with this event. */
static void await_event(struct fixture *f, const char *event, char *ret_line, size_t size)
{
    while (fgets(ret_line, (int)size, f->log)) {
        if (strstr(ret_line, event))
            return;
    }
    cr_assert_fail("the log ended before %s", event);
}

static void begin(struct fixture *f, const char *token)
{
    char line[512];
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    f->pid = fork();
    cr_assert_geq(f->pid, 0);
    if (f->pid == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        _exit(child(token));
    }
    close(ends[1]);
    f->log = fdopen(ends[0], "r");
    loop_init(&f->loop, &clock_system);
    await_event(f, "event=listening", line, sizeof(line));
    cr_assert_eq(sscanf(strstr(line, " port="), " port=%u ops_port=%u", &f->port, &f->ops_port), 2,
                 "%s", line);
}

/* The exit code. */
static int end(struct fixture *f)
{
    int status;

    cr_assert_eq(waitpid(f->pid, &status, 0), f->pid);
    fclose(f->log);
    loop_free(&f->loop);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct wire_answer ask(struct fixture *f, unsigned port, const char *text)
{
    struct wire w;
    struct wire_answer a;

    wire_open(&w, &f->loop, (uint16_t)port);
    wire_say(&w, text);
    a = wire_answer(&w, false);
    wire_close(&w);
    return a;
}

static void assert_ops(struct fixture *f, const char *request, int status, const char *part)
{
    struct wire_answer a = ask(f, f->ops_port, request);

    cr_assert_eq(a.status, status, "%s %s", a.head, a.body);
    cr_assert(strstr(a.body, part), "%s", a.body);
    wire_answer_free(&a);
}

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define FLIP(more) "POST /admin/v1/flip HTTP/1.1\r\nHost: x\r\n" more "\r\n"

Test(daemon, ops_calls)
{
    struct fixture f;

    begin(&f, "s3cret");
    assert_ops(&f, GET("/livez"), 200, "ok");
    assert_ops(&f, GET("/version"), 200, "\"name\":\"tested\"");
    assert_ops(&f, GET("/metrics"), 200, "\nholdfast_http_connections 0\n");
    assert_ops(&f, GET("/readyz"), 503,
               "{\"store\":{\"ready\":false,\"why\":\"it is \\\"down\\\"\"}}");
    assert_ops(&f, FLIP(""), 401, "unauthorized");
    assert_ops(&f, FLIP("Authorization: Bearer s3cre\r\n"), 401, "unauthorized");
    assert_ops(&f, FLIP("Authorization: Bearer s3cret2\r\n"), 401, "unauthorized");
    assert_ops(&f, FLIP("Authorization: Basic s3cret\r\n"), 401, "unauthorized");
    assert_ops(&f, FLIP("Authorization: Bearer s3cret\r\n"), 204, "");
    assert_ops(&f, GET("/readyz"), 200, "\"store\":{\"ready\":true}");
    kill(f.pid, SIGTERM);
    cr_assert_eq(end(&f), 0);
}

Test(daemon, without_a_token_admin_calls_are_off)
{
    struct fixture f;

    begin(&f, NULL);
    assert_ops(&f, FLIP("Authorization: Bearer \r\n"), 403, "forbidden");
    kill(f.pid, SIGINT);
    cr_assert_eq(end(&f), 0);
}

/* SIGTERM: not ready at once, the request in flight is answered, exit 0. */
Test(daemon, signals)
{
    struct fixture f;
    struct wire w;
    struct wire_answer a;
    char line[512];

    begin(&f, "s3cret");
    assert_ops(&f, FLIP("Authorization: Bearer s3cret\r\n"), 204, "");
    assert_ops(&f, GET("/readyz"), 200, "\"draining\":false");
    kill(f.pid, SIGHUP);
    await_event(&f, "keys read again", line, sizeof(line));
    wire_open(&w, &f.loop, (uint16_t)f.port);
    wire_say(&w, GET("/park"));
    for (;;) { /* until the handler has it */
        a = ask(&f, f.ops_port, GET("/metrics"));
        if (strstr(a.body, "\nholdfast_http_requests_in_flight 1\n"))
            break;
        wire_answer_free(&a);
    }
    wire_answer_free(&a);
    kill(f.pid, SIGTERM);
    await_event(&f, "event=draining", line, sizeof(line));
    assert_ops(&f, GET("/readyz"), 503, "\"draining\":true");
    assert_ops(&f, GET("/livez"), 200, "ok");
    assert_ops(&f, "POST /unpark HTTP/1.1\r\nHost: x\r\n\r\n", 204, "");
    a = wire_answer(&w, false);
    cr_assert_eq(a.status, 204);
    wire_answer_free(&a);
    wire_close(&w);
    await_event(&f, "event=stopped", line, sizeof(line));
    cr_assert_eq(end(&f), 0);
}

Test(daemon, an_address_that_cannot_be_had_ends_it)
{
    const struct settings s = {{.bind = "203.0.113.7",
                                .port = 1,
                                .log_level = "error",
                                .connections = 16,
                                .requests = 16}};
    struct daemon d;

    daemon_init(&d, "tested", &s.daemon);
    cr_assert_eq(daemon_run(&d), 1);
    daemon_free(&d);
}
