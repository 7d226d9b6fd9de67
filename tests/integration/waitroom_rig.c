#include "tests/integration/waitroom_rig.h"

#include "engine/base/mem.h"
#include "engine/store/migrate.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>

struct temp_dir dir;
struct server *redis, *postgres;
struct daemon_run workers[2];
struct daemon_run *room;
struct token_keys keys;
struct answer a;
static char keys_path[200], pem_path[200], web_path[200];

static void write_pass_key(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    FILE *f;

    snprintf(pem_path, sizeof(pem_path), "%s/pass.pem", dir.path);
    f = fopen(pem_path, "we");
    cr_assert(f && key && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
    fclose(f);
    EVP_PKEY_free(key);
}

static void write_files(void)
{
    char why[200], path[300];

    dir = temp_dir_new();
    temp_file(&dir, "keys", KEY_LINE, strlen(KEY_LINE), keys_path, sizeof(keys_path));
    cr_assert_eq(token_keys_load(&keys, keys_path, why, sizeof(why)), STATUS_OK);
    write_pass_key();
    snprintf(web_path, sizeof(web_path), "%s/web", dir.path);
    cr_assert_eq(mkdir(web_path, 0700), 0);
    temp_file(&dir, "web/index.html", "<!doctype html><title>x</title>", 31, path, sizeof(path));
    temp_file(&dir, "web/.secret.txt", "no", 2, path, sizeof(path));
}

void start_worker(struct daemon_run *d, const char *name)
{
    char log[300];
    const char *argv[] = {WAITROOM_BINARY,
                          "--redis",
                          redis->address,
                          "--database",
                          postgres->address,
                          "--ticket-keys",
                          keys_path,
                          "--pass-key",
                          pem_path,
                          "--web-root",
                          web_path,
                          "--pause-seconds",
                          "1",
                          "--public-url",
                          "http://tickets.example",
                          "--queues",
                          "4",
                          NULL};

    snprintf(log, sizeof(log), "%s/%s.log", dir.path, name);
    daemon_run_start(d, argv, ADMIN, log);
    do {
        poll(NULL, 0, 5);
        call(&a, d->ops_port, "GET", "/readyz", NULL, NULL);
    } while (a.status != 200);
}

void open_house(void)
{
    struct buf report;

    write_files();
    redis = servers_redis_start();
    postgres = servers_postgres_start();
    buf_init(&report, 64 * 1024);
    cr_assert_eq(migrate_run(postgres->address, SQL_DIR, &report), STATUS_OK, "%.*s",
                 SLICE_ARG(buf_slice(&report)));
    buf_free(&report);
    for (int i = 0; i < 3; i++)
        server_sql(postgres,
                   "INSERT INTO event (name, venue, starts_at, currency, has_queue, seat_count) "
                   "VALUES ('x', '{}', now(), 'EUR', true, 10)");
    room = &workers[0];
    start_worker(room, "room");
}

void close_house(void)
{
    for (size_t i = 0; i < array_len(workers); i++) {
        if (workers[i].pid > 0)
            cr_assert_eq(daemon_run_stop(&workers[i]), 0, "exit code");
    }
    answer_free(&a);
    token_keys_free(&keys);
    server_stop(redis);
    server_stop(postgres);
    temp_dir_free(&dir);
}

/* ---- calls ---- */

int admin(const char *method, const char *path, const char *body)
{
    const char *const headers[] = {"Authorization: Bearer " ADMIN, NULL};
    char full[200];

    snprintf(full, sizeof(full), "/admin/v1/queues/%s", path);
    call(&a, room->ops_port, method, full, headers, body);
    return a.status;
}

void open_queue(const char *settings)
{
    cr_assert_eq(admin("PUT", "1", settings), 200, "%s", a.body);
}

int join_with(struct daemon_run *d, const char *join_id)
{
    char body[100];

    snprintf(body, sizeof(body), "{\"joinId\":\"%s\"}", join_id);
    call(&a, d->port, "POST", "/v1/queues/1/tickets", NULL, body);
    return a.status;
}

struct person join(void)
{
    struct uuid id = uuid_v4_secret();
    struct person p;

    uuid_format(&id, p.join_id);
    cr_assert_eq(join_with(room, p.join_id), 201, "%s", a.body);
    snprintf(p.ticket, sizeof(p.ticket), "%s", answer_str(&a, "ticket"));
    return p;
}

int with_ticket(struct daemon_run *d, const char *method, const char *path, const char *ticket)
{
    char header[200];
    const char *const headers[] = {header, NULL};

    snprintf(header, sizeof(header), "Authorization: Ticket %s", ticket);
    call(&a, d->port, method, path, headers, NULL);
    return a.status;
}

int me(const char *ticket)
{
    return with_ticket(room, "GET", "/v1/queues/1/tickets/me", ticket);
}

int pass(const char *ticket)
{
    return with_ticket(room, "POST", "/v1/queues/1/passes", ticket);
}

int status_doc(void)
{
    call(&a, room->port, "GET", "/v1/queues/1", NULL, NULL);
    return a.status;
}

void expect_problem(int status, const char *code)
{
    cr_assert_eq(a.status, status, "%d %s", a.status, a.body);
    cr_assert_str_eq(answer_header(&a, "content-type"), "application/problem+json");
    cr_assert_str_eq(answer_str(&a, "code"), code);
}
