/* Private Redis, PostgreSQL and Kafka for tests: real servers on free loopback ports in temporary
 * directories, which a test may kill and start again.
 *
 *   struct server *redis = servers_redis_start();
 *   ... connect to redis->address ...
 *   server_kill9(redis);
 *   server_restart(redis);        same port, same directory
 *   server_stop(redis);           everything gone
 *
 * Every call blocks until what it says is true, and aborts with the server's log when it cannot be
 * made true. A server and its files go with the process that started it, however that ends. Several
 * checkouts may run at once. */
#ifndef HOLDFAST_TESTS_SERVERS_H
#define HOLDFAST_TESTS_SERVERS_H

#include "tests/lib/temp.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct server_kind;

struct server {
    uint16_t port;     /* on 127.0.0.1 */
    char address[256]; /* as the daemons' flags take it: "127.0.0.1:PORT", for PostgreSQL a
                          connection string */
    struct temp_dir dir;
    pid_t pid;                      /* 0: not running */
    const struct server_kind *kind; /* private, as the rest */
    bool durable;
    pid_t janitor;
    int janitor_pipe;
};

/* In memory only: after a kill it comes back empty. */
struct server *servers_redis_start(void);
/* With an append-only file, synced at every write: after a kill it comes back with everything it
 * acknowledged. */
struct server *servers_redis_start_durable(void);
/* An empty cluster of user postgres (trust) with an empty database "holdfast"; initdb runs once a
 * machine, its result is copied. fsync is off: what a killed process committed is kept, what a
 * killed machine committed is not. When root, it runs as the user postgres. */
struct server *servers_postgres_start(void);
/* One broker that is its own controller, no topics (they are not made by themselves). The jars are
 * in HOLDFAST_KAFKA_LIBS, else in .holdfast/kafka/libs of this checkout; without them the test
 * fails and says so. Start to ready takes 3-4 s. */
struct server *servers_kafka_start(void);

void server_kill9(
    struct server *s); /* SIGKILL to it and its children; returns when they are gone */
void server_restart(
    struct server *s); /* stops it first, in good order, if it runs; returns when it serves */
void server_pause(
    struct server *s); /* SIGSTOP to it and its children: connections stand, nothing is answered */
void server_resume(struct server *s);
void server_stop(struct server *s); /* kills it, removes its files, frees it; NULL is harmless */

/* Blocking conveniences over connections of their own. They abort when the server refuses. */

/* One command, words separated by single spaces; the answer as text ("" for nil, elements of arrays
 * separated by spaces). Valid until the next call. */
const char *server_redis(const struct server *s, const char *command);
/* Statements separated by semicolons; the first column of the last one's first row, "" when there
 * is none. Valid until the next call. */
const char *server_sql(const struct server *s, const char *sql);
void server_topic(const struct server *s, const char *name, int partitions, bool compacted);

#endif
