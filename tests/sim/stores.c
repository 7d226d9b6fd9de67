#include "tests/sim/stores.h"

#include "engine/base/mem.h"

struct stores stores;

void stores_begin(void)
{
    memset(&stores, 0, sizeof(stores));
    redis_init(&stores.redis);
    redis_init(&stores.stale);
    pg_init(&stores.pg);
    list_init(&stores.kvs);
    list_init(&stores.dbs);
    list_init(&stores.buses);
    memcpy(stores.run_id, "run0", 5);
}

void stores_forget(struct host *h)
{
    fake_kv_forget(h);
    fake_db_forget(h);
}

void stores_end(void)
{
    redis_free(&stores.redis);
    redis_free(&stores.stale);
    pg_free(&stores.pg);
    fake_bus_end();
}
