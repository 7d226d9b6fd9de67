/* A server over real sockets with a raw client in the same thread, for the tests of the server. */
#ifndef HOLDFAST_TESTS_HTTP_SERVER_RIG_H
#define HOLDFAST_TESTS_HTTP_SERVER_RIG_H

#include "engine/net/http_exchange.h"
#include "tests/lib/wire.h"

struct fixture {
    struct loop loop;
    struct router router;
    struct http_server *server;
    struct metric_page page;
    struct http_server_metrics *values;
    struct http_request *parked[8]; /* requests that a handler has not answered */
    size_t parked_count;
    int gone_when_answered, released, drained, handled;
    bool refuse;
    int over, over_waited; /* requests that the gate let in */
    struct wire w;
};

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

#define LARGE_SIZE (3 * 1024 * 1024)
extern char large[LARGE_SIZE]; /* the body of /shared and /built: NULs unless the test fills it */

/* A server with the routes of http_server_rig.c, and f->w connected to it. */
void begin(struct fixture *f);
void begin_with(struct fixture *f, const struct http_server_options *options);
void end(struct fixture *f);
/* One more client, which the test closes. */
void another(struct fixture *f, struct wire *w);
/* Answers what /park keeps, each with its path, query and body. */
void answer_parked(struct fixture *f);

/* The next answer is this one. */
void assert_body(struct wire *w, int status, const char *body);
void assert_problem(struct wire *w, int status, const char *code);

#endif
