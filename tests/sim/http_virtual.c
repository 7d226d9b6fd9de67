#include "tests/sim/http_virtual.h"

#include "engine/base/mem.h"
#include "engine/net/http_client.h"
#include "tests/sim/stores.h"
#include "tests/sim/trouble.h"

struct http_client {
    struct host *host;
    struct metric_group group;
};

void (*virtual_server)(struct virtual_call *call);

struct job {
    struct host *host;
    struct http_fetch *fetch; /* NULL: nobody waits */
    struct sim_event progress, deadline, freeze;
    int64_t frozen_ns; /* its engine stops before this is on its way, for so long */
    struct virtual_call call;
    char *path, *body, *key;
    enum status failed;
};

struct http_client *http_client_new(struct loop *l, const char *name)
{
    struct http_client *c = mem_alloc(sizeof(*c));

    (void)l;
    (void)name;
    c->host = world.current;
    return c;
}

void http_client_free(struct http_client *c)
{
    mem_free(c);
}

struct metric_group *http_client_metrics(struct http_client *c)
{
    return &c->group;
}

static void complete(struct job *j, enum status status)
{
    struct http_fetch *fetch = j->fetch;
    struct host *was;

    j->fetch = NULL;
    if (!fetch || !j->host->alive)
        return;
    was = world_enter(j->host);
    fetch->http_status = j->call.http_status;
    buf_init(&fetch->answer, 256 * 1024);
    buf_append_slice(&fetch->answer, buf_slice(&j->call.answer));
    fetch->cb(fetch, status);
    world_enter(was);
}

static void late(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, deadline);

    if (!world_put_off(e, j->host))
        complete(j, STATUS_TIMEOUT);
}

static void answer(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, progress);

    if (world_put_off(e, j->host))
        return;
    world_cancel(&j->deadline);
    complete(j, j->failed);
    buf_free(&j->call.answer);
    mem_free(j->path);
    mem_free(j->body);
    mem_free(j->key);
    mem_free(j);
}

static void serve(struct job *j)
{
    buf_free(&j->call.answer);
    j->call.pause_ns = 0;
    j->call.http_status = 0;
    virtual_server(&j->call);
}

static void arrive(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, progress);

    if (happens(stores.faults.pay_not_run)) {
        j->failed = chance(2) ? STATUS_UNAVAILABLE : STATUS_TIMEOUT;
    } else {
        serve(j);
        if (happens(stores.faults.pay_twice))
            serve(j);
        if (happens(stores.faults.pay_lost))
            j->failed = STATUS_TIMEOUT;
    }
    if (j->frozen_ns)
        trouble_charged(j->host);
    world_at(e, NULL, latency_ns(stores.faults.slow) + j->call.pause_ns, answer);
}

static void freeze(struct sim_event *e)
{
    struct job *j = container_of(e, struct job, freeze);

    trouble_freeze(j->host, j->frozen_ns);
}

/* Checked its lease, and was stopped before the request was on the wire: for longer than a lease
 * mostly. */
static void hesitate(struct job *j)
{
    j->frozen_ns = (2000 + (int64_t)chance(7000)) * MS;
    world_at(&j->freeze, NULL, 0, freeze);
    world_at(&j->progress, NULL, j->frozen_ns - MS, arrive);
}

static char *header(const struct http_fetch *fetch, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; fetch->headers && fetch->headers[i]; i++) {
        if (strncmp(fetch->headers[i], name, len) == 0)
            return mem_strdup(fetch->headers[i] + len);
    }
    return mem_strdup("");
}

/* "http://provider/v1/..." */
enum status http_fetch_submit(struct http_client *c, struct http_fetch *fetch)
{
    struct host *was = world_enter(NULL);
    struct job *j = mem_alloc(sizeof(*j));

    j->host = c->host;
    j->fetch = fetch;
    j->path = mem_strdup(strchr(fetch->url + sizeof("http://") - 1, '/'));
    j->body = mem_strndup(fetch->body.at, fetch->body.len);
    j->key = header(fetch, "Idempotency-Key: ");
    j->call = (struct virtual_call){
        .path = slice_str(j->path), .body = slice_str(j->body), .key = slice_str(j->key)};
    buf_init(&j->call.answer, 65536);
    world_at(&j->progress, NULL, latency_ns(stores.faults.slow), arrive);
    world_at(&j->deadline, NULL, (int64_t)fetch->deadline_ms * MS, late);
    if (slice_is(j->call.path, "/v1/charges") && happens(stores.faults.pay_frozen))
        hesitate(j);
    world_enter(was);
    return STATUS_OK;
}

void http_fetch_release(struct http_fetch *fetch)
{
    buf_free(&fetch->answer);
}
