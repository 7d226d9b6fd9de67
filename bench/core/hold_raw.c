/* All commands are encoded into one buffer before the clock starts, so that sending those that are
 * due is one write of the bytes between two offsets. Answers come in order; one that begins with
 * the letter G is a grant (engine/booking/lua/hold_place.lua). */
#include "bench/core/hold_rate.h"
#include "engine/base/buf.h"
#include "engine/base/rng.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024 };
#define COMMANDS_LIMIT ((size_t)1 << 30)

struct raw {
    struct stage *stage;
    struct holding *holding;
    int fd;
    struct buf commands;
    size_t *ends;      /* offset behind the i-th command */
    size_t sent_bytes; /* of commands */
    size_t due, answered;
    int64_t *sent_ns; /* when the i-th was due, or when it was first offered to the socket */
    char in[READ_SIZE];
    size_t in_len;
    int64_t begun_ns;
};

static void die(const char *what)
{
    fprintf(stderr, "hold_rate: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int connect_to(const char *redis)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    unsigned port;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    errno = EINVAL;
    if (sscanf(redis, "%63[0-9.]:%u", host, &port) != 2 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die(redis);
    address.sin_port = htons((uint16_t)port);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die(redis);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void encode_all(struct raw *r)
{
    struct ask *ask = mem_alloc(sizeof(*ask));
    struct rng rng;

    rng_seed(&rng, 1);
    buf_init(&r->commands, COMMANDS_LIMIT);
    r->ends = mem_alloc(r->stage->holds * sizeof(*r->ends));
    r->sent_ns = mem_alloc(r->stage->holds * sizeof(*r->sent_ns));
    for (size_t i = 0; i < r->stage->holds; i++) {
        stage_ask(r->stage, i, (uint32_t)rng_below(&rng, r->stage->seats), ask);
        stage_encode(r->stage, ask, &r->commands);
        r->ends[i] = r->commands.len;
    }
    mem_free(ask);
}

static int64_t now_ns(void)
{
    return clock_mono_ns(&clock_system);
}

/* How many commands may be on their way or answered by now. */
static void find_due(struct raw *r)
{
    const struct holding *h = r->holding;
    size_t most = r->answered + h->in_flight;
    int64_t now = now_ns();

    if (most > r->stage->holds)
        most = r->stage->holds;
    while (r->due < most) {
        int64_t intended = h->rate > 0 ? hold_intended_ns(h, r->begun_ns, r->due) : now;
        if (intended > now)
            break;
        r->sent_ns[r->due++] = intended;
    }
}

static void send_due(struct raw *r)
{
    size_t end = r->due ? r->ends[r->due - 1] : 0;
    ssize_t sent;

    if (r->sent_bytes == end)
        return;
    sent = send(r->fd, r->commands.at + r->sent_bytes, end - r->sent_bytes,
                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN)
        die("send");
    r->sent_bytes += sent > 0 ? (size_t)sent : 0;
}

/* One answer, a bulk string: $<len>\r\n<bytes>\r\n; its length, 0 when it is not whole. */
static size_t answer_len(struct raw *r, const char *at, size_t len)
{
    const char *end = memchr(at, '\n', len);

    if (!end)
        return 0;
    if (*at != '$') {
        fprintf(stderr, "hold_rate: Redis answered %.*s\n", (int)(end - at), at);
        exit(1);
    }
    size_t whole = (size_t)(end - at) + 1 + (size_t)atol(at + 1) + 2;
    if (whole > len)
        return 0;
    r->holding->granted += end[1] == 'G';
    return whole;
}

static void take_answers(struct raw *r)
{
    ssize_t got = recv(r->fd, r->in + r->in_len, sizeof(r->in) - r->in_len, MSG_DONTWAIT);
    size_t used = 0, one;

    if (got == 0 || (got < 0 && errno != EAGAIN))
        die("recv");
    if (got < 0)
        return;
    r->in_len += (size_t)got;
    int64_t now = now_ns();
    while ((one = answer_len(r, r->in + used, r->in_len - used))) {
        used += one;
        hist_record(&r->holding->times, (uint64_t)(now - r->sent_ns[r->answered++]) / 1000);
    }
    memmove(r->in, r->in + used, r->in_len - used);
    r->in_len -= used;
}

/* Sleeps until there is something to read, room to write what is due, or the next instant. */
static void pause_raw(struct raw *r)
{
    bool stuck = r->due && r->sent_bytes < r->ends[r->due - 1];
    struct pollfd fd = {.fd = r->fd, .events = (short)(POLLIN | (stuck ? POLLOUT : 0))};
    struct timespec wait = {.tv_sec = 1};

    if (r->holding->rate > 0 && r->due < r->stage->holds) {
        int64_t ns = hold_intended_ns(r->holding, r->begun_ns, r->due) - now_ns();
        wait = (struct timespec){.tv_nsec = ns < 0 ? 0 : ns > 100000000 ? 100000000 : ns};
    }
    if (ppoll(&fd, 1, &wait, NULL) < 0 && errno != EINTR)
        die("ppoll");
}

void hold_raw(struct stage *stage, const char *redis, struct holding *h)
{
    struct raw *r = mem_alloc(sizeof(*r));

    r->stage = stage;
    r->holding = h;
    r->fd = connect_to(redis);
    encode_all(r);
    h->cpu_us = hold_cpu_us();
    r->begun_ns = now_ns();
    while (r->answered < stage->holds) {
        find_due(r);
        send_due(r);
        pause_raw(r);
        take_answers(r);
    }
    h->seconds = (double)(now_ns() - r->begun_ns) / 1e9;
    h->cpu_us = hold_cpu_us() - h->cpu_us;
    close(r->fd);
    buf_free(&r->commands);
    mem_free(r->ends);
    mem_free(r->sent_ns);
    mem_free(r);
}
