/* audit: checks the promises over PostgreSQL, Redis and Kafka; exit 98 with the offending rows when
 * one is broken, 1 when it could not look. */
#include "engine/auditor/check.h"
#include "engine/base/config.h"
#include "engine/base/log.h"
#include "engine/store/bus_rdkafka.h"
#include "engine/store/db_pq.h"
#include "engine/store/kv_redis.h"

#include <inttypes.h>
#include <stdio.h>

enum { EXIT_BROKEN = 98, EXIT_USAGE = 2, READY_SECONDS = 15 };

struct settings {
    const char *database, *redis, *kafka, *confirmed, *log_level;
};

static const struct config_option options[] = {
    {"database", CONFIG_STR, offsetof(struct settings, database), "dbname=holdfast", 0, 0, false,
     "libpq connection string"},
    {"redis", CONFIG_STR, offsetof(struct settings, redis), "127.0.0.1:8091", 0, 0, false,
     "host:port"},
    {"kafka", CONFIG_STR, offsetof(struct settings, kafka), "127.0.0.1:8092", 0, 0, false,
     "bootstrap servers"},
    {"confirmed", CONFIG_STR, offsetof(struct settings, confirmed), NULL, 0, 0, false,
     "file with the booking ids that clients were told are confirmed, one a line"},
};

static int judge(struct audit *a)
{
    const char *why = "";

    if (!facts_ready(&a->facts, READY_SECONDS, &why)) {
        fprintf(stderr, "audit: %s\n", why);
        return 1;
    }
    check_truth(a);
    check_confirmed(a);
    check_mirror(a);
    check_news(a);
    verdict_print(&a->verdict);
    if (verdict_broken_count(&a->verdict))
        return EXIT_BROKEN;
    if (a->event_id && a->verdict.promises[I1].checked == 0 && !a->verdict.incomplete) {
        fprintf(stderr, "audit: there is no event %" PRIu64 "\n", a->event_id);
        return EXIT_USAGE;
    }
    return a->verdict.incomplete ? 1 : 0;
}

static int run(const struct settings *settings, uint64_t event_id)
{
    struct loop loop;
    struct audit a = {.event_id = event_id, .confirmed = settings->confirmed};

    loop_init(&loop, &clock_system);
    a.facts = (struct facts){
        .loop = &loop,
        .db = db_pq_new(&loop, &(struct db_pq_options){.conninfo = settings->database,
                                                       .connections = 1,
                                                       .application = "audit",
                                                       .reports = true}),
        .kv = kv_redis_new(&loop, &(struct kv_redis_options){.address = settings->redis}),
        .bus = bus_rdkafka_new(
            &loop, &(struct bus_rdkafka_options){.brokers = settings->kafka, .client_id = "audit"}),
    };
    verdict_init(&a.verdict);
    int code = judge(&a);
    verdict_free(&a.verdict);
    bus_close(a.facts.bus);
    kv_close(a.facts.kv);
    db_close(a.facts.db);
    loop_free(&loop);
    return code;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct config config = {.program = "audit",
                            .summary =
                                "Checks the promises I1 to I7: audit [EVENT]. Exit 0: they "
                                "hold; 98: one is broken; 1: could not look; 2: no such event.",
                            .options = options,
                            .count = array_len(options),
                            .target = &settings};
    enum config_verdict verdict = config_load(&config, argc, argv);
    uint64_t event_id = 0;
    int code = verdict == CONFIG_WRONG ? EXIT_USAGE : 0;

    if (verdict == CONFIG_RUN && config.rest[0] &&
        (!slice_to_u64(slice_str(config.rest[0]), &event_id) || event_id == 0)) {
        fprintf(stderr, "audit: '%s' is no event id\n", config.rest[0]);
        code = EXIT_USAGE;
    } else if (verdict == CONFIG_RUN && config.rest[0] && config.rest[1]) {
        fprintf(stderr, "audit: one event, or none for all\n");
        code = EXIT_USAGE;
    } else if (verdict == CONFIG_RUN) {
        log_setup(LOG_WARN, LOG_LOGFMT, 2);
        code = run(&settings, event_id);
    }
    config_free(&config);
    return code;
}
