#include "engine/booking/admission.h"

#define INTERVAL_MS    100
#define WRITES_LEAST   32 /* in flight: below it there is nothing to gain */
#define COMMIT_WAIT_MS (COMMIT_DEADLINE_MS / 2)
#define RETRY_AFTER_S  3 /* at most; spread, so that those refused do not return as one */
#define PROVIDER_BUSY  (HTTP_CLIENT_FLIGHT_MAX * 0.75)
#define RATE_KEPT      0.9 /* of the commit rate, an interval later: a second's average */
#define BASE_NS        INT64_C(300000000000)
#define NS_PER_MS      INT64_C(1000000)

#define METRIC_ROW_TAG admission_metrics
static const struct metric_desc descs[] = {ADMISSION_METRICS(METRIC_ROW_)};

/* ---- asking ---- */

static bool refuse(struct admission *a, struct http_request *req, enum problem problem,
                   const char *why)
{
    http_headerf(req, "Retry-After", "%u", 1 + (unsigned)rng_below(&a->rng, RETRY_AFTER_S));
    http_reply_problem(req, problem, why);
    return false;
}

static bool refuse_hold(struct admission *a, struct http_request *req, enum problem problem,
                        const char *why)
{
    a->metrics.admission_holds_refused_total++;
    return refuse(a, req, problem, why);
}

static bool refuse_booking(struct admission *a, struct http_request *req, enum problem problem,
                           const char *why)
{
    a->metrics.admission_bookings_refused_total++;
    return refuse(a, req, problem, why);
}

static bool admit_new(struct admission *a, struct http_request *req)
{
    if (!kv_ready(a->kv, NULL))
        return refuse_hold(a, req, PROBLEM_UNAVAILABLE, "Holds are not possible right now");
    if (admission_commit_wait_ms(a) > COMMIT_WAIT_MS || !limiter_enter(&a->limiter))
        return refuse_hold(a, req, PROBLEM_OVERLOADED, NULL);
    return true;
}

static bool admit_started(struct admission *a, struct http_request *req)
{
    if (!db_ready(a->db, NULL))
        return refuse_booking(a, req, PROBLEM_UNAVAILABLE, "Bookings are not possible right now");
    if (admission_commit_wait_ms(a) > COMMIT_WAIT_MS)
        return refuse_booking(a, req, PROBLEM_OVERLOADED, NULL);
    limiter_force(&a->limiter);
    return true;
}

bool admission_gate(struct http_request *req, void *admission)
{
    struct admission *a = admission;
    bool good = true;

    if (req->route->flags & ROUTE_NEW_WORK)
        good = admit_new(a, req);
    else if (req->route->flags & ROUTE_STARTED_WORK)
        good = admit_started(a, req);
    a->metrics.admission_in_flight = (int64_t)a->limiter.in_flight;
    return good;
}

static void note_least(int64_t *least_ns, int64_t took_ns)
{
    if (took_ns < *least_ns)
        *least_ns = took_ns;
}

/* What was answered at once never stood in a queue: it says nothing. */
void admission_done(struct http_request *req, bool waited, void *admission)
{
    struct admission *a = admission;
    int64_t took_ns;

    if (!(req->route->flags & (ROUTE_NEW_WORK | ROUTE_STARTED_WORK)))
        return;
    limiter_leave(&a->limiter);
    a->metrics.admission_in_flight = (int64_t)a->limiter.in_flight;
    if (!waited)
        return;
    took_ns = loop_mono_ns(a->loop) - req->started_ns;
    if (req->route->flags & ROUTE_NEW_WORK)
        note_least(&a->hold_least_ns, took_ns);
    else
        note_least(&a->booking_least_ns, took_ns);
}

/* ---- every tenth of a second ---- */

int64_t admission_commit_wait_ms(const struct admission *a)
{
    int64_t waiting = a->commits->commit_waiting, quiet_ms, wait_ms;

    if (waiting == 0)
        return 0;
    quiet_ms = (loop_mono_ns(a->loop) - a->commit_done_ns) / NS_PER_MS;
    wait_ms = a->commit_rate >= 1 ? (int64_t)((double)waiting * 1000 / a->commit_rate) : 0;
    return wait_ms > quiet_ms ? wait_ms : quiet_ms;
}

/* What an idle time commits says nothing of what can be committed: only intervals that begin and
 * end with bookings waiting count. Before there was one, nobody is refused for the rate. */
static void look_at_commits(struct admission *a, int64_t now_ns)
{
    hist_since(&a->commits->commit_us, &a->commits_seen, &a->commits_now);
    if (a->commits_now.total > 0 && a->commit_backlog && a->commits->commit_waiting > 0) {
        double rate = (double)a->commits_now.total * 1000 / INTERVAL_MS;

        a->commit_rate =
            a->commit_rate > 0 ? RATE_KEPT * a->commit_rate + (1 - RATE_KEPT) * rate : rate;
    }
    if (a->commits_now.total > 0 || a->commits->commit_waiting == 0)
        a->commit_done_ns = now_ns;
    a->commit_backlog = a->commits->commit_waiting > 0;
}

/* How much longer than by themselves the bookings of this interval took. */
static int64_t booking_excess_ns(struct admission *a, int64_t now_ns)
{
    int64_t least_ns = a->booking_least_ns, base_ns;

    if (least_ns == INT64_MAX)
        return 0;
    if (now_ns - a->base_since_ns > BASE_NS) {
        a->booking_base_ns[1] = a->booking_base_ns[0];
        a->booking_base_ns[0] = INT64_MAX;
        a->base_since_ns = now_ns;
    }
    note_least(&a->booking_base_ns[0], least_ns);
    base_ns = a->booking_base_ns[0];
    note_least(&base_ns, a->booking_base_ns[1]);
    return least_ns - base_ns;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Starts the next interval. */
static int64_t standing_ms(struct admission *a, int64_t now_ns)
{
    int64_t commit_ms = (int64_t)hist_quantile(&a->commits_now, 0) / 1000;
    int64_t hold_ns = a->hold_least_ns == INT64_MAX ? 0 : a->hold_least_ns;
    int64_t booking_ns = booking_excess_ns(a, now_ns);

    a->hold_least_ns = a->booking_least_ns = INT64_MAX;
    return larger(commit_ms, larger(hold_ns, booking_ns) / NS_PER_MS);
}

static double provider_load(const struct admission *a)
{
    double load = 0;

    for (size_t i = 0; i < ADMISSION_PROVIDERS_MAX; i++) {
        double one = a->providers[i] ? (double)http_client_in_flight(a->providers[i]) : 0;

        load = one / PROVIDER_BUSY > load ? one / PROVIDER_BUSY : load;
    }
    return load;
}

/* After a fall, what is answered was still let in before it: judged again only when that is done.
 */
static void tick_over(struct timer *t)
{
    struct admission *a = container_of(t, struct admission, tick);
    int64_t now_ns = loop_mono_ns(a->loop), stands_ms;
    double load, provider = provider_load(a);

    look_at_commits(a, now_ns);
    stands_ms = standing_ms(a, now_ns);
    load = (double)stands_ms / (double)a->queue_ms;
    load = provider > load ? provider : load;
    a->metrics.admission_standing_ms = stands_ms;
    a->metrics.admission_commit_wait_ms = admission_commit_wait_ms(a);
    if (now_ns < a->patience_ns)
        return;
    if (load > 1)
        a->patience_ns = now_ns + stands_ms * NS_PER_MS;
    limiter_adjust(&a->limiter, load);
    a->metrics.admission_limit = (int64_t)a->limiter.limit;
}

unsigned admission_fill(const struct admission *a)
{
    size_t percent = a->limiter.in_flight * 100 / a->limiter.limit;

    return percent > 100 ? 100 : (unsigned)percent;
}

/* ---- life ---- */

void admission_open(struct admission *a, size_t requests)
{
    size_t most = requests - requests / 4;

    limiter_init(&a->limiter, most < WRITES_LEAST ? most : WRITES_LEAST, most);
    rng_seed_random(&a->rng);
    hist_init(&a->commits_seen);
    hist_init(&a->commits_now);
    a->hold_least_ns = a->booking_least_ns = INT64_MAX;
    a->booking_base_ns[0] = a->booking_base_ns[1] = INT64_MAX;
    a->base_since_ns = a->commit_done_ns = loop_mono_ns(a->loop);
    a->metrics.admission_limit = (int64_t)most;
    a->group =
        (struct metric_group){.descs = descs, .count = array_len(descs), .base = &a->metrics};
    list_init(&a->group.link);
    timer_init(a->loop, &a->tick, tick_over);
    timer_start(&a->tick, INTERVAL_MS, INTERVAL_MS);
}

void admission_close(struct admission *a)
{
    timer_close(&a->tick, NULL);
    hist_free(&a->commits_seen);
    hist_free(&a->commits_now);
    metric_group_free(&a->group);
}
