/* polls: GET /v1/queues/{id} over keep-alive connections against one waitroom process, and against
 * a bare epoll server that answers the same number of bytes; the same load, alternating, in one
 * run. The ratio of the medians is what the HTTP layer costs. Closed loop: this measures capacity,
 * not latency under a rate. */
#include "bench/bare.h"
#include "bench/probe.h"
#include "bench/progress.h"
#include "bench/scenario.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEP_HOLDFAST, STEP_BARE };
static const char *const step_names[] = {"poll", "bare", NULL};

enum {
    CONNECTIONS_MAX = 256,
    ANSWER_MAX = 64 * 1024,
    EVENTS = 256,
    RUNS_MAX = 100,
    METRICS_MAX = 1024 * 1024
};

struct target {
    struct sockaddr_in address;
    char request[512];
    size_t request_len, answer_len; /* bytes of one whole answer */
    size_t step;
};

struct poller {
    int fd;
    size_t got, want; /* bytes of the answer under way */
    int64_t begun_ns;
};

static int64_t now_ns(void)
{
    return clock_mono_ns(&clock_system);
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static bool ask(struct poller *p, const struct target *t)
{
    p->got = 0;
    p->begun_ns = now_ns();
    return send(p->fd, t->request, t->request_len, MSG_NOSIGNAL) == (ssize_t)t->request_len;
}

/* Bytes of the answer that begins here: its head comes in one piece. 0 when it is no answer. Looked
 * up anew each time, for the document changes as the line moves. */
static size_t answer_size(const char *at, size_t len)
{
    static const char field[] = "Content-Length: ";
    const char *end = memmem(at, len, "\r\n\r\n", 4);
    const char *length = end ? memmem(at, (size_t)(end - at), field, sizeof(field) - 1) : NULL;

    return length ? (size_t)(end - at) + 4 + strtoul(length + sizeof(field) - 1, NULL, 10) : 0;
}

/* One recv and one send a request: the load must not be the bottleneck. */
static bool take(struct poller *p, const struct target *t, struct meter *m)
{
    char in[ANSWER_MAX];
    ssize_t len = recv(p->fd, in, sizeof(in), MSG_DONTWAIT);

    if (len < 0 && errno == EAGAIN)
        return true;
    if (len <= 0)
        return false;
    if (p->got == 0 && (p->want = answer_size(in, (size_t)len)) == 0)
        return false;
    p->got += (size_t)len;
    if (p->got < p->want)
        return true;
    meter_answer(m, t->step, p->begun_ns, now_ns(), 200, SLICE_NONE);
    return ask(p, t);
}

/* Requests per second over `ms`; -1 when a connection broke. */
static double load(struct run *run, const struct target *t, size_t connections, int64_t ms)
{
    struct poller pollers[CONNECTIONS_MAX];
    struct epoll_event events[EVENTS], want = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t before = run->meter.steps[t->step].latency.total;
    bool good = epoll >= 0;
    size_t opened = 0;
    int64_t begun = now_ns(), end = begun + ms * 1000000;

    for (; good && opened < connections; opened++) {
        pollers[opened].fd = probe_connect(&t->address);
        want.data.ptr = &pollers[opened];
        good = pollers[opened].fd >= 0 &&
               epoll_ctl(epoll, EPOLL_CTL_ADD, pollers[opened].fd, &want) == 0 &&
               ask(&pollers[opened], t);
    }
    while (good && now_ns() < end && !run->interrupted) {
        int count = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < count && good; i++)
            good = take(events[i].data.ptr, t, &run->meter);
    }
    double seconds = (double)(now_ns() - begun) / 1e9;
    for (size_t i = 0; i < opened; i++)
        close(pollers[i].fd);
    close(epoll);
    return good ? (double)(run->meter.steps[t->step].latency.total - before) / seconds : -1;
}

/* One request, to learn the answer; its bytes are kept for the comparator. */
static bool learn(struct target *t, char *ret_answer, size_t size)
{
    int fd = probe_connect(&t->address);
    size_t len = 0;
    char *end = NULL;

    if (fd < 0 || send(fd, t->request, t->request_len, MSG_NOSIGNAL) != (ssize_t)t->request_len)
        goto fail;
    for (;;) {
        ssize_t got = recv(fd, ret_answer + len, size - len - 1, 0);
        if (got <= 0)
            goto fail;
        len += (size_t)got;
        ret_answer[len] = 0;
        end = end ? end : strstr(ret_answer, "\r\n\r\n");
        const char *length = end ? strcasestr(ret_answer, "content-length:") : NULL;
        if (!end || !length)
            continue;
        t->answer_len = (size_t)(end - ret_answer) + 4 + (size_t)atoi(length + 15);
        if (len >= t->answer_len)
            break;
    }
    close(fd);
    return strncmp(ret_answer, "HTTP/1.1 200", 12) == 0;
fail:
    if (fd >= 0)
        close(fd);
    return false;
}

/* One side's runs. */
struct side {
    double rates[RUNS_MAX],
        cpu_us[RUNS_MAX]; /* requests a second; processor microseconds a request */
};

static bool measure(struct run *run, const struct target *t, const struct bare *bare,
                    size_t connections, int64_t ms, struct side *side, size_t n)
{
    const char *ops_url = run->options->waitroom_ops_url;
    uint64_t count = run->meter.steps[t->step].latency.total;
    double cpu = bare ? bare_cpu_seconds(bare) : probe_cpu_seconds(ops_url);

    side->rates[n] = load(run, t, connections, ms);
    count = run->meter.steps[t->step].latency.total - count;
    double used = (bare ? bare_cpu_seconds(bare) : probe_cpu_seconds(ops_url)) - cpu;
    side->cpu_us[n] = cpu < 0 || !count ? 0 : used * 1e6 / (double)count;
    return side->rates[n] > 0;
}

static void polls_figures(struct run *run, struct side *ours, struct side *theirs, double *ratios,
                          size_t n)
{
    double our_cpu = probe_median(ours->cpu_us, n), their_cpu = probe_median(theirs->cpu_us, n);

    run_figure(run, "waitroom requests/s", probe_median(ours->rates, n), "1/s");
    run_figure(run, "bare epoll requests/s", probe_median(theirs->rates, n), "1/s");
    run_figure(run, "ratio", probe_median(ratios, n), "");
    if (our_cpu > 0 && their_cpu > 0) {
        run_figure(run, "waitroom cpu/request", our_cpu, "us");
        run_figure(run, "bare epoll cpu/request", their_cpu, "us");
        run_figure(run, "cpu ratio", their_cpu / our_cpu, "");
    }
}

static enum bench_exit compare(struct run *run, const struct target *holdfast,
                               const struct target *bare, const struct bare *server)
{
    const struct bench_options *o = run->options;
    size_t connections = o->connections < 64 ? (size_t)o->connections : 64, n = 0;
    int64_t ms = (o->duration_s ? o->duration_s : 2) * 1000;
    struct side ours, theirs;
    double ratios[RUNS_MAX];

    for (; n < (size_t)o->runs && !run->interrupted; n++) {
        if (!measure(run, holdfast, NULL, connections, ms, &ours, n) ||
            !measure(run, bare, server, connections, ms, &theirs, n)) {
            fprintf(stderr,
                    "bench: a connection broke; is the waiting room up and not limiting?\n");
            return BENCH_GENERATOR;
        }
        ratios[n] = ours.rates[n] / theirs.rates[n];
        progress_say(now_ns(), "run %zu of %lld: waitroom %.0f/s, bare epoll %.0f/s, ratio %.2f",
                     n + 1, (long long)o->runs, ours.rates[n], theirs.rates[n], ratios[n]);
    }
    progress_end();
    if (n == 0)
        return BENCH_INTERRUPTED;
    run_figure(run, "connections", (double)connections, "");
    run_figure(run, "answer bytes", (double)holdfast->answer_len, "");
    polls_figures(run, &ours, &theirs, ratios, n);
    return run->interrupted ? BENCH_INTERRUPTED : BENCH_OK;
}

static enum bench_exit run_polls(struct run *run)
{
    const struct bench_options *o = run->options;
    struct target ours = {.step = STEP_HOLDFAST}, theirs = {.step = STEP_BARE};
    struct bare bare;
    char *answer = malloc(ANSWER_MAX);
    double cpu = cpu_seconds();

    if (!o->event || !probe_address(o->waitroom_url, &ours.address)) {
        fprintf(stderr, "bench: polls needs --event and a loopback --waitroom-url\n");
        free(answer);
        return BENCH_USAGE;
    }
    ours.request_len = (size_t)snprintf(
        ours.request, sizeof(ours.request),
        "GET /v1/queues/%s HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n\r\n", o->event);
    if (!learn(&ours, answer, ANSWER_MAX)) {
        fprintf(stderr, "bench: GET /v1/queues/%s did not answer 200 at %s\n", o->event,
                o->waitroom_url);
        free(answer);
        return BENCH_USAGE;
    }
    theirs = ours;
    theirs.step = STEP_BARE;
    if (!bare_start(&bare, slice_of(answer, ours.answer_len))) {
        perror("bench: bare server");
        free(answer);
        return BENCH_GENERATOR;
    }
    theirs.address.sin_port = htons(bare.port);
    theirs.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    enum bench_exit code = compare(run, &ours, &theirs, &bare);
    run_figure(run, "generator cpu", cpu_seconds() - cpu, "s");
    bare_stop(&bare);
    free(answer);
    return code;
}

const struct scenario scenario_polls = {
    .name = "polls",
    .summary =
        "capacity of GET /v1/queues/{id} of one waitroom process, against a bare epoll server",
    .steps = step_names,
    .users = 1,
    .run = run_polls,
};
