#include "tests/lib/wire.h"

#include "engine/base/mem.h"
#include "tests/lib/until.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 5000

void wire_open(struct wire *w, struct loop *l, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *w = (struct wire){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .loop = l};
    buf_init(&w->got, 256 * 1024 * 1024);
    if (w->fd < 0 || connect(w->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        perror("wire_open");
        abort();
    }
}

void wire_close(struct wire *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    buf_free(&w->got);
}

void wire_half_close(struct wire *w)
{
    shutdown(w->fd, SHUT_WR);
}

/* What has come, without waiting. */
static void take(struct wire *w)
{
    for (;;) {
        char *room = buf_reserve(&w->got, 65536);
        ssize_t n = recv(w->fd, room, 65536, MSG_DONTWAIT);

        if (n > 0) {
            buf_commit(&w->got, (size_t)n);
            continue;
        }
        w->eof = w->eof || n == 0;
        if (n < 0 && errno != EAGAIN)
            w->eof = w->reset = true;
        return;
    }
}

void wire_send(struct wire *w, const void *at, size_t len)
{
    const char *from = at;

    while (len > 0) {
        ssize_t n = send(w->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            loop_turn(w->loop, false);
            take(w);
            continue;
        }
        if (n < 0) {
            w->eof = w->reset = true; /* the server may have closed on purpose */
            return;
        }
        from += n;
        len -= (size_t)n;
    }
}

void wire_say(struct wire *w, const char *text)
{
    wire_send(w, text, strlen(text));
}

static bool has_bytes(struct wire *w, size_t len)
{
    take(w);
    return w->got.len >= len;
}

static bool has_eof(struct wire *w)
{
    take(w);
    return w->eof;
}

void wire_await_bytes(struct wire *w, size_t len)
{
    LOOP_UNTIL(w->loop, has_bytes(w, len), PATIENCE_MS);
}

void wire_await_eof(struct wire *w)
{
    LOOP_UNTIL(w->loop, has_eof(w), PATIENCE_MS);
}

void wire_settle(struct wire *w, int turns)
{
    while (turns-- > 0) {
        struct pollfd p = {.fd = w->fd, .events = POLLIN};

        loop_turn(w->loop, false);
        poll(&p, w->eof ? 0 : 1, 1);
        take(w);
    }
}

static size_t head_len(struct wire *w)
{
    const char *end;

    take(w);
    if (w->got.len == 0)
        return 0;
    end = memmem(w->got.at, w->got.len, "\r\n\r\n", 4);
    return end ? (size_t)(end - w->got.at) + 4 : 0;
}

static size_t length_field(const char *head)
{
    const char *field = strcasestr(head, "\r\ncontent-length:");

    return field ? strtoul(field + 17, NULL, 10) : 0;
}

struct wire_answer wire_answer(struct wire *w, bool head_only)
{
    struct wire_answer a = {0};
    size_t len;

    LOOP_UNTIL(w->loop, head_len(w) > 0 || w->eof, PATIENCE_MS);
    len = head_len(w);
    if (len == 0)
        return a;
    a.head = mem_strndup(w->got.at, len);
    a.status = atoi(a.head + 9);
    a.body_len = head_only ? 0 : length_field(a.head);
    wire_await_bytes(w, len + a.body_len);
    a.body = mem_strndup(w->got.at + len, a.body_len);
    buf_consume(&w->got, len + a.body_len);
    return a;
}

void wire_answer_free(struct wire_answer *a)
{
    mem_free(a->head);
    mem_free(a->body);
    *a = (struct wire_answer){0};
}

int wire_ask(struct wire *w, const char *text)
{
    struct wire_answer a;
    int status;

    wire_say(w, text);
    a = wire_answer(w, false);
    status = a.status;
    wire_answer_free(&a);
    return status;
}
