#include "bench/rush.h"

#include "bench/probe.h"
#include "engine/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MAX = 8 * 1024, EVENTS = 512 };

#define PATIENCE_NS INT64_C(1000000000)  /* who found no connection for so long has gone */
#define DRAIN_NS    INT64_C(10000000000) /* for the answers after the last arrival */
#define NONE        UINT64_MAX

enum stage { IDLE, HOLDING, BOOKING };

/* One connection, and the purchase it carries. */
struct rusher {
    int fd;
    enum stage stage;
    uint64_t seat;
    int64_t intended_ns;
    struct rusher *next_idle;
    size_t got;
    char answer[ANSWER_MAX + 1];
};

static int64_t now_ns(void)
{
    return clock_mono_ns(&clock_system);
}

/* ---- seats ---- */

static uint64_t seat_take(struct rush_seats *s)
{
    if (s->back_count > 0)
        return s->back[--s->back_count];
    return s->next < (uint64_t)s->each * s->event_count ? s->next++ : NONE;
}

static void seat_give(struct rush_seats *s, uint64_t seat)
{
    if (s->back_count == s->back_cap) {
        s->back_cap = s->back_cap * 2 + 1024;
        s->back = mem_resize(s->back, s->back_cap * sizeof(*s->back));
    }
    s->back[s->back_count++] = seat;
}

/* ---- connections ---- */

static bool connect_rusher(struct rush *r, struct rusher *u)
{
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = u};

    u->fd = probe_connect(&r->address);
    return u->fd >= 0 && epoll_ctl(r->epoll, EPOLL_CTL_ADD, u->fd, &want) == 0;
}

static void go_idle(struct rush *r, struct rusher *u)
{
    u->stage = IDLE;
    u->got = 0;
    u->next_idle = r->idle;
    r->idle = u;
    r->open--;
}

static void reconnect(struct rush *r, struct rusher *u)
{
    close(u->fd);
    r->broken++;
    if (!connect_rusher(r, u) && u->fd >= 0) {
        close(u->fd);
        u->fd = -1;
    }
}

/* ---- the end of a purchase ---- */

static void count_bought(struct rush *r, const struct rusher *u, int64_t at_ns)
{
    double second = (double)(at_ns - r->begun_ns) / 1e9;

    r->bought++;
    if (second >= r->warm_seconds && second < r->seconds)
        r->counted++;
    if (r->measured)
        meter_answer(&r->run->meter, r->step_bought, u->intended_ns, at_ns, 201, SLICE_NONE);
}

static void count_refused(struct rush *r, const struct rusher *u, int64_t at_ns)
{
    r->refused++;
    r->bare_refusals += !strstr(u->answer, "\r\nRetry-After: ");
    if (r->measured)
        hist_record(&r->run->meter.steps[r->step_refused].latency,
                    (uint64_t)(at_ns - u->intended_ns) / 1000);
}

static void count_other(struct rush *r, const struct rusher *u, int64_t at_ns, int status)
{
    r->other++;
    if (r->measured)
        meter_answer(&r->run->meter, r->step_bought, u->intended_ns, at_ns, status, SLICE_NONE);
}

static void over(struct rush *r, struct rusher *u, int status)
{
    int64_t at_ns = now_ns();

    if (status == 201)
        count_bought(r, u, at_ns);
    else if (status == 503 && u->stage == HOLDING)
        count_refused(r, u, at_ns);
    else
        count_other(r, u, at_ns, status);
    if (status == 503 && u->stage == HOLDING)
        seat_give(r->seats, u->seat);
    go_idle(r, u);
}

/* ---- requests ---- */

static void ask(struct rush *r, struct rusher *u, const char *path, const char *body)
{
    char text[1024];
    int len = snprintf(text, sizeof(text),
                       "POST %s HTTP/1.1\r\nhost: rush\r\nidempotency-key: rush-%llx-%llx\r\n"
                       "content-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                       path, (unsigned long long)r->begun_ns, (unsigned long long)r->key++,
                       strlen(body), body);

    u->got = 0;
    if (send(u->fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len)
        return;
    over(r, u, 0);
    reconnect(r, u);
}

static void ask_hold(struct rush *r, struct rusher *u)
{
    char path[64], body[64];
    const struct rush_seats *s = r->seats;

    u->stage = HOLDING;
    snprintf(path, sizeof(path), "/v1/events/%s/holds", s->events[u->seat % s->event_count]);
    snprintf(body, sizeof(body), "{\"ticketIds\":[\"%llu\"]}",
             (unsigned long long)(u->seat / s->event_count));
    ask(r, u, path, body);
}

static void ask_booking(struct rush *r, struct rusher *u, struct slice hold_id)
{
    char path[64], body[384];
    const struct rush_seats *s = r->seats;

    u->stage = BOOKING;
    snprintf(path, sizeof(path), "/v1/bookings/%s", s->events[u->seat % s->event_count]);
    snprintf(body, sizeof(body),
             "{\"holdId\":\"%.*s\",\"expectedTotal\":5000,\"customer\":{\"email\":"
             "\"fan@example.org\",\"name\":\"A Fan\"},\"paymentDetails\":{\"provider\":\"sim\","
             "\"token\":\"tok_visa\"}}",
             SLICE_ARG(hold_id));
    ask(r, u, path, body);
}

/* ---- answers ---- */

/* The status of a whole answer, 0 while more must come, -1 when it is none. */
static int answer_status(struct rusher *u)
{
    const char *end, *length;

    u->answer[u->got] = '\0';
    end = strstr(u->answer, "\r\n\r\n");
    if (!end)
        return u->got == ANSWER_MAX ? -1 : 0;
    length = strstr(u->answer, "\r\nContent-Length: ");
    if (!length || length > end || u->got < 12)
        return -1;
    if (u->got < (size_t)(end + 4 - u->answer) + strtoul(length + 18, NULL, 10))
        return u->got == ANSWER_MAX ? -1 : 0;
    return atoi(u->answer + 9);
}

static struct slice hold_id_in(const char *answer)
{
    const char *at = strstr(answer, "\"holdId\":\"");
    const char *end = at ? strchr(at + 10, '"') : NULL;

    return end ? slice_of(at + 10, (size_t)(end - at - 10)) : SLICE_NONE;
}

static void answered(struct rush *r, struct rusher *u, int status)
{
    bool closes = strstr(u->answer, "\r\nConnection: close") != NULL;
    struct slice hold_id = SLICE_NONE;

    if (u->stage == HOLDING && status == 201 && !closes)
        hold_id = hold_id_in(u->answer);
    if (hold_id.at)
        ask_booking(r, u, hold_id);
    else
        over(r, u, u->stage == HOLDING && status == 201 ? 0 : status);
    if (closes)
        reconnect(r, u);
}

static void readable(struct rush *r, struct rusher *u)
{
    ssize_t n = recv(u->fd, u->answer + u->got, ANSWER_MAX - u->got, MSG_DONTWAIT);
    int status;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (u->stage != IDLE)
            over(r, u, 0);
        reconnect(r, u);
        return;
    }
    u->got += (size_t)n;
    status = u->stage == IDLE ? -1 : answer_status(u);
    if (status > 0) {
        answered(r, u, status);
    } else if (status < 0) {
        if (u->stage != IDLE)
            over(r, u, 0);
        reconnect(r, u);
    }
}

/* ---- arrivals ---- */

/* When the next is to arrive; without a rate at once. */
static int64_t instant(const struct rush *r, int64_t at_ns)
{
    return r->rate > 0 ? r->begun_ns + (int64_t)((double)r->arrived / r->rate * 1e9) : at_ns;
}

static void note_lag(struct rush *r, int64_t intended_ns, int64_t at_ns)
{
    double lag_ms = (double)(at_ns - intended_ns) / 1e6;

    if (lag_ms > r->worst_lag_ms)
        r->worst_lag_ms = lag_ms;
}

/* False: the seats ran out. */
static bool arrive(struct rush *r, int64_t at_ns)
{
    struct rusher *u = r->idle;

    u->intended_ns = instant(r, at_ns);
    r->arrived++;
    if (at_ns - u->intended_ns > PATIENCE_NS) {
        r->unsent++;
        return true;
    }
    u->seat = seat_take(r->seats);
    if (u->seat == NONE)
        return false;
    note_lag(r, u->intended_ns, at_ns);
    r->idle = u->next_idle;
    r->open++;
    ask_hold(r, u);
    return true;
}

static bool arrive_all(struct rush *r, int64_t end_ns)
{
    int64_t at_ns = now_ns();

    for (size_t n = 0; r->idle && at_ns < end_ns && n < EVENTS; n++) {
        if (instant(r, at_ns) > at_ns)
            return true;
        if (r->idle->fd < 0 && !connect_rusher(r, r->idle))
            return false;
        if (!arrive(r, at_ns))
            return false;
    }
    return true;
}

/* Those whose instant came and who were never sent. */
static void count_late(struct rush *r)
{
    uint64_t due = (uint64_t)(r->rate * r->seconds);

    if (r->rate <= 0 || r->arrived >= due)
        return;
    r->unsent += due - r->arrived;
    r->arrived = due;
}

static bool loop(struct rush *r, int64_t end_ns)
{
    struct epoll_event events[EVENTS];
    int64_t told_ns = r->begun_ns;
    bool seats = true;

    for (;;) {
        int64_t at_ns = now_ns();
        int count;

        if (r->run->interrupted || !seats || (at_ns >= end_ns && r->open == 0) ||
            at_ns >= end_ns + DRAIN_NS)
            return seats;
        seats = arrive_all(r, end_ns);
        count = epoll_wait(r->epoll, events, EVENTS, 1);
        for (int i = 0; i < count; i++)
            readable(r, events[i].data.ptr);
        if (r->tell && at_ns < end_ns && at_ns - told_ns >= 1000000000) {
            told_ns = at_ns;
            r->tell(r, (double)(at_ns - r->begun_ns) / 1e9);
        }
    }
}

bool rush_run(struct rush *r, char *ret_why, size_t why_size)
{
    bool good = true;
    size_t made = 0;

    r->rushers = mem_alloc(r->connections * sizeof(*r->rushers));
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    r->idle = NULL;
    r->open = r->connections; /* go_idle counts them down */
    for (; made < r->connections && good; made++) {
        good = connect_rusher(r, &r->rushers[made]);
        go_idle(r, &r->rushers[made]);
    }
    if (!good)
        snprintf(ret_why, why_size, "connection %zu to the engine: %s", made, strerror(errno));
    r->begun_ns = now_ns();
    if (good && !(good = loop(r, r->begun_ns + (int64_t)(r->seconds * 1e9))))
        snprintf(ret_why, why_size, "the seats ran out, or no connection could be made");
    count_late(r);
    r->goodput = (double)r->counted / (r->seconds - r->warm_seconds);
    for (size_t i = 0; i < made; i++) {
        if (r->rushers[i].fd >= 0)
            close(r->rushers[i].fd);
    }
    close(r->epoll);
    mem_free(r->rushers);
    return good;
}
