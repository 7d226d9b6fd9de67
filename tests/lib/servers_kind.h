/* What a kind of server adds to tests/lib/servers.c: how it is started and when it is ready. */
#ifndef HOLDFAST_TESTS_SERVERS_KIND_H
#define HOLDFAST_TESTS_SERVERS_KIND_H

#include "tests/lib/servers.h"

#define SERVER_ARGS_MAX 64
#define SERVER_PATH_MAX 512

struct server_kind {
    const char *name;
    int stop_signal;                   /* in good order */
    int ready_ms;                      /* at most this long from start to ready */
    const char *user;                  /* whom to become when root; NULL: stay */
    void (*prepare)(struct server *s); /* before every start: writes what it needs into s->dir, sets
                                          s->address */
    void (*exec)(const struct server *s);   /* in the child; returns only when exec failed */
    bool (*ready)(const struct server *s);  /* one attempt, must not block for long */
    void (*forget)(const struct server *s); /* after it was killed for good: what it leaves outside
                                               of its directory; may be NULL */
};

struct server *server_new(const struct server_kind *kind, bool durable);
/* Ends the test with a message and the end of the server's log (may be NULL). */
_Noreturn void server_die(const struct server *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Runs a program to its end as the kind's user, output into the server's log; aborts when it fails.
 */
void server_run(const struct server *s, char *const argv[]);
void server_own(const struct server *s, const char *path); /* gives a path to the kind's user */

#endif
