/* How many durable bookings a second the commit alone makes, without HTTP: commit_rate CONNINFO
 * BOOKINGS IN_FLIGHT BATCHES [RATE]. The event 1 must have seats 0..BOOKINGS-1 free;
 * bench/core/bookings.sh prepares it. Prints rate=, p50_us=, p99_us= (from the intended instant
 * when there is a RATE) and generator_us=; fails unless every booking was sold. */
#include "bench/pace.h"
#include "engine/booking/commit.h"
#include "engine/store/db_pq.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define EVENT 1
#define PRICE 5000

struct buyer {
    struct commit_item item;
    struct purchase_row row;
    struct list link; /* in idle, or alone */
    int64_t intended_ns;
};

static struct loop loop;
static struct commit *commit;
static struct pace pace;
static struct hist times;
static struct list idle; /* struct buyer */
static long next_seat, done, bookings, sold;
static int64_t started_ns;
static double rate; /* bookings a second; 0: as many as are in flight */

static void fill(void);

static void bought(struct commit_item *item, enum status status)
{
    struct buyer *b = container_of(item, struct buyer, item);

    hist_record(&times, (uint64_t)(loop_mono_ns(&loop) - b->intended_ns) / 1000);
    sold += !status && item->outcome == OUTCOME_SOLD;
    done++;
    list_push_front(&idle, &b->link);
    fill();
}

static int64_t intended_ns(long i)
{
    return rate > 0 ? started_ns + (int64_t)((double)i / rate * 1e9) : loop_mono_ns(&loop);
}

static void submit(struct buyer *b)
{
    b->intended_ns = intended_ns(next_seat);
    b->row.booking_id = uuid_v4_secret();
    b->row.idem = uuid_v4_secret();
    b->row.seats[0] = (uint32_t)next_seat++;
    b->item = (struct commit_item){.cb = bought, .row = &b->row, .lane = COMMIT_NEW};
    if (commit_submit(commit, &b->item))
        abort();
}

static void fill(void)
{
    while (next_seat < bookings && !list_empty(&idle) &&
           (rate <= 0 || intended_ns(next_seat) <= loop_mono_ns(&loop)))
        submit(list_entry(list_pop_front(&idle), struct buyer, link));
    if (rate > 0 && next_seat < bookings)
        pace_at(&pace, intended_ns(next_seat));
}

static void pace_due(struct pace *p)
{
    (void)p;
    fill();
}

static void prepare(struct purchase_row *row)
{
    purchase_row_init(row);
    row->event_id = EVENT;
    hold_id_make(EVENT, row->hold_id);
    row->fence = 1;
    row->expires_ms = INT64_C(4102444800000);
    row->seat_count = 1;
    row->total = PRICE;
    snprintf(row->email, sizeof(row->email), "fan@example.org");
    snprintf(row->name, sizeof(row->name), "A Fan");
    memcpy(row->currency, "EUR", 4);
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
    long in_flight;
    struct buyer *buyers;
    struct db *db;
    double seconds, cpu;

    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: commit_rate CONNINFO BOOKINGS IN_FLIGHT BATCHES [RATE]\n");
        return 2;
    }
    rate = argc == 6 ? atof(argv[5]) : 0;
    bookings = atol(argv[2]);
    in_flight = atol(argv[3]);
    loop_init(&loop, &clock_system);
    db = db_pq_new(&loop, &(struct db_pq_options){.conninfo = argv[1],
                                                  .connections = (size_t)atol(argv[4]),
                                                  .application = "commit_rate"});
    while (!db_ready(db, NULL))
        loop_turn(&loop, true);
    commit = commit_new(&loop, db, (size_t)atol(argv[4]));
    hist_init(&times);
    list_init(&idle);
    buyers = mem_alloc((size_t)in_flight * sizeof(*buyers));
    for (long i = 0; i < in_flight; i++) {
        prepare(&buyers[i].row);
        list_push_back(&idle, &buyers[i].link);
    }
    pace_init(&loop, &pace, pace_due);
    started_ns = loop_mono_ns(&loop);
    cpu = cpu_us();
    fill();
    while (done < bookings)
        loop_turn(&loop, true);
    seconds = (double)(loop_mono_ns(&loop) - started_ns) / 1e9;
    cpu = cpu_us() - cpu;
    pace_close(&loop, &pace);
    printf("rate=%.0f sold=%ld p50_us=%llu p99_us=%llu generator_us=%.2f\n", (double)done / seconds,
           sold, (unsigned long long)hist_quantile(&times, 0.5),
           (unsigned long long)hist_quantile(&times, 0.99), cpu / (double)done);
    commit_stop(commit);
    db_close(db);
    loop_free(&loop);
    commit_free(commit);
    hist_free(&times);
    mem_free(buyers);
    if (sold != bookings)
        fprintf(stderr, "commit_rate: only %ld of %ld bookings were sold\n", sold, bookings);
    return sold == bookings ? 0 : 1;
}
