#include "bench/options.h"

#include "engine/base/mem.h"

#define ROW(name, kind, member, fallback, min, max, secret, help)                                  \
    {                                                                                              \
        name, kind, offsetof(struct bench_options, member), fallback, min, max, secret, help       \
    }

const struct config_option bench_option_table[] = {
    ROW("event", CONFIG_STR, event, NULL, 0, 0, false,
        "event to work on; without it scenarios make their own"),
    ROW("users", CONFIG_INT, users, "0", 0, 10000000, false,
        "how many users, or operations a round; 0: what the scenario finds sensible"),
    ROW("rate", CONFIG_INT, rate, "0", 0, 10000000, false,
        "arrivals a second; 0: what the scenario finds sensible"),
    ROW("duration", CONFIG_INT, duration_s, "0", 0, 86400, false,
        "seconds of load; 0: what the scenario finds sensible"),
    ROW("arrive-ms", CONFIG_INT, arrive_ms, "3000", 0, 3600000, false,
        "milliseconds within which the users of onsale arrive"),
    ROW("think-ms", CONFIG_INT, think_ms, "700", 0, 600000, false,
        "mean milliseconds a user of onsale thinks before a step"),
    ROW("connections", CONFIG_INT, connections, "1024", 1, 60000, false,
        "open connections at most; overload: 8000 at least, bookings --charge: 192 at once at "
        "most"),
    ROW("runs", CONFIG_INT, runs, "5", 1, 100, false,
        "alternating runs of each side where a scenario compares"),
    ROW("seats", CONFIG_INT, seats, "2000", 1, 500000, false,
        "seats of the event a scenario makes"),
    ROW("multiple", CONFIG_INT, multiple, "10", 1, 1000, false,
        "arrivals of overload, in multiples of the capacity found"),
    ROW("seed", CONFIG_INT, seed, "1", 0, INT64_MAX, false, "seed of all random choices"),
    ROW("out", CONFIG_STR, out, NULL, 0, 0, false,
        "directory for summary.json, report.html, latency.hgrm, latency.hlog, timeline.csv"),
    ROW("threshold", CONFIG_STR, thresholds, NULL, 0, 0, false,
        "'hold.p99<50ms,book.failed<1': exit 99 when one does not hold"),
    ROW("board", CONFIG_BOOL, board, "false", 0, 0, false,
        "onsale: waiting users watch the line's public board, instead of asking for their place"),
    ROW("until-settled", CONFIG_BOOL, until_settled, "false", 0, 0, false,
        "onsale: after the last user, wait until no seat is held, at most 5 s past the last "
        "expiry"),
    ROW("named", CONFIG_BOOL, named, "false", 0, 0, false,
        "holds: four seats by name instead of four places of an area"),
    ROW("charge", CONFIG_BOOL, charge, "false", 0, 0, false,
        "bookings: each is paid for, with the payment simulator in the loop"),
    ROW("core", CONFIG_STR, core, NULL, 0, 0, false,
        "holds, bookings: command that measures the booking core without HTTP; none: without it"),
    ROW("against", CONFIG_STR, against, NULL, 0, 0, false,
        "holds, bookings: comparator command, prints rate=N (bench/against.h); none: without one"),
    ROW("against-batch", CONFIG_STR, against_batch, NULL, 0, 0, false,
        "bookings: a second comparator, many bookings in one statement; none: without it"),
    ROW("processes", CONFIG_STR, processes, NULL, 0, 0, false,
        "engine=PID,redis=PID,...: servers whose processor time is reported"),
    ROW("quiet", CONFIG_BOOL, quiet, "false", 0, 0, false, "no progress line"),
    ROW("commit", CONFIG_STR, commit, "unknown", 0, 0, false,
        "commit of the code, for summary.json"),
    ROW("url", CONFIG_STR, url, "http://127.0.0.1:8080", 0, 0, false, "the gateway"),
    ROW("waitroom-url", CONFIG_STR, waitroom_url, "http://127.0.0.1:8081", 0, 0, false,
        "a waiting room, without the gateway"),
    ROW("engine-url", CONFIG_STR, engine_url, "http://127.0.0.1:8082", 0, 0, false,
        "an engine, without the gateway"),
    ROW("waitroom-ops-url", CONFIG_STR, waitroom_ops_url, "http://127.0.0.1:9081", 0, 0, false,
        "its ops listener"),
    ROW("engine-ops-url", CONFIG_STR, engine_ops_url, "http://127.0.0.1:9082", 0, 0, false,
        "its ops listener"),
    ROW("admin-token", CONFIG_STR, admin_token, NULL, 0, 0, true,
        "bearer token of the admin calls"),
    ROW("database", CONFIG_STR, database, NULL, 0, 0, false,
        "connection string, for comparators that speak to PostgreSQL"),
    ROW("redis", CONFIG_STR, redis, NULL, 0, 0, false,
        "host:port, for comparators that speak to Redis"),
};

const size_t bench_option_count = array_len(bench_option_table);
