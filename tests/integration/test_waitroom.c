/* The way through the waiting room, from the join to the pass, and what it shows to everybody. */
#include "engine/base/jwt.h"
#include "engine/base/mem.h"
#include "tests/integration/waitroom_rig.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(waitroom, .timeout = 120);

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
