/* A steady sale for the tests that break things under it: buyers who hold a seat, then book it or
 * give it up, at a given rate or as fast as they are answered.
 *
 * steady URL EVENTS SEATS SECONDS [--rate N] [--buyers N] [--rivals N] [--release PERCENT]
 *        [--token TOKEN] [--confirmed FILE]
 *
 * EVENTS is a list (7,8,9) of events of SEATS seats each; the seats are taken in turn, each wanted
 * by `rivals` buyers at once. --rate: purchases begun a second (0: as fast as they end); --buyers:
 * at once, at most. A purchase whose answer was lost is asked for again with its key, as a browser
 * would, for half a minute; who would have come while all buyers were busy is `missed`. Prints
 * `t=S begun= booked= released= lost= failed= retried= unsettled= missed=` each second, and the
 * sums with the times of a booking at the end; the ids of confirmed bookings go to FILE. Ends early
 * on SIGINT and SIGTERM, or when no seat is left. */
#include "bench/client.h"
#include "engine/base/hist.h"
#include "engine/base/rng.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVENTS_MAX = 64, TICK_MS = 10, AGAIN_MS = 200, GIVE_UP_MS = 30000, ANSWER_MS = 10000 };

struct tally {
    uint64_t begun, booked, released, lost, failed, retried, unsettled, missed;
};

/* One buyer of one seat; idle ones are in `idle`, those that try again later in `pausing`. */
struct buyer {
    struct client_request request;
    struct list link;
    void (*again)(struct buyer *b);
    int64_t again_ms, begun_ms;
    const char *event;
    uint64_t number, seat; /* number: of the purchase, for its keys */
    char hold[64];
    long long total;
};

static struct {
    struct loop loop;
    struct client *client;
    struct rng rng;
    const char *events[EVENTS_MAX];
    size_t event_count;
    uint64_t seats, taken, seconds, rate, buyers, rivals, release;
    const char *token;
    FILE *confirmed;
    struct buyer *all;
    struct list idle, pausing; /* struct buyer */
    uint64_t active;
    struct timer tick;
    int64_t started_ms, told_s;
    struct tally sum, told;
    struct hist times;
    unsigned run; /* keeps the keys of two runs apart */
} s = {.buyers = 64, .rivals = 1};

static volatile sig_atomic_t interrupted;

static int64_t now_ms(void)
{
    return loop_mono_ns(&s.loop) / 1000000;
}

/* ---- the end of a purchase ---- */

static void begin(void);

static void leave(struct buyer *b, uint64_t *counter)
{
    ++*counter;
    s.active--;
    list_push_back(&s.idle, &b->link);
    if (!s.rate)
        begin();
}

/* The same again in a moment: a closed loop must not spin on a server that is away. */
static void pause_buyer(struct buyer *b, void (*again)(struct buyer *b))
{
    b->again = again;
    b->again_ms = now_ms() + AGAIN_MS;
    list_push_back(&s.pausing, &b->link);
}

static void fail(struct buyer *b)
{
    leave(b, &s.sum.failed);
}

/* ---- calls ---- */

static void call(struct buyer *b, client_cb cb, const char *method, const char *path,
                 const char *key, const char *body)
{
    b->request = (struct client_request){.cb = cb, .deadline_ns = (now_ms() + ANSWER_MS) * 1000000};
    client_request_begin(s.client, &b->request, method, path, NULL, key, body);
    client_submit(s.client, &b->request);
}

static bool member(struct slice body, const char *name, char *ret_text, size_t size)
{
    char key[40];
    int len = snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = body.len ? memmem(body.at, body.len, key, (size_t)len) : NULL, *end;

    if (!at)
        return false;
    at += len;
    if (*at == '"')
        at++;
    for (end = at; end < body.at + body.len && *end != '"' && *end != ',' && *end != '}'; end++)
        ;
    return slice_to_str(slice_of(at, (size_t)(end - at)), ret_text, size);
}

static void book(struct buyer *b);

static void booked_cb(struct client_request *r, int status, struct slice body)
{
    struct buyer *b = container_of(r, struct buyer, request);
    char id[64];

    if (status == 201) {
        hist_record(&s.times, (uint64_t)(now_ms() - b->begun_ms) * 1000);
        if (s.confirmed && member(body, "bookingId", id, sizeof(id)))
            fprintf(s.confirmed, "%s\n", id);
        leave(b, &s.sum.booked);
    } else if (status == 402 || status == 410 || status == 404 ||
               (status == 409 && !memmem(body.at, body.len, "in_flight", 9))) {
        leave(b, &s.sum.lost);
    } else if (now_ms() - b->begun_ms > GIVE_UP_MS) {
        leave(b, &s.sum.unsettled);
    } else {
        s.sum.retried++;
        pause_buyer(b, book);
    }
}

static void book(struct buyer *b)
{
    char path[64], body[400], key[48];

    snprintf(path, sizeof(path), "/v1/bookings/%s", b->event);
    snprintf(key, sizeof(key), "b-%x-%llu", s.run, (unsigned long long)b->number);
    snprintf(body, sizeof(body),
             "{\"holdId\":\"%s\",\"expectedTotal\":%lld,\"customer\":{\"email\":\"fan%llu@example."
             "org\",\"name\":\"A Fan\"}%s%s%s}",
             b->hold, b->total, (unsigned long long)b->number,
             s.token ? ",\"paymentDetails\":{\"provider\":\"sim\",\"token\":\"" : "",
             s.token ? s.token : "", s.token ? "\"}" : "");
    call(b, booked_cb, "POST", path, key, body);
}

static void released_cb(struct client_request *r, int status, struct slice body)
{
    struct buyer *b = container_of(r, struct buyer, request);

    (void)body;
    leave(b, status == 204 || status == 200 ? &s.sum.released : &s.sum.failed);
}

static void release(struct buyer *b)
{
    char path[96];

    snprintf(path, sizeof(path), "/v1/holds/%s", b->hold);
    call(b, released_cb, "DELETE", path, NULL, NULL);
}

static void held_cb(struct client_request *r, int status, struct slice body)
{
    struct buyer *b = container_of(r, struct buyer, request);
    char total[24];

    if (status == 409) {
        leave(b, &s.sum.lost);
    } else if (status != 201 || !member(body, "holdId", b->hold, sizeof(b->hold)) ||
               !member(body, "total", total, sizeof(total))) {
        pause_buyer(b, fail);
    } else {
        b->total = atoll(total);
        if (rng_below(&s.rng, 100) < s.release)
            release(b);
        else
            book(b);
    }
}

static void hold(struct buyer *b)
{
    char path[64], body[64], key[48];

    snprintf(path, sizeof(path), "/v1/events/%s/holds", b->event);
    snprintf(body, sizeof(body), "{\"ticketIds\":[\"%llu\"]}", (unsigned long long)b->seat);
    snprintf(key, sizeof(key), "h-%x-%llu", s.run, (unsigned long long)b->number);
    call(b, held_cb, "POST", path, key, body);
}

/* ---- who comes ---- */

static bool over(void)
{
    return interrupted || now_ms() - s.started_ms >= (int64_t)s.seconds * 1000 ||
           s.taken / s.rivals >= s.seats * s.event_count;
}

static void begin(void)
{
    struct list *link;

    if (over() || !(link = list_pop_front(&s.idle)))
        return;
    struct buyer *b = list_entry(link, struct buyer, link);
    uint64_t place = s.taken / s.rivals;
    b->number = s.taken++;
    b->event = s.events[place % s.event_count];
    b->seat = place / s.event_count;
    b->begun_ms = now_ms();
    s.active++;
    s.sum.begun++;
    hold(b);
}

static void tell(int64_t second)
{
    const struct tally *a = &s.sum, *b = &s.told;

#define SINCE(field) (unsigned long long)(a->field - b->field)
    printf("t=%lld begun=%llu booked=%llu released=%llu lost=%llu failed=%llu retried=%llu "
           "unsettled=%llu missed=%llu\n",
           (long long)second, SINCE(begun), SINCE(booked), SINCE(released), SINCE(lost),
           SINCE(failed), SINCE(retried), SINCE(unsettled), SINCE(missed));
#undef SINCE
    fflush(stdout);
    s.told = s.sum;
}

static void tick_cb(struct timer *t)
{
    int64_t now = now_ms(), gone_ms = now - s.started_ms;
    uint64_t due = s.rate * (uint64_t)gone_ms / 1000;

    (void)t;
    list_for_each_safe (link, &s.pausing) {
        struct buyer *b = list_entry(link, struct buyer, link);
        if (b->again_ms > now)
            break; /* in the order of their time */
        list_remove(&b->link);
        b->again(b);
    }
    if (s.rate) {
        while (s.sum.begun + s.sum.missed < due && !list_empty(&s.idle) && !over())
            begin();
        if (!over() && s.sum.begun + s.sum.missed < due)
            s.sum.missed = due - s.sum.begun; /* they do not come back all at once later */
    }
    if (gone_ms / 1000 > s.told_s) {
        s.told_s = gone_ms / 1000;
        tell(s.told_s);
    }
}

/* ---- start and end ---- */

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static void read_events(char *list)
{
    for (char *id = strtok(list, ","); id && s.event_count < EVENTS_MAX; id = strtok(NULL, ","))
        s.events[s.event_count++] = id;
}

static bool read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"rate", required_argument, NULL, 'r'},
        {"buyers", required_argument, NULL, 'b'},
        {"rivals", required_argument, NULL, 'v'},
        {"release", required_argument, NULL, 'l'},
        {"token", required_argument, NULL, 't'},
        {"confirmed", required_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        uint64_t n = 0;
        bool number = c != '?' && slice_to_u64(slice_str(optarg), &n);

        switch (c) {
        case 'r': s.rate = n; break;
        case 'b': s.buyers = n; break;
        case 'v': s.rivals = n; break;
        case 'l': s.release = n; break;
        case 't': s.token = optarg; continue;
        case 'c': s.confirmed = fopen(optarg, "w"); continue;
        default: return false;
        }
        if (!number)
            return false;
    }
    if (argc - optind != 4 || !s.buyers || !s.rivals)
        return false;
    read_events(argv[optind + 1]);
    return s.event_count && slice_to_u64(slice_str(argv[optind + 2]), &s.seats) &&
           slice_to_u64(slice_str(argv[optind + 3]), &s.seconds);
}

static void run(void)
{
    for (uint64_t i = 0; i < s.buyers; i++)
        list_push_back(&s.idle, &s.all[i].link);
    s.started_ms = now_ms();
    timer_init(&s.loop, &s.tick, tick_cb);
    timer_start(&s.tick, TICK_MS, TICK_MS);
    for (uint64_t i = 0; !s.rate && i < s.buyers; i++)
        begin();
    while (!over() || s.active)
        loop_turn(&s.loop, true);
    timer_close(&s.tick, NULL);
    s.told = (struct tally){0};
    printf("sum ");
    tell((now_ms() - s.started_ms) / 1000);
    printf("p50_us=%llu p99_us=%llu\n", (unsigned long long)hist_quantile(&s.times, 0.5),
           (unsigned long long)hist_quantile(&s.times, 0.99));
}

int main(int argc, char **argv)
{
    char why[200];

    if (!read_arguments(argc, argv)) {
        fprintf(stderr,
                "usage: steady URL EVENTS SEATS SECONDS [--rate N] [--buyers N] [--rivals N] "
                "[--release PERCENT] [--token TOKEN] [--confirmed FILE]\n");
        return 2;
    }
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    signal(SIGPIPE, SIG_IGN);
    loop_init(&s.loop, &clock_system);
    s.client =
        client_new(&s.loop, &(struct client_options){.url = argv[optind], .connections = s.buyers},
                   why, sizeof(why));
    if (!s.client) {
        fprintf(stderr, "steady: %s\n", why);
        return 2;
    }
    list_init(&s.idle);
    list_init(&s.pausing);
    hist_init(&s.times);
    rng_seed(&s.rng, 1);
    rng_secret(&s.run, sizeof(s.run));
    s.all = mem_alloc(s.buyers * sizeof(*s.all));
    run();
    client_free(s.client);
    loop_free(&s.loop);
    hist_free(&s.times);
    mem_free(s.all);
    if (s.confirmed)
        fclose(s.confirmed);
    return 0;
}
