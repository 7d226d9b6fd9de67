# shellcheck shell=bash
# The private Redis: holds and queues of a running sale, appended to a file once a second, never evicted.

redis_start() {
    REDIS_DATA=$STATE/redis
    mkdir -p "$REDIS_DATA"
    ports_check "$REDIS_PORT:redis"
    write_config "$ROOT/deploy/redis.conf.in" "$CONF/redis.conf"
    part_start redis TERM "$(cksum <"$CONF/redis.conf")" redis-server "$CONF/redis.conf"
}

# Answers PONG only when the append-only file has been read.
redis_ready() { [ "$(redis-cli -h 127.0.0.1 -p "$REDIS_PORT" ping 2>/dev/null)" = PONG ]; }

redis_wait() { part_wait redis 60 redis_ready; }
