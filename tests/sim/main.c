/* sim: many small worlds, one a seed, each a sale in which things go wrong; after every step the
 * promises are looked at in the stores.
 *
 *   sim --seconds N [--from N]    worlds for N seconds of processor time, a line a minute
 *   sim --seeds N [--from N]      N worlds; prints how many a second; exit 1 at the first broken
 * promise, with the seed sim --seed N [--trace]        one world, with everything that happens; the
 * same seed is the same world, bit for bit sim --plant BUG --seeds N     with a planted bug: exit 0
 * if some seed finds it sim --twice N                 N worlds, each twice; exit 1 if the two
 * differ
 */
#include "engine/base/log.h"
#include "engine/base/map.h"
#include "engine/base/mem.h"
#include "tests/sim/buyer.h"
#include "tests/sim/invariants.h"
#include "tests/sim/provider.h"
#include "tests/sim/stores.h"
#include "tests/sim/trouble.h"
#include "tests/sim/viewers.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    BUYERS_MAX = 14,
    SALE_MS = 9000,
    CALM_MS = 16000,
    SETTLE_MS = 60000,
    LAST_MS = 3000,
    WELL_MS = 15000,
    STEPS_MAX = 3000000
};

static struct options {
    uint64_t from, seeds, seconds, seed, twice;
    const char *plant;
    bool one, trace;
} options = {.from = 1, .seeds = 1000};

void broken(const char *format, ...)
{
    va_list list;

    if (options.plant) {
        printf("%s is found by seed %" PRIu64 ": ", options.plant, world.seed);
    } else {
        printf("seed %" PRIu64 ", at %.4f s, step %" PRIu64 ": ", world.seed,
               (double)world.now_ns / 1e9, world.steps);
    }
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf("\n");
    if (!options.plant)
        printf("again: sim --seed %" PRIu64 " --trace\n", world.seed);
    fflush(stdout);
    _exit(options.plant ? 0 : 1);
}

/* ---- planted bugs: a guard is left out, a promise of the stores is broken ---- */

struct bug {
    const char *name;
    bool *flag; /* or: */
    unsigned *number, value;
};

static const struct bug bugs[] = {
    {"no-fence", &stores.pg.plant.no_fence, NULL, 0},
    {"no-version", &stores.pg.plant.no_version, NULL, 0},
    {"no-expiry", &stores.pg.plant.no_expiry, NULL, 0},
    {"no-outbox", &stores.pg.plant.no_outbox, NULL, 0},
    {"no-key", &stores.pg.plant.no_key, NULL, 0},
    {"capture-before-commit", &provider_options.capture_at_once, NULL, 0},
    {"void-forgotten", &provider_options.void_forgotten, NULL, 0},
    {"fence-forgotten", &provider_options.fence_forgotten, NULL, 0},
    {"refund-twice", &provider_options.refund_twice, NULL, 0},
    {"rev-skipped", NULL, &stores.redis.skip_revs, 20},
    {"news-forgotten", NULL, &stores.bus_forgets, 40},
    {"unswept", &process_plants.unswept, NULL, 0},
    {"shown-back", &viewers_plants.shown_back, NULL, 0},
};

static void plant(const char *name)
{
    for (size_t i = 0; name && i < array_len(bugs); i++) {
        if (strcmp(bugs[i].name, name) != 0)
            continue;
        if (bugs[i].flag)
            *bugs[i].flag = true;
        else
            *bugs[i].number = bugs[i].value;
        return;
    }
    if (!name)
        return;
    fprintf(stderr, "no such bug: %s\n", name);
    exit(2);
}

/* ---- a world ---- */

static void webhook(struct slice payload)
{
    struct process *p = process_any();

    if (p && p->host->wakes_ns <= world.now_ns && !happens(stores.faults.pay_lost))
        process_webhook(p, payload);
}

static int64_t expiries_from_ns; /* from here on the sweepers have had their time */

static void run_until(int64_t end_ns)
{
    while (world.count && world.queue[1]->due_ns < end_ns) {
        if (!world_step())
            return;
        check_step();
        if (world.steps > STEPS_MAX)
            broken("the world turns and turns and comes to no end");
    }
    world.now_ns = end_ns;
    if (world.now_ns > expiries_from_ns)
        check_expired();
}

static void begin(uint64_t seed)
{
    world_begin(seed, options.trace);
    stores_begin();
    provider_options = (struct provider_options){0};
    provider_begin();
    invariants_begin();
    viewers_begin();
    provider_webhook = webhook;
    plant(options.plant);
    pg_event_add(&stores.pg, 1, 6 + chance(8), SALE_PRICE, true);
    pg_event_add(&stores.pg, 2, 6 + chance(8), SALE_PRICE, false);
    for (unsigned id = 0; id < 2 + chance(PROCESSES_MAX - 1); id++)
        process_start(id);
    buyers_begin(4 + chance(BUYERS_MAX - 3));
    trouble_begin(chance(8) == 0 ? TROUBLE_NONE : chance(6) == 0 ? TROUBLE_LIES : TROUBLE_FAULTS);
}

static void end(void)
{
    buyers_end();
    viewers_end();
    for (unsigned id = 0; id < PROCESSES_MAX; id++)
        process_kill(id);
    while (world_step()) /* what is still on its way in the world without engines */
        ;
    invariants_end();
    provider_end();
    stores_end();
    world_end();
}

/* Until the last buyer has finished; long enough for every hold to end; until nobody works on
 * anything any more; and a moment for the last snapshot. */
static void settle(void)
{
    int64_t end_ns = world.now_ns + SETTLE_MS * MS;

    while (!buyers_done() && world.now_ns < end_ns)
        run_until(world.now_ns + 1000 * MS);
    run_until(world.now_ns + CALM_MS * MS);
    while (!everything_ended() && world.now_ns < end_ns)
        run_until(world.now_ns + 1000 * MS);
    run_until(world.now_ns + LAST_MS * MS);
}

static uint64_t run_seed(uint64_t seed)
{
    uint64_t hash;

    begin(seed);
    expiries_from_ns = INT64_MAX;
    run_until((2000 + (int64_t)chance(SALE_MS - 2000)) * MS);
    buyers_stop();
    trouble_heal();
    expiries_from_ns = world.now_ns + WELL_MS * MS;
    settle();
    check_settled();
    hash = world.hash ^ world.steps;
    end();
    return hash;
}

/* ---- the program ---- */

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(uint64_t seeds, uint64_t steps, double took)
{
    printf("%" PRIu64 " seeds from %" PRIu64
           " ran clean in %.1f s of processor time: %.0f seeds/s, %.0f steps each\n",
           seeds, options.from, took, (double)seeds / took, (double)steps / (double)seeds);
    fflush(stdout);
}

static void report_counts(void)
{
    printf("holds %" PRIu64 ", refused %" PRIu64 ", bookings %" PRIu64 ", lost %" PRIu64
           ", declined %" PRIu64 ", refunds %" PRIu64 ", unanswered %" PRIu64 "\n",
           sale_counts.holds, sale_counts.refused, sale_counts.bookings, sale_counts.lost,
           sale_counts.declined, sale_counts.refunds, sale_counts.unanswered);
#define X(name) printf(#name " %" PRIu64 " ", trouble_counts.name);
    TROUBLE_MAP(X)
#undef X
    printf("\n");
}

/* Among so many worlds each fault has come. */
static void check_counts(void)
{
#define X(name)                                                                                    \
    if (!trouble_counts.name)                                                                      \
        broken("a fault that never happened: " #name);
    TROUBLE_MAP(X)
#undef X
}

static bool more(uint64_t done, double took)
{
    return options.seconds ? took < (double)options.seconds : done < options.seeds;
}

static int run_many(void)
{
    double start = seconds(CLOCK_PROCESS_CPUTIME_ID), took = 0, told = 0;
    uint64_t steps = 0, done = 0;

    while (more(done, took)) {
        run_seed(options.from + done++);
        steps += world.steps;
        took = seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        if (options.seconds && took - told >= 60) {
            told = took;
            report(done, steps, took);
        }
    }
    report(done, steps, took);
    report_counts();
    if (options.plant)
        printf("%s was not found\n", options.plant);
    else if (done >= 1000)
        check_counts();
    return options.plant != NULL;
}

static int run_twice(void)
{
    for (uint64_t i = 0; i < options.twice; i++) {
        uint64_t seed = options.from + i, first = run_seed(seed), second = run_seed(seed);

        if (first != second) {
            printf("seed %" PRIu64 " is two worlds\n", seed);
            return 1;
        }
    }
    printf("%" PRIu64 " seeds from %" PRIu64 " are the same twice\n", options.twice, options.from);
    return 0;
}

static uint64_t number(const char *text)
{
    uint64_t value;

    if (!text || !slice_to_u64(slice_str(text), &value)) {
        fprintf(stderr, "usage: sim [--seeds N | --seconds N] [--from N] | --seed N [--trace] | "
                        "--plant BUG | --twice N\n");
        exit(2);
    }
    return value;
}

static void read_options(char **argv)
{
    for (; *argv; argv++) {
        if (strcmp(*argv, "--trace") == 0) {
            options.trace = true;
        } else if (strcmp(*argv, "--seed") == 0) {
            options.one = true;
            options.seed = number(*++argv);
        } else if (strcmp(*argv, "--from") == 0) {
            options.from = number(*++argv);
        } else if (strcmp(*argv, "--seeds") == 0) {
            options.seeds = number(*++argv);
        } else if (strcmp(*argv, "--seconds") == 0) {
            options.seconds = number(*++argv);
        } else if (strcmp(*argv, "--twice") == 0) {
            options.twice = number(*++argv);
        } else if (strcmp(*argv, "--plant") == 0 && argv[1]) {
            options.plant = *++argv;
        } else {
            number(NULL);
        }
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    read_options(argv + 1);
    map_seed(1);
    log_setup(LOG_ERROR, LOG_LOGFMT, options.trace ? 1 : open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (options.one) {
        printf("seed %" PRIu64 " ran clean: %016" PRIx64 "\n", options.seed,
               run_seed(options.seed));
        return 0;
    }
    return options.twice ? run_twice() : run_many();
}
