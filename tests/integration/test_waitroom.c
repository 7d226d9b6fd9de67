/* The waiting room as its clients see it: real processes, real Redis, real PostgreSQL. */
#include "engine/base/jwt.h"
#include "engine/base/mem.h"
#include "engine/base/uuid.h"
#include "engine/store/migrate.h"
#include "tests/lib/call.h"
#include "tests/lib/daemon_run.h"
#include "tests/lib/servers.h"
#include "waitroom/place.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(waitroom, .timeout = 120);

#define ADMIN    "admin-secret"
#define KEY_LINE "9 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"

static struct temp_dir dir;
static struct server *redis, *postgres;
static struct daemon_run workers[2];
static struct daemon_run *room; /* workers[0] */
static char keys_path[200], pem_path[200], web_path[200];
static struct token_keys keys;
static struct answer a; /* of the last call */

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

static void start_worker(struct daemon_run *d, const char *name)
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

static void open_house(void)
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

/* Whatever a test did, its daemons end in order. */
static void close_house(void)
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

static int admin(const char *method, const char *path, const char *body)
{
    const char *const headers[] = {"Authorization: Bearer " ADMIN, NULL};
    char full[200];

    snprintf(full, sizeof(full), "/admin/v1/queues/%s", path);
    call(&a, room->ops_port, method, full, headers, body);
    return a.status;
}

static void open_queue(const char *settings)
{
    cr_assert_eq(admin("PUT", "1", settings), 200, "%s", a.body);
}

#define OPEN "\"opensAt\":\"2020-01-01T00:00:00Z\""

static int join_with(struct daemon_run *d, const char *join_id)
{
    char body[100];

    snprintf(body, sizeof(body), "{\"joinId\":\"%s\"}", join_id);
    call(&a, d->port, "POST", "/v1/queues/1/tickets", NULL, body);
    return a.status;
}

struct person {
    char join_id[UUID_TEXT_SIZE];
    char ticket[TOKEN_TEXT_MAX + 1];
};

static struct person join(void)
{
    struct uuid id = uuid_v4_secret();
    struct person p;

    uuid_format(&id, p.join_id);
    cr_assert_eq(join_with(room, p.join_id), 201, "%s", a.body);
    snprintf(p.ticket, sizeof(p.ticket), "%s", answer_str(&a, "ticket"));
    return p;
}

static int with_ticket(struct daemon_run *d, const char *method, const char *path,
                       const char *ticket)
{
    char header[200];
    const char *const headers[] = {header, NULL};

    snprintf(header, sizeof(header), "Authorization: Ticket %s", ticket);
    call(&a, d->port, method, path, headers, NULL);
    return a.status;
}

static int me(const char *ticket)
{
    return with_ticket(room, "GET", "/v1/queues/1/tickets/me", ticket);
}

static int pass(const char *ticket)
{
    return with_ticket(room, "POST", "/v1/queues/1/passes", ticket);
}

static int status_doc(void)
{
    call(&a, room->port, "GET", "/v1/queues/1", NULL, NULL);
    return a.status;
}

/* Asks again until `condition` holds; the test's timeout ends it otherwise. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        poll(NULL, 0, 10);                                                                         \
    } while (!(condition))

#define is(key, value) (strcmp(answer_str(&a, key), value) == 0)

static void expect_problem(int status, const char *code)
{
    cr_assert_eq(a.status, status, "%d %s", a.status, a.body);
    cr_assert_str_eq(answer_header(&a, "content-type"), "application/problem+json");
    cr_assert_str_eq(answer_str(&a, "code"), code);
}

/* ---- the way through ---- */

Test(waitroom, from_join_to_pass, .init = open_house, .fini = close_house)
{
    struct jwt_keys *jwks;
    struct jwt_claims claims;
    struct person p;
    char first[JWT_MAX];

    open_queue("{\"ratePerMinute\":60000,\"maxActive\":10," OPEN "}");
    p = join();
    cr_assert_eq(answer_int(&a, "number"), 0);
    cr_assert(is("phase", "open"));
    UNTIL(pass(p.ticket) != 202);
    cr_assert_eq(a.status, 201);
    snprintf(first, sizeof(first), "%s", answer_str(&a, "pass"));
    cr_assert_eq(pass(p.ticket), 200);
    cr_assert_str_eq(answer_str(&a, "pass"), first, "the same pass, byte for byte");
    cr_assert_eq(me(p.ticket), 200);
    cr_assert(is("state", "admitted"));

    call(&a, room->port, "GET", "/.well-known/jwks.json", NULL, NULL);
    cr_assert_eq(jwt_keys_parse(slice_of(a.body, a.body_len), &jwks), STATUS_OK);
    cr_assert_eq(jwt_verify(jwks, slice_str(first), clock_wall_ms(&clock_system) / 1000, &claims),
                 STATUS_OK);
    cr_assert_str_eq(claims.audience, "1");
    cr_assert_str_eq(claims.subject, "0");
    cr_assert_eq(claims.expires_s - claims.issued_s, 600);
    jwt_keys_free(jwks);
}

Test(waitroom, same_join_id_same_ticket_on_every_worker, .init = open_house, .fini = close_house)
{
    struct person p;

    start_worker(&workers[1], "other");
    open_queue("{\"ratePerMinute\":0," OPEN "}");
    p = join();
    cr_assert_eq(join_with(room, p.join_id), 200);
    cr_assert_str_eq(answer_str(&a, "ticket"), p.ticket);
    cr_assert_eq(join_with(&workers[1], p.join_id), 200);
    cr_assert_str_eq(answer_str(&a, "ticket"), p.ticket);
    cr_assert_eq(answer_int(&a, "number"), 0);
    cr_assert_eq(with_ticket(&workers[1], "GET", "/v1/queues/1/tickets/me", p.ticket), 200);
    cr_assert(is("state", "waiting"));
}

Test(waitroom, pass_of_an_ended_session_is_over, .init = open_house, .fini = close_house)
{
    struct person p;
    const char *jti;

    open_queue("{\"ratePerMinute\":60000," OPEN "}");
    p = join();
    UNTIL(pass(p.ticket) == 201);
    jti = server_redis(redis, "ZRANGE {e1}:q:active 0 0");
    cr_assert_eq(strlen(jti), 36);
    {
        char command[120];

        snprintf(command, sizeof(command), "HSET {e1}:sess:%s state booked", jti);
        server_redis(redis, command);
    }
    pass(p.ticket);
    expect_problem(410, "turn_missed");
    cr_assert_eq(me(p.ticket), 200);
    cr_assert(is("state", "missed"));
}

Test(waitroom, prequeue_hides_numbers, .init = open_house, .fini = close_house)
{
    struct person p;

    open_queue("{\"prequeueAt\":\"2020-01-01T00:00:00Z\",\"opensAt\":\"2100-01-01T00:00:00Z\"}");
    p = join();
    cr_assert(is("phase", "prequeue"));
    cr_assert(answer_is_null(&a, "number") && answer_is_null(&a, "position") &&
              answer_is_null(&a, "etaSeconds"));
    cr_assert_eq(me(p.ticket), 200);
    cr_assert(is("state", "prequeue"));
    cr_assert(answer_is_null(&a, "number"));
    cr_assert_eq(pass(p.ticket), 202);
    cr_assert_str_neq(answer_header(&a, "retry-after"), "");
    cr_assert_eq(admin("POST", "1/open", NULL), 200);
    cr_assert(is("phase", "open"));
    UNTIL(me(p.ticket) == 200 && !is("state", "prequeue"));
    cr_assert_eq(answer_int(&a, "number"), 0);
}

Test(waitroom, status_is_cacheable, .init = open_house, .fini = close_house)
{
    char header[100];
    const char *const headers[] = {header, NULL};

    open_queue("{\"ratePerMinute\":0," OPEN "}");
    join();
    UNTIL(status_doc() == 200 && answer_int(&a, "waiting") == 1);
    cr_assert(is("eventId", "1") && is("phase", "open"));
    cr_assert(answer_is_null(&a, "draw") && answer_is_null(&a, "seatsLeft"));
    cr_assert_str_eq(answer_header(&a, "cache-control"), "public, max-age=1");
    snprintf(header, sizeof(header), "If-None-Match: %s", answer_header(&a, "etag"));
    call(&a, room->port, "GET", "/v1/queues/1", headers, NULL);
    cr_assert_eq(a.status, 304);
    cr_assert_eq(a.body_len, 0);
    server_redis(redis, "SET {e1}:q:seatsleft 55,1000,2000,EUR");
    UNTIL(status_doc() == 200 && !answer_is_null(&a, "seatsLeft"));
    cr_assert_eq(answer_int(&a, "seatsLeft"), 55);
    cr_assert_eq(answer_int(&a, "priceFrom"), 1000);
    call(&a, room->port, "GET", "/v1/queues/1", headers, NULL);
    cr_assert_eq(a.status, 200, "something changed");
}

/* ---- what an operator does ---- */

Test(waitroom, admin_needs_the_token, .init = open_house, .fini = close_house)
{
    const char *const wrong[] = {"Authorization: Bearer nope", NULL};

    call(&a, room->ops_port, "PUT", "/admin/v1/queues/1", wrong, "{}");
    expect_problem(401, "unauthorized");
    call(&a, room->ops_port, "POST", "/admin/v1/queues/1/open", NULL, NULL);
    expect_problem(401, "unauthorized");
    call(&a, room->port, "PUT", "/admin/v1/queues/1", NULL, "{}");
    cr_assert(a.status == 404 || a.status == 405, "not on the public listener");
    cr_assert_str_eq(server_sql(postgres, "SELECT count(*) FROM queue"), "0");
}

Test(waitroom, settings_are_kept_unless_given, .init = open_house, .fini = close_house)
{
    open_queue("{\"ratePerMinute\":1200,\"maxActive\":7,\"claimSeconds\":30," OPEN "}");
    open_queue("{\"maxActive\":8}");
    cr_assert_eq(answer_int(&a, "ratePerMinute"), 1200);
    cr_assert_eq(answer_int(&a, "maxActive"), 8);
    cr_assert_eq(answer_int(&a, "claimSeconds"), 30);
    cr_assert(is("opensAt", "2020-01-01T00:00:00.000Z") && is("phase", "open") &&
              is("proof", "off"));
    open_queue("{\"opensAt\":null,\"proof\":\"off\",\"beacon\":null}");
    cr_assert(is("phase", "idle"));
}

Test(waitroom, bad_settings_are_refused_and_leave_no_trace, .init = open_house, .fini = close_house)
{
    static const char *const invalid[] = {
        "{\"ratePerMinute\":-1}",
        "{\"ratePerMinute\":10000001}",
        "{\"ratePerMinute\":\"60\"}",
        "{\"maxActive\":1.5}",
        "{\"claimSeconds\":0}",
        "{\"opensAt\":\"tomorrow\"}",
        "{\"opensAt\":5}",
        "{\"proof\":\"on\"}",
        "{\"proof\":\"auto\"}",
        "{\"beacon\":\"drand\"}",
        "{\"surprise\":1}",
        "{\"opensAt\":\"2030-01-01T00:00:00Z\",\"closesAt\":\"2029-01-01T00:00:00Z\"}",
        "{\"prequeueAt\":\"2031-01-01T00:00:00Z\",\"opensAt\":\"2030-01-01T00:00:00Z\"}"};

    for (size_t i = 0; i < array_len(invalid); i++) {
        admin("PUT", "1", invalid[i]);
        cr_assert_eq(a.status, 422, "%s: %d %s", invalid[i], a.status, a.body);
        expect_problem(422, "invalid");
    }
    admin("PUT", "1", "{");
    expect_problem(400, "bad_request");
    admin("PUT", "1", "{\"maxActive\":1,\"maxActive\":2}");
    expect_problem(400, "bad_request");
    admin("PUT", "4711", "{}");
    expect_problem(404, "not_found");
    admin("PUT", "x", "{}");
    expect_problem(404, "not_found");
    admin("POST", "2/pause", NULL);
    expect_problem(404, "not_found");
    cr_assert_str_eq(server_sql(postgres, "SELECT count(*) FROM queue"), "0");
    cr_assert_str_eq(server_redis(redis, "DBSIZE"), "0");
}

Test(waitroom, pause_stops_and_resume_goes_on, .init = open_house, .fini = close_house)
{
    struct person p;

    open_queue("{\"ratePerMinute\":60000," OPEN "}");
    cr_assert_eq(admin("POST", "1/pause", NULL), 200);
    cr_assert(is("phase", "paused"));
    p = join();
    cr_assert(is("phase", "paused"));
    for (int i = 0; i < 20; i++) {
        poll(NULL, 0, 10);
        cr_assert_eq(pass(p.ticket), 202);
    }
    cr_assert_eq(admin("POST", "1/resume", NULL), 200);
    UNTIL(pass(p.ticket) == 201);
}

Test(waitroom, closed_is_closed, .init = open_house, .fini = close_house)
{
    struct person inside, called, waiting;
    struct uuid id = uuid_v4_secret();
    char join_id[UUID_TEXT_SIZE];

    open_queue("{\"ratePerMinute\":60000,\"maxActive\":2," OPEN "}");
    inside = join();
    UNTIL(pass(inside.ticket) != 202);
    cr_assert_eq(a.status, 201);
    called = join();
    UNTIL(me(called.ticket) == 200 && is("state", "called"));
    waiting = join();
    cr_assert_eq(admin("POST", "1/close", NULL), 200);
    UNTIL(status_doc() == 200 && is("phase", "closed"));
    uuid_format(&id, join_id);
    join_with(room, join_id);
    expect_problem(403, "queue_closed");
    pass(called.ticket);
    expect_problem(403, "queue_closed");
    pass(waiting.ticket);
    expect_problem(403, "queue_closed");
    cr_assert_eq(pass(inside.ticket), 200, "who is inside keeps the pass");
    admin("POST", "1/pause", NULL);
    expect_problem(409, "conflict");
    cr_assert_eq(admin("POST", "1/open", NULL), 200);
    UNTIL(pass(called.ticket) == 201);
}

Test(waitroom, reset_ends_every_ticket, .init = open_house, .fini = close_house)
{
    struct person p;

    open_queue("{\"ratePerMinute\":0," OPEN "}");
    p = join();
    cr_assert_eq(admin("POST", "1/reset", NULL), 200);
    UNTIL(me(p.ticket) != 200);
    expect_problem(410, "ticket_expired");
    pass(p.ticket);
    expect_problem(410, "ticket_expired");
    UNTIL(join_with(room, p.join_id) == 201);
    cr_assert_str_neq(answer_str(&a, "ticket"), p.ticket);
    cr_assert_eq(answer_int(&a, "position"), 0);
    UNTIL(status_doc() == 200 && answer_int(&a, "waiting") == 1);
    cr_assert_eq(answer_int(&a, "issued"), 1);
}

/* ---- bad input ---- */

Test(waitroom, bad_joins, .init = open_house, .fini = close_house)
{
    static const char *const invalid[] = {
        "{}",
        "{\"joinId\":1}",
        "{\"joinId\":\"x\"}",
        "{\"joinId\":null}",
        "{\"joinId\":\"0190b5c0-0000-7000-8000-00000000000\"}",
        "{\"joinId\":\"0190b5c0-0000-7000-8000-0000000000000\"}",
        "{\"joinId\":\"0190b5c0-0000-7000-8000-000000000000\",\"more\":1}"};
    static const char *const malformed[] = {
        "", "{", "[]", "{\"joinId\":\"0190b5c0-0000-7000-8000-000000000000\"}x", "\xff"};
    static const char *const text[] = {"Content-Type: text/plain", NULL};
    static char large[4096];

    open_queue("{" OPEN "}");
    for (size_t i = 0; i < array_len(invalid); i++) {
        call(&a, room->port, "POST", "/v1/queues/1/tickets", NULL, invalid[i]);
        expect_problem(422, "invalid");
    }
    for (size_t i = 0; i < array_len(malformed); i++) {
        call(&a, room->port, "POST", "/v1/queues/1/tickets", NULL, malformed[i]);
        expect_problem(400, "bad_request");
    }
    call(&a, room->port, "POST", "/v1/queues/1/tickets", text, "{}");
    expect_problem(415, "unsupported_media_type");
    memset(large, ' ', sizeof(large) - 1);
    call(&a, room->port, "POST", "/v1/queues/1/tickets", NULL, large);
    expect_problem(413, "body_too_large");
    call(&a, room->port, "POST", "/v1/queues/3/tickets", NULL,
         "{\"joinId\":\"0190b5c0-0000-7000-8000-000000000000\"}");
    expect_problem(404, "not_found");
    UNTIL(status_doc() == 200);
    cr_assert_eq(answer_int(&a, "issued"), 0, "nothing got a number");
}

Test(waitroom, paths_that_are_no_queue, .init = open_house, .fini = close_house)
{
    static const char *const paths[] = {"/v1/queues/2",
                                        "/v1/queues/0",
                                        "/v1/queues/-1",
                                        "/v1/queues/1x",
                                        "/v1/queues/99999999999999999999",
                                        "/v1/queues/18446744073709551615",
                                        "/v1/queues/%31",
                                        "/v1/queues",
                                        "/v1/queues/1/nothing"};

    open_queue("{" OPEN "}");
    for (size_t i = 0; i < array_len(paths); i++) {
        call(&a, room->port, "GET", paths[i], NULL, NULL);
        cr_assert_eq(a.status, 404, "%s: %d", paths[i], a.status);
    }
    call(&a, room->port, "DELETE", "/v1/queues/1", NULL, NULL);
    expect_problem(405, "method_not_allowed");
    call(&a, room->port, "GET", "/v1/queues/1/stream", NULL, NULL);
    expect_problem(426, "upgrade_required");
}

static void seal(uint64_t event_id, uint64_t number, int64_t issued_s, int64_t expires_s,
                 char *ret_text)
{
    struct place place = {.event_id = event_id,
                          .number = number,
                          .epoch = 1,
                          .issued_s = (uint32_t)issued_s,
                          .expires_s = (uint32_t)expires_s};

    place_seal(&keys, &place, ret_text);
}

Test(waitroom, bad_tickets, .init = open_house, .fini = close_house)
{
    int64_t now_s = clock_wall_ms(&clock_system) / 1000;
    char ticket[TOKEN_TEXT_MAX + 1];
    struct person p;

    open_queue("{\"ratePerMinute\":60000," OPEN "}");
    p = join();
    UNTIL(me(p.ticket) == 200 && is("state", "called"));
    call(&a, room->port, "POST", "/v1/queues/1/passes", NULL, NULL);
    expect_problem(401, "ticket_invalid");
    snprintf(ticket, sizeof(ticket), "%s", p.ticket);
    ticket[20] = ticket[20] == 'A' ? 'B' : 'A';
    pass(ticket);
    expect_problem(401, "ticket_invalid");
    snprintf(ticket, sizeof(ticket), "%.30s", p.ticket);
    pass(ticket);
    expect_problem(401, "ticket_invalid");
    pass("");
    expect_problem(401, "ticket_invalid");
    seal(2, 0, now_s, now_s + 100, ticket);
    pass(ticket);
    expect_problem(401, "ticket_invalid");
    seal(1, 0, now_s - 100, now_s - 1, ticket);
    pass(ticket);
    expect_problem(410, "ticket_expired");
    me(ticket);
    expect_problem(410, "ticket_expired");
    cr_assert_str_eq(server_redis(redis, "ZCARD {e1}:q:active"), "0",
                     "none of them took the place");
    seal(1, 0, now_s, now_s + 100, ticket);
    cr_assert_eq(pass(ticket), 201, "the same made right");
}

Test(waitroom, made_up_queues_are_bounded, .init = open_house, .fini = close_house)
{
    char path[60];

    open_queue("{\"ratePerMinute\":0," OPEN "}");
    join();
    for (int i = 100; i < 200; i++) {
        snprintf(path, sizeof(path), "/v1/queues/%d", i);
        call(&a, room->port, "GET", path, NULL, NULL);
        expect_problem(404, "not_found");
    }
    UNTIL(status_doc() == 200 && answer_int(&a, "waiting") == 1);
    call(&a, room->ops_port, "GET", "/metrics", NULL, NULL);
    cr_assert(strstr(a.body, "\nholdfast_queues_known 4\n"), "%s",
              strstr(a.body, "\nholdfast_queues_known"));
}

/* ---- the stream ---- */

struct listener {
    int fd;
    uint8_t bytes[4096];
    size_t len;
};

static int listen_to(struct listener *l, struct daemon_run *d, const char *origin)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(d->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char text[400], *end;
    int status;

    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(l->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    snprintf(text, sizeof(text),
             "GET /v1/queues/1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: "
             "websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
             origin);
    cr_assert_eq(write(l->fd, text, strlen(text)), (ssize_t)strlen(text));
    l->len = 0;
    do {
        ssize_t got = read(l->fd, l->bytes + l->len, sizeof(l->bytes) - 1 - l->len);

        cr_assert_gt(got, 0);
        l->len += (size_t)got;
        l->bytes[l->len] = '\0';
    } while (!(end = strstr((char *)l->bytes, "\r\n\r\n")));
    status = atoi((char *)l->bytes + 9);
    l->len -= (size_t)(end + 4 - (char *)l->bytes);
    memmove(l->bytes, end + 4, l->len);
    return status;
}

/* The next frame's text. */
static const char *next_frame(struct listener *l)
{
    static char text[200];
    size_t size;

    while (l->len < 2 || l->len < 2u + l->bytes[1]) {
        ssize_t got = read(l->fd, l->bytes + l->len, sizeof(l->bytes) - l->len);

        cr_assert_gt(got, 0, "the stream was closed");
        l->len += (size_t)got;
    }
    cr_assert_eq(l->bytes[0], 0x81, "one unfragmented text frame");
    size = l->bytes[1];
    cr_assert_leq(size, 125);
    memcpy(text, l->bytes + 2, size);
    text[size] = '\0';
    l->len -= 2 + size;
    memmove(l->bytes, l->bytes + 2 + size, l->len);
    return text;
}

Test(waitroom, stream_tells_all_the_same, .init = open_house, .fini = close_house)
{
    struct listener one, two, foreign;
    char first[200];
    const char *second;
    int64_t began_ns;

    open_queue("{\"ratePerMinute\":0," OPEN "}");
    cr_assert_eq(listen_to(&foreign, room, "Origin: http://evil.example\r\n"), 403);
    close(foreign.fd);
    cr_assert_eq(listen_to(&one, room, "Origin: http://tickets.example\r\n"), 101);
    cr_assert(strstr(next_frame(&one), "\"waiting\":0"), "the present state at once");
    began_ns = clock_mono_ns(&clock_system);
    cr_assert_eq(listen_to(&two, room, ""), 101);
    cr_assert(strstr(next_frame(&two), "\"waiting\":0"));
    for (int i = 0; i < 5; i++)
        join();
    snprintf(first, sizeof(first), "%s", next_frame(&one));
    cr_assert(strstr(first, "\"waiting\":"));
    cr_assert_geq(clock_mono_ns(&clock_system) - began_ns, 900000000, "at most one a second");
    second = next_frame(&two);
    cr_assert_str_eq(second, first, "not the same bytes: %s %s", first, second);
    cr_assert(strstr(first, "\"serving\":0,\"phase\":\"open\",\"ratePerMinute\":0,\"waiting\":"),
              "%s", first);
    cr_assert_eq(daemon_run_stop(room), 0, "ends in order with listeners");
    close(one.fd);
    close(two.fd);
}

/* ---- pages ---- */

Test(waitroom, pages, .init = open_house, .fini = close_house)
{
    static const char *const outside[] = {"/../keys",     "/..%2fkeys",   "/%2e%2e/keys",
                                          "/.secret.txt", "//etc/passwd", "/web/index.html",
                                          "/index.html/", "/./index.html"};
    char header[100];
    const char *const headers[] = {header, NULL};

    call(&a, room->port, "GET", "/", NULL, NULL);
    cr_assert_eq(a.status, 200);
    cr_assert_str_eq(answer_header(&a, "content-type"), "text/html; charset=utf-8");
    cr_assert(strstr(
        answer_header(&a, "content-security-policy"),
        "default-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; style-src 'self'"));
    cr_assert_str_eq(answer_header(&a, "x-content-type-options"), "nosniff");
    cr_assert_eq(a.body_len, 31);
    snprintf(header, sizeof(header), "If-None-Match: %s", answer_header(&a, "etag"));
    call(&a, room->port, "GET", "/index.html", headers, NULL);
    cr_assert_eq(a.status, 304);
    for (size_t i = 0; i < array_len(outside); i++) {
        call(&a, room->port, "GET", outside[i], NULL, NULL);
        cr_assert(a.status == 404 || a.status == 400, "%s: %d", outside[i], a.status);
    }
}

/* ---- when something dies ---- */

static uint64_t number_of(const char *ticket)
{
    struct place place;

    cr_assert_eq(place_open(&keys, slice_str(ticket), 1, 0, &place), STATUS_OK);
    return place.number;
}

Test(waitroom, redis_emptied_keeps_the_order, .init = open_house, .fini = close_house)
{
    struct person inside, first, second, late;

    open_queue("{\"ratePerMinute\":60000,\"maxActive\":1," OPEN "}");
    inside = join();
    UNTIL(pass(inside.ticket) == 201);
    first = join();
    second = join();
    server_kill9(redis);
    cr_assert_eq(me(first.ticket), 200, "a poll is answered while the store is dead");
    cr_assert(is("state", "waiting"));
    cr_assert_eq(pass(first.ticket), 202);
    join_with(room, "0190b5c0-0000-7000-8000-000000000000");
    expect_problem(503, "unavailable");
    server_restart(redis);
    UNTIL(status_doc() == 200 && answer_int(&a, "epoch") == 2);
    cr_assert_eq(answer_int(&a, "serving"), 1);
    late = join();
    cr_assert_gt(number_of(late.ticket), number_of(second.ticket), "newcomers start above");
    cr_assert_eq(me(first.ticket), 200);
    cr_assert_eq(answer_int(&a, "position"), 0);
    cr_assert_eq(me(second.ticket), 200);
    cr_assert_eq(answer_int(&a, "position"), 1);
    cr_assert_eq(pass(second.ticket), 202);
    cr_assert_eq(admin("PUT", "1", "{\"maxActive\":100}"), 200);
    UNTIL(pass(first.ticket) == 201);
    UNTIL(pass(second.ticket) == 201);
    cr_assert_str_eq(server_sql(postgres, "SELECT epoch FROM queue WHERE event_id = 1"), "2");
}

Test(waitroom, who_has_bought_does_not_come_twice_after_a_loss, .init = open_house,
     .fini = close_house)
{
    struct person bought, looked;
    char command[600], jti[40];

    open_queue("{\"ratePerMinute\":60000,\"maxActive\":10," OPEN "}");
    bought = join();
    UNTIL(pass(bought.ticket) == 201);
    snprintf(jti, sizeof(jti), "%s", server_redis(redis, "ZRANGE {e1}:q:active 0 0"));
    looked = join();
    UNTIL(pass(looked.ticket) == 201);
    snprintf(command, sizeof(command),
             "INSERT INTO booking (event_id, booking_id, state, step, session, idem, fingerprint, "
             "hold_id, fence, hold_expires, seats, versions, email, name, "
             "total, currency) VALUES (1, gen_random_uuid(), 'confirmed', 'done', '%s', "
             "gen_random_uuid(), gen_random_uuid(), 'h', 1, now(), '{1}', '{0}', 'a@b', 'n', "
             "1, 'EUR')",
             jti);
    server_sql(postgres, command);
    server_redis(redis, "FLUSHALL");
    UNTIL(status_doc() == 200 && answer_int(&a, "epoch") == 2);
    UNTIL(pass(bought.ticket) != 503);
    expect_problem(410, "turn_missed");
    cr_assert_eq(pass(looked.ticket), 201, "the pass given again is the same session");
    cr_assert_str_eq(server_redis(redis, "ZCARD {e1}:q:active"), "1");
}

Test(waitroom, without_postgresql_people_wait, .init = open_house, .fini = close_house)
{
    struct person people[5];

    open_queue("{\"ratePerMinute\":60000,\"maxActive\":1," OPEN "}");
    for (size_t i = 0; i < array_len(people); i++)
        people[i] = join();
    UNTIL(pass(people[0].ticket) == 201);
    server_kill9(postgres);
    server_redis(redis, "DEL {e1}:q:active");
    for (int i = 0; i < 30; i++) {
        poll(NULL, 0, 20);
        cr_assert_eq(pass(people[1].ticket), 202, "the watermark is not written: wait");
    }
    server_restart(postgres);
    UNTIL(pass(people[1].ticket) == 201);
}

Test(waitroom, killed_worker_leaves_nothing_behind, .init = open_house, .fini = close_house)
{
    struct person p, q;

    open_queue("{\"ratePerMinute\":60000," OPEN "}");
    p = join();
    UNTIL(pass(p.ticket) == 201);
    daemon_run_kill9(room);
    start_worker(room, "room2");
    cr_assert_eq(pass(p.ticket), 200, "the same pass from another process");
    q = join();
    cr_assert_eq(number_of(q.ticket), number_of(p.ticket) + 1);
    UNTIL(pass(q.ticket) == 201);
    cr_assert_eq(join_with(room, p.join_id), 200);
}

Test(waitroom, reload_keeps_the_old_on_error, .init = open_house, .fini = close_house)
{
    char path[200];
    struct person p;

    open_queue("{\"ratePerMinute\":0," OPEN "}");
    p = join();
    temp_file(&dir, "keys", "nonsense\n", 9, path, sizeof(path));
    kill(room->pid, SIGHUP);
    daemon_run_await_log(room, "nothing changed", 5000);
    cr_assert_eq(me(p.ticket), 200);
    temp_file(&dir, "keys",
              "5 ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n" KEY_LINE,
              67 + strlen(KEY_LINE), path, sizeof(path));
    kill(room->pid, SIGHUP);
    daemon_run_await_log(room, "event=reloaded", 5000);
    cr_assert_eq(me(p.ticket), 200, "the old key still opens");
    join();
    cr_assert_str_neq(answer_str(&a, "ticket"), p.ticket);
}
