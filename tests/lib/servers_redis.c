#include "tests/lib/servers_kind.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void prepare(struct server *s)
{
    snprintf(s->address, sizeof(s->address), "127.0.0.1:%u", s->port);
}

static void start(const struct server *s)
{
    char port[8], sock[SERVER_PATH_MAX];

    snprintf(port, sizeof(port), "%u", s->port);
    snprintf(sock, sizeof(sock), "%s/redis.sock", s->dir.path);
    execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--unixsocket",
           sock, "--dir", s->dir.path, "--save", "", "--appendonly", s->durable ? "yes" : "no",
           "--appendfsync", "always", "--daemonize", "no", (char *)NULL);
}

static redisContext *connect_to(const struct server *s)
{
    return redisConnectWithTimeout("127.0.0.1", s->port, (struct timeval){.tv_sec = 5});
}

static bool ready(const struct server *s)
{
    redisContext *c = connect_to(s);
    redisReply *reply = c && !c->err ? redisCommand(c, "PING") : NULL;
    bool is_ready = reply && reply->type == REDIS_REPLY_STATUS;

    if (reply)
        freeReplyObject(reply);
    if (c)
        redisFree(c);
    return is_ready;
}

static const struct server_kind redis = {.name = "redis",
                                         .stop_signal = SIGTERM,
                                         .ready_ms = 15000,
                                         .prepare = prepare,
                                         .exec = start,
                                         .ready = ready};

struct server *servers_redis_start(void)
{
    return server_new(&redis, false);
}

struct server *servers_redis_start_durable(void)
{
    return server_new(&redis, true);
}

static void append(char *text, size_t size, const redisReply *reply)
{
    size_t len = strlen(text);

    if (reply->type == REDIS_REPLY_INTEGER) {
        snprintf(text + len, size - len, "%lld", reply->integer);
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        for (size_t i = 0; i < reply->elements; i++) {
            if (i > 0)
                snprintf(text + strlen(text), size - strlen(text), " ");
            append(text, size, reply->element[i]);
        }
    } else if (reply->type != REDIS_REPLY_NIL) {
        snprintf(text + len, size - len, "%.*s", (int)reply->len, reply->str);
    }
}

const char *server_redis(const struct server *s, const char *command)
{
    static char text[65536];
    redisContext *c = connect_to(s);
    redisReply *reply = c && !c->err ? redisCommand(c, command) : NULL;

    if (!reply || reply->type == REDIS_REPLY_ERROR)
        server_die(s, "%s: %s", command, reply ? reply->str : "no answer");
    text[0] = '\0';
    append(text, sizeof(text), reply);
    freeReplyObject(reply);
    redisFree(c);
    return text;
}
