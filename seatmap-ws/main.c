/* seatmap-ws: Kafka in, browsers out. */
#include "engine/net/daemon.h"
#include "engine/store/bus_rdkafka.h"
#include "seatmap-ws/feed.h"
#include "seatmap-ws/seatmap_api.h"

struct settings {
    struct daemon_settings daemon;
    const char *kafka, *origins;
    int64_t rooms, tick_ms, slow_ms;
};

static const struct config_option options[] = {
    DAEMON_OPTIONS(struct settings, daemon, "8083", "9083"),
    {"kafka", CONFIG_STR, offsetof(struct settings, kafka), "127.0.0.1:8092", 0, 0, false,
     "bootstrap servers of Kafka"},
    {"origins", CONFIG_STR, offsetof(struct settings, origins), NULL, 0, 0, false,
     "other origins whose pages may connect, separated by commas"},
    {"rooms", CONFIG_INT, offsetof(struct settings, rooms), "4096", 1, 1000000, false,
     "events known at once, at most"},
    {"tick-ms", CONFIG_INT, offsetof(struct settings, tick_ms), "100", 10, 10000, false,
     "milliseconds between two diffs, at least"},
    {"slow-ms", CONFIG_INT, offsetof(struct settings, slow_ms), "30000", 1000, 3600000, false,
     "milliseconds after which a viewer that takes nothing is closed"},
};

static bool kafka_ready(void *ctx, const char **ret_why)
{
    return bus_ready(ctx, ret_why);
}

static int serve(const struct settings *settings)
{
    struct daemon d;
    struct feed feed;
    int code = 1;

    daemon_init(&d, "seatmap-ws", &settings->daemon);
    struct hub *hub =
        hub_new(&d.loop, &(struct hub_options){.sessions_max = (size_t)settings->daemon.connections,
                                               .rooms_max = (size_t)settings->rooms,
                                               .tick_ms = (unsigned)settings->tick_ms,
                                               .slow_ms = (unsigned)settings->slow_ms});
    struct bus *bus =
        bus_rdkafka_new(&d.loop, &(struct bus_rdkafka_options){.brokers = settings->kafka,
                                                               .client_id = "seatmap-ws"});
    struct daemon_check check = {.name = "kafka", .ready = kafka_ready, .ctx = bus};
    struct seatmap_api api = {.hub = hub, .origins = settings->origins};

    daemon_check_add(&d, &check);
    metric_page_add(&d.metrics, hub_metrics(hub));
    metric_page_add(&d.metrics, bus_rdkafka_metrics(bus));
    seatmap_api_add(&api, &d.router);
    enum status status = feed_start(&feed, bus, hub);
    if (status == STATUS_OK) {
        code = daemon_run(&d);
        feed_stop(&feed);
    } else {
        log_error("seatmap-ws", "could not read the topics", log_status(status));
    }
    bus_close(bus);
    hub_free(hub);
    daemon_free(&d);
    return code;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct config config = {
        .program = "seatmap-ws",
        .summary = "Shows every seat change of an event to every browser that looks at it.",
        .options = options,
        .count = array_len(options),
        .target = &settings};
    enum config_verdict verdict = config_load(&config, argc, argv);
    int code = verdict == CONFIG_WRONG ? 2 : 0;

    if (verdict == CONFIG_RUN)
        code = serve(&settings);
    config_free(&config);
    return code;
}
