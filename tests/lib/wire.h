/* A raw TCP client in the same thread as the server under test: every wait turns the server's loop.
 */
#ifndef HOLDFAST_TESTS_WIRE_H
#define HOLDFAST_TESTS_WIRE_H

#include "engine/base/buf.h"
#include "engine/net/loop.h"

struct wire {
    int fd; /* -1: closed */
    struct loop *loop;
    struct buf got;  /* what has come and was not yet taken */
    bool eof, reset; /* the server has closed */
};

/* Connects to 127.0.0.1:port. */
void wire_open(struct wire *w, struct loop *l, uint16_t port);
void wire_close(struct wire *w); /* harmless twice */
void wire_half_close(struct wire *w);
/* As `printf | nc`: text up to the NUL. Aborts when the socket takes less. */
void wire_say(struct wire *w, const char *text);
void wire_send(struct wire *w, const void *at, size_t len);

/* Each turns the loop until it is true, at most 5 s; then the test is ended. */
void wire_await_bytes(struct wire *w, size_t len); /* w->got has so many */
void wire_await_eof(struct wire *w);
/* Turns the loop for the time of `turns` turns that wait at most 1 ms, taking what comes: to see
 * that nothing does. */
void wire_settle(struct wire *w, int turns);

/* An answer, taken out of w->got: its status, or 0 when the server closed without one. Head and
 * body lie in w->answer until the next call. 100 is an answer of its own. */
struct wire_answer {
    int status;
    char *head; /* NUL-terminated, with the empty line */
    char *body; /* NUL-terminated */
    size_t body_len;
};

/* `head_only`: the answer to a HEAD. The caller frees with wire_answer_free. */
struct wire_answer wire_answer(struct wire *w, bool head_only);
void wire_answer_free(struct wire_answer *a);
/* say, answer, status; the answer is dropped. */
int wire_ask(struct wire *w, const char *text);

#endif
