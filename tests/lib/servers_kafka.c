#include "tests/lib/servers_kind.h"

#include "tests/lib/port.h"

#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *libs(const struct server *s)
{
    static char path[SERVER_PATH_MAX];
    const char *given = getenv("HOLDFAST_KAFKA_LIBS");

    snprintf(path, sizeof(path), "%s",
             given ? given : HOLDFAST_SOURCE_ROOT "/.holdfast/kafka/libs");
    if (access(path, R_OK) != 0)
        server_die(s,
                   "no jars in %s: run ./holdfast test once, or set HOLDFAST_KAFKA_LIBS to where "
                   "`mvn dependency:copy-dependencies` of org.apache.kafka:kafka_2.13 put them",
                   path);
    return path;
}

/* One a port: the first start may have to try several. */
static const char *config_name(const struct server *s)
{
    static char name[32];

    snprintf(name, sizeof(name), "kafka-%u.properties", s->port);
    return name;
}

static void write_config(const struct server *s, uint16_t controller_port)
{
    static const char format[] =
        "process.roles=broker,controller\n"
        "node.id=1\n"
        "controller.quorum.voters=1@127.0.0.1:%2$u\n"
        "listeners=PLAINTEXT://127.0.0.1:%1$u,CONTROLLER://127.0.0.1:%2$u\n"
        "advertised.listeners=PLAINTEXT://127.0.0.1:%1$u\n"
        "controller.listener.names=CONTROLLER\n"
        "inter.broker.listener.name=PLAINTEXT\n"
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
        "log.dirs=%3$s/data\n"
        "offsets.topic.replication.factor=1\n"
        "transaction.state.log.replication.factor=1\n"
        "transaction.state.log.min.isr=1\n"
        "min.insync.replicas=1\n"
        "group.initial.rebalance.delay.ms=0\n"
        "auto.create.topics.enable=false\n";
    char text[2048], path[SERVER_PATH_MAX];
    int len = snprintf(text, sizeof(text), format, s->port, controller_port, s->dir.path);

    temp_file(&s->dir, config_name(s), text, (size_t)len, path, sizeof(path));
}

static const char *class_path(const struct server *s)
{
    static char path[SERVER_PATH_MAX + 4];

    snprintf(path, sizeof(path), "%s/*", libs(s));
    return path;
}

static void format_storage(const struct server *s)
{
    const char *argv[] = {"java",
                          "-XX:+UseSerialGC",
                          "-XX:TieredStopAtLevel=1",
                          "-cp",
                          class_path(s),
                          "kafka.tools.StorageTool",
                          "format",
                          "-t",
                          "aG9sZGZhc3QtdGVzdHMhIQ",
                          "-c",
                          config_name(s),
                          "--ignore-formatted",
                          NULL};

    server_run(s, (char *const *)argv);
}

static void prepare(struct server *s)
{
    char config[SERVER_PATH_MAX];

    snprintf(s->address, sizeof(s->address), "127.0.0.1:%u", s->port);
    snprintf(config, sizeof(config), "%s/%s", s->dir.path, config_name(s));
    if (access(config, F_OK) == 0)
        return; /* started before */
    write_config(s, port_free());
    format_storage(s);
}

static void start(const struct server *s)
{
    execlp("java", "java", "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
           "-cp", class_path(s), "kafka.Kafka", config_name(s), (char *)NULL);
}

static rd_kafka_t *client_new(const struct server *s)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *client = NULL;

    if (rd_kafka_conf_set(conf, "bootstrap.servers", s->address, why, sizeof(why)) ==
            RD_KAFKA_CONF_OK &&
        rd_kafka_conf_set(conf, "log_level", "0", why, sizeof(why)) == RD_KAFKA_CONF_OK)
        client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (!client)
        server_die(s, "client: %s", why);
    return client;
}

/* The listener opens before the broker has a place in its own metadata. */
static bool ready(const struct server *s)
{
    const struct rd_kafka_metadata *metadata = NULL;
    bool is_ready = false;
    rd_kafka_t *client;

    if (!port_wait(s->port, 0))
        return false;
    client = client_new(s);
    if (rd_kafka_metadata(client, 0, NULL, &metadata, 2000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        is_ready = metadata->broker_cnt > 0;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_destroy(client);
    return is_ready;
}

static const struct server_kind kafka = {.name = "kafka",
                                         .stop_signal = SIGTERM,
                                         .ready_ms = 90000,
                                         .prepare = prepare,
                                         .exec = start,
                                         .ready = ready};

struct server *servers_kafka_start(void)
{
    return server_new(&kafka, true);
}

static void create(const struct server *s, rd_kafka_t *client, rd_kafka_NewTopic_t *topic)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_event_t *event;
    const rd_kafka_topic_result_t **results;
    size_t count = 0;

    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, 30000);
    if (!event || rd_kafka_event_error(event))
        server_die(s, "create topic: %s", event ? rd_kafka_event_error_string(event) : "no answer");
    results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    if (count != 1 || rd_kafka_topic_result_error(results[0]))
        server_die(s, "create topic: %s",
                   count == 1 ? rd_kafka_topic_result_error_string(results[0]) : "no result");
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
}

/* Until a leader is known for every partition. */
static bool has_leaders(rd_kafka_t *client, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    bool all = false;

    if (rd_kafka_metadata(client, 0, topic, &metadata, 2000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        all = metadata->topic_cnt == 1 && metadata->topics[0].partition_cnt > 0;
        for (int i = 0; all && i < metadata->topics[0].partition_cnt; i++)
            all = metadata->topics[0].partitions[i].leader >= 0;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(topic);
    return all;
}

void server_topic(const struct server *s, const char *name, int partitions, bool compacted)
{
    rd_kafka_t *client = client_new(s);
    char why[256];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, why, sizeof(why));

    if (compacted)
        rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
    create(s, client, topic);
    for (int i = 0; !has_leaders(client, name); i++) {
        if (i == 200)
            server_die(s, "topic %s gets no leader", name);
        usleep(20000);
    }
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_destroy(client);
}
