#include "tests/lib/servers_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

/* The newest version under the distribution's directory, or what HOLDFAST_PG_BIN says. */
static const char *bin(const char *program)
{
    static char path[SERVER_PATH_MAX];
    const char *given = getenv("HOLDFAST_PG_BIN");
    glob_t found = {0};
    char pattern[128];

    snprintf(pattern, sizeof(pattern), "/usr/lib/postgresql/*/bin/%s", program);
    if (given)
        snprintf(path, sizeof(path), "%s/%s", given, program);
    else if (glob(pattern, 0, NULL, &found) == 0)
        snprintf(path, sizeof(path), "%s", found.gl_pathv[found.gl_pathc - 1]);
    else
        snprintf(path, sizeof(path), "%s", program);
    globfree(&found);
    return path;
}

/* The name tells the version and who made it, so that an upgrade or another user makes another. */
static void template_path(char ret_path[SERVER_PATH_MAX])
{
    const char *base = getenv("TMPDIR"), *program = bin("initdb");
    unsigned hash = 5381;

    for (const char *c = program; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    snprintf(ret_path, SERVER_PATH_MAX, "%s/holdfast-postgres-template-%u-%08x",
             base ? base : "/tmp", (unsigned)geteuid(), hash);
}

static void run(const struct server *s, const char *a, const char *b, const char *c, const char *d)
{
    const char *argv[] = {a, b, c, d, NULL};

    server_run(s, (char *const *)argv);
}

static void initdb(const struct server *s, const char *at)
{
    const char *argv[] = {bin("initdb"),
                          "-D",
                          at,
                          "-U",
                          "postgres",
                          "-A",
                          "trust",
                          "-E",
                          "UTF8",
                          "--locale=C.UTF-8",
                          "--no-sync",
                          "--no-instructions",
                          "--wal-segsize=1",
                          NULL};

    server_run(s, (char *const *)argv);
}

/* In single-user mode: a database without a running server. */
static void create_database(const struct server *s, const char *at)
{
    char command[2 * SERVER_PATH_MAX];

    snprintf(command, sizeof(command),
             "echo 'CREATE DATABASE holdfast' | '%s' --single -D '%s' postgres", bin("postgres"),
             at);
    run(s, "/bin/sh", "-c", command, NULL);
}

/* Made by the first test of the machine while the others wait; complete or absent. */
static void make_template(const struct server *s, const char *template)
{
    char lock_path[SERVER_PATH_MAX + 8], fresh[SERVER_PATH_MAX];
    int lock;

    snprintf(lock_path, sizeof(lock_path), "%s.lock", template);
    lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) != 0)
        server_die(s, "%s: %s", lock_path, strerror(errno));
    if (access(template, F_OK) != 0) {
        snprintf(fresh, sizeof(fresh), "%s/template", s->dir.path);
        initdb(s, fresh);
        create_database(s, fresh);
        if (rename(fresh, template) != 0)
            server_die(s, "%s: %s", template, strerror(errno));
    }
    close(lock);
}

static void prepare(struct server *s)
{
    char template[SERVER_PATH_MAX], data[SERVER_PATH_MAX];

    snprintf(s->address, sizeof(s->address), "host=127.0.0.1 port=%u user=postgres dbname=holdfast",
             s->port);
    snprintf(data, sizeof(data), "%s/data", s->dir.path);
    if (access(data, F_OK) == 0)
        return; /* started before */
    template_path(template);
    make_template(s, template);
    run(s, "cp", "-a", template, data);
}

static void start(const struct server *s)
{
    const char *program = bin("postgres"); /* its own name too: by that it finds its libraries */
    char port[16], data[SERVER_PATH_MAX], sockets[SERVER_PATH_MAX];

    snprintf(port, sizeof(port), "%u", s->port);
    snprintf(data, sizeof(data), "%s/data", s->dir.path);
    snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s", s->dir.path);
    execl(program, program, "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c",
          sockets, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=32MB",
          "-c", "max_connections=200", "-c", "dynamic_shared_memory_type=mmap", (char *)NULL);
}

/* A killed one leaves the System V segment that guards its directory, of which the kernel has 4,096
 * for all: line 7 of postmaster.pid has its key and id. */
static void forget(const struct server *s)
{
    char path[SERVER_PATH_MAX], line[SERVER_PATH_MAX];
    unsigned long key;
    int id = -1;
    FILE *f;

    snprintf(path, sizeof(path), "%s/data/postmaster.pid", s->dir.path);
    f = fopen(path, "re");
    for (int i = 0; f && i < 7; i++) {
        if (!fgets(line, sizeof(line), f))
            break;
        if (i == 6 && sscanf(line, "%lu %d", &key, &id) == 2)
            shmctl(id, IPC_RMID, NULL);
    }
    if (f)
        fclose(f);
}

static bool ready(const struct server *s)
{
    return PQping(s->address) == PQPING_OK;
}

/* SIGINT: "fast", clients are disconnected. */
static const struct server_kind postgres = {.name = "postgresql",
                                            .stop_signal = SIGINT,
                                            .ready_ms = 30000,
                                            .user = "postgres",
                                            .prepare = prepare,
                                            .exec = start,
                                            .ready = ready,
                                            .forget = forget};

struct server *servers_postgres_start(void)
{
    return server_new(&postgres, true);
}

static void ignore_notice(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
}

const char *server_sql(const struct server *s, const char *sql)
{
    static char text[65536];
    PGconn *c = PQconnectdb(s->address);
    PGresult *result;

    PQsetNoticeProcessor(c, ignore_notice, NULL);
    result = PQexec(c, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
        server_die(s, "%s: %s", sql, PQerrorMessage(c));
    text[0] = '\0';
    if (PQntuples(result) > 0 && PQnfields(result) > 0)
        snprintf(text, sizeof(text), "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(c);
    return text;
}
