/* Kafka behind a network. What one engine sends arrives in the order it was sent; while Kafka is
 * away it waits, at most 10 s; an acknowledgement may be lost, a message be there twice. */
#include "tests/sim/stores.h"

#include "engine/base/mem.h"

enum { AWAY_MAX_MS = 10000, AWAY_PAUSE_MS = 100 };

struct fake_bus {
    struct bus bus;
    struct host *host;
    int64_t arrives_ns;
    bool cut;            /* what its dead engine had not sent yet is lost, and all behind it */
    struct list waiting; /* struct job: while Kafka is away */
    struct sim_event again;
    struct list link;
};

struct job {
    struct fake_bus *conn;
    struct bus_send *send;
    struct sim_event progress;
    struct list link;
    struct news news;
    int64_t since_ns;
    enum status status;
};

static void release(struct news *n)
{
    mem_free(n->topic);
    mem_free(n->key);
    mem_free(n->payload);
    mem_free(n->type);
}

static void answer(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, progress);
    struct host *h = j->conn->host;

    if (world_put_off(e, h))
        return;
    release(&j->news);
    world_enter(h);
    if (h->alive)
        j->send->cb(j->send, j->status);
    world_enter(NULL);
    mem_free(j);
}

static struct news *news_next(void)
{
    if (stores.news_count == stores.news_cap) {
        stores.news_cap = stores.news_cap ? 2 * stores.news_cap : 64;
        stores.news = mem_resize(stores.news, stores.news_cap * sizeof(*stores.news));
    }
    return &stores.news[stores.news_count++];
}

static void keep(const struct news *n)
{
    *news_next() =
        (struct news){mem_strdup(n->topic), mem_strdup(n->key),
                      mem_strndup(n->payload, n->payload_len), mem_strdup(n->type), n->payload_len};
}

static void deliver(struct job *j)
{
    TRACE("kafka <- engine %u: %s %s %.100s", j->conn->host->id, j->news.topic, j->news.type,
          j->news.payload);
    world_mark_bytes(j->news.payload, j->news.payload_len);
    if (!stores.bus_forgets || ++stores.bus_count % stores.bus_forgets)
        keep(&j->news);
    if (happens(stores.faults.bus_twice))
        keep(&j->news);
    j->status = happens(stores.faults.bus_lost) ? STATUS_TIMEOUT : STATUS_OK;
    world_at(&j->progress, NULL, latency_ns(0), answer);
}

/* One that has waited too long takes those behind it along: they would overtake it. */
static void pump(struct sim_event *e)
{
    struct fake_bus *c = container_of(e, struct fake_bus, again);
    struct list *link;
    bool failing = false;

    if (world_put_off(e, c->host)) /* what waits, waits in the engine */
        return;
    if (!list_empty(&c->waiting) && stores.kafka_away)
        failing = world.now_ns - list_entry(c->waiting.next, struct job, link)->since_ns >=
                  AWAY_MAX_MS * MS;
    while ((!stores.kafka_away || failing) && (link = list_pop_front(&c->waiting))) {
        struct job *j = list_entry(link, struct job, link);

        if (!failing) {
            deliver(j);
            continue;
        }
        j->status = STATUS_TIMEOUT;
        world_at(&j->progress, NULL, latency_ns(0), answer);
    }
    if (!list_empty(&c->waiting))
        world_at(e, NULL, AWAY_PAUSE_MS * MS, pump);
}

static void arrive(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, progress);
    struct fake_bus *c = j->conn;

    c->cut = c->cut || (!c->host->alive && chance(2));
    if (c->cut) {
        release(&j->news);
        mem_free(j);
    } else if (stores.kafka_away || !list_empty(&c->waiting)) {
        list_push_back(&c->waiting, &j->link);
        if (!c->again.at)
            world_at(&c->again, NULL, AWAY_PAUSE_MS * MS, pump);
    } else {
        deliver(j);
    }
}

static enum status fake_send(struct bus *bus, struct bus_send *send, const char *topic,
                             struct slice key, struct slice payload,
                             const struct bus_header *headers, size_t header_count)
{
    struct fake_bus *c = container_of(bus, struct fake_bus, bus);
    struct host *was = world_enter(NULL);
    struct job *j = mem_alloc(sizeof(*j));
    struct slice type = SLICE_LITERAL("");
    int64_t at = world.now_ns + latency_ns(0);

    for (size_t i = 0; i < header_count; i++)
        type = strcmp(headers[i].name, "ce_type") == 0 ? headers[i].value : type;
    j->conn = c;
    list_init(&j->link);
    j->send = send;
    j->since_ns = world.now_ns;
    j->news = (struct news){mem_strdup(topic), mem_strndup(key.at, key.len),
                            mem_strndup(payload.at, payload.len), mem_strndup(type.at, type.len),
                            payload.len};
    c->arrives_ns = at > c->arrives_ns ? at : c->arrives_ns + 1;
    world_at(&j->progress, NULL, c->arrives_ns - world.now_ns, arrive);
    world_enter(was);
    return STATUS_OK;
}

static bool fake_ready(struct bus *bus, const char **ret_why)
{
    (void)bus;
    (void)ret_why;
    return !stores.kafka_away;
}

static const struct bus_ops ops = {.send = fake_send, .ready = fake_ready};

/* Lives until the world ends: messages outlive their engine. */
struct bus *bus_connect(void)
{
    struct host *host = world_enter(NULL);
    struct fake_bus *c = mem_alloc(sizeof(*c));

    c->bus.ops = &ops;
    c->host = host;
    list_init(&c->waiting);
    list_push_back(&stores.buses, &c->link);
    world_enter(host);
    return &c->bus;
}

/* Its messages wait no more: what is not on the topic by now never will be. */
void fake_bus_end(void)
{
    struct list *link;

    while ((link = list_pop_front(&stores.buses))) {
        struct fake_bus *c = list_entry(link, struct fake_bus, link);

        while ((link = list_pop_front(&c->waiting))) {
            struct job *j = list_entry(link, struct job, link);

            release(&j->news);
            mem_free(j);
        }
        mem_free(c);
    }
    for (size_t i = 0; i < stores.news_count; i++)
        release(&stores.news[i]);
    mem_free(stores.news);
}
