/* Durable bookings a second through HTTP, closed loop: http_bookings URL EVENT SEATS CONNECTIONS
 * [TOKEN]. Places holds of one seat each on seats 0..SEATS-1 first, then starts the clock and books
 * them all. TOKEN makes it an event with charge. Prints `bookings_per_second=N confirmed=N
 * p50_us=.. p99_us=.. client_cpu_us=..`. */
#include "bench/client.h"
#include "engine/base/hist.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct buyer {
    struct client_request request;
    char hold[64];
    long long total;
    int64_t sent_ns;
    long seat;
};

static struct loop loop;
static struct client *client;
static struct buyer *buyers;
static struct hist times;
static long seats, next_seat, done, good;
static const char *event, *token;
static void (*submit)(struct buyer *b);

static bool member(struct slice body, const char *name, char *ret_text, size_t size)
{
    char key[40];
    const char *at, *end;
    int len = snprintf(key, sizeof(key), "\"%s\":", name);

    at = memmem(body.at, body.len, key, (size_t)len);
    if (!at)
        return false;
    at += len;
    if (*at == '"')
        at++;
    for (end = at; end < body.at + body.len && *end != '"' && *end != ',' && *end != '}'; end++)
        ;
    return slice_to_str(slice_of(at, (size_t)(end - at)), ret_text, size);
}

static void next(void)
{
    if (next_seat < seats) {
        buyers[next_seat].seat = next_seat;
        submit(&buyers[next_seat++]);
    }
}

static void held_cb(struct client_request *r, int status, struct slice body)
{
    struct buyer *b = container_of(r, struct buyer, request);
    char total[24];

    done++;
    if (status == 201 && member(body, "holdId", b->hold, sizeof(b->hold)) &&
        member(body, "total", total, sizeof(total))) {
        b->total = atoll(total);
        good++;
    }
    next();
}

static void hold(struct buyer *b)
{
    char path[64], body[64], key[32];

    snprintf(path, sizeof(path), "/v1/events/%s/holds", event);
    snprintf(body, sizeof(body), "{\"ticketIds\":[\"%ld\"]}", b->seat);
    snprintf(key, sizeof(key), "h-%ld-%lld", b->seat, (long long)loop_wall_ms(&loop));
    b->request = (struct client_request){.cb = held_cb};
    client_request_begin(client, &b->request, "POST", path, NULL, key, body);
    client_submit(client, &b->request);
}

static void booked_cb(struct client_request *r, int status, struct slice body)
{
    struct buyer *b = container_of(r, struct buyer, request);

    done++;
    good += status == 201;
    if (status != 201 && done - good < 5)
        fprintf(stderr, "%d %.*s\n", status, SLICE_ARG(body));
    hist_record(&times, (uint64_t)(loop_mono_ns(&loop) - b->sent_ns) / 1000);
    next();
}

static void book(struct buyer *b)
{
    char path[64], body[400];

    snprintf(path, sizeof(path), "/v1/bookings/%s", event);
    snprintf(body, sizeof(body),
             "{\"holdId\":\"%s\",\"expectedTotal\":%lld,\"customer\":{\"email\":\"fan%ld@example."
             "org\",\"name\":\"A Fan\"}%s%s%s}",
             b->hold, b->total, b->seat,
             token ? ",\"paymentDetails\":{\"provider\":\"sim\",\"token\":\"" : "",
             token ? token : "", token ? "\"}" : "");
    b->sent_ns = loop_mono_ns(&loop);
    b->request = (struct client_request){.cb = booked_cb};
    client_request_begin(client, &b->request, "POST", path, NULL, b->hold, body);
    client_submit(client, &b->request);
}

/* Everybody once; returns the seconds it took. */
static double run(void (*step)(struct buyer *b), long in_flight)
{
    int64_t started = loop_mono_ns(&loop);

    submit = step;
    next_seat = done = good = 0;
    for (long i = 0; i < in_flight; i++)
        next();
    while (done < seats)
        loop_turn(&loop, true);
    return (double)(loop_mono_ns(&loop) - started) / 1e9;
}

static double cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    struct client_options options = {.url = argv[1]};
    char why[200];
    long connections;
    double seconds, cpu;

    if (argc < 5)
        return 2;
    event = argv[2];
    seats = atol(argv[3]);
    connections = atol(argv[4]);
    token = argv[5];
    options.connections = (size_t)connections;
    loop_init(&loop, &clock_system);
    client = client_new(&loop, &options, why, sizeof(why));
    if (!client) {
        fprintf(stderr, "%s\n", why);
        return 2;
    }
    hist_init(&times);
    buyers = mem_alloc((size_t)seats * sizeof(*buyers));
    seconds = run(hold, connections);
    printf("holds_per_second=%.0f granted=%ld\n", (double)done / seconds, good);
    fflush(stdout);
    cpu = cpu_us();
    seconds = run(book, connections);
    printf("bookings_per_second=%.0f confirmed=%ld p50_us=%llu p99_us=%llu client_cpu_us=%.1f\n",
           (double)done / seconds, good, (unsigned long long)hist_quantile(&times, 0.5),
           (unsigned long long)hist_quantile(&times, 0.99), (cpu_us() - cpu) / (double)done);
    client_free(client);
    loop_free(&loop);
    hist_free(&times);
    mem_free(buyers);
    return good == seats ? 0 : 1;
}
