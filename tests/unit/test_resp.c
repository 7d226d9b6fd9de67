#include "engine/store/kv_redis_reply.h"
#include "engine/store/resp.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(resp, .fini = assert_no_leaks);

/* ---- commands ---- */

Test(resp, commands_are_arrays_of_bulk_strings)
{
    struct slice args[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("a\r\nb"), SLICE_LITERAL("")};
    struct slice keys[] = {SLICE_LITERAL("k1"), SLICE_LITERAL("k2")};
    struct buf b;

    buf_init(&b, 1000);
    cr_assert_eq(resp_command(&b, args, 3), STATUS_OK);
    cr_assert(slice_is(buf_slice(&b), "*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n"));
    buf_clear(&b);
    cr_assert_eq(resp_evalsha(&b, "0123456789012345678901234567890123456789", keys, 2, &args[0], 1),
                 STATUS_OK);
    cr_assert(slice_is(buf_slice(&b),
                       "*6\r\n$7\r\nEVALSHA\r\n$40\r\n0123456789012345678901234567890123456789\r\n"
                       "$1\r\n2\r\n$2\r\nk1\r\n$2\r\nk2\r\n$3\r\nSET\r\n"));
    buf_free(&b);
}

Test(resp, a_command_that_does_not_fit_leaves_no_half)
{
    struct slice ping = SLICE_LITERAL("PING"),
                 large = SLICE_LITERAL("0123456789012345678901234567890123456789");
    struct buf b;

    buf_init(&b, 100);
    cr_assert_eq(resp_command(&b, &ping, 1), STATUS_OK);
    cr_assert_eq(resp_command(&b, &large, 1), STATUS_TOO_LARGE);
    cr_assert_eq(resp_command(&b, &ping, 1), STATUS_OK, "it is usable as before");
    cr_assert(slice_is(buf_slice(&b), "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n"));
    buf_free(&b);
}

/* ---- replies ---- */

static const char wire[] = "+OK\r\n:-7\r\n$-1\r\n$5\r\na\r\nb!\r\n-ERR no\r\n"
                           "*3\r\n*2\r\n:1\r\n$1\r\nx\r\n*0\r\n-NO in here\r\n:9\r\n";

static void check(size_t n, const struct kv_reply *r)
{
    uint64_t value = 0;

    switch (n) {
    case 0: cr_assert(r->kind == KV_STR && slice_is(r->str, "OK")); break;
    case 1: cr_assert(r->kind == KV_INT && r->integer == -7 && !kv_reply_u64(r, &value)); break;
    case 2: cr_assert_eq(r->kind, KV_NIL); break;
    case 3: cr_assert(r->kind == KV_STR && slice_is(r->str, "a\r\nb!")); break;
    case 4: cr_assert(r->kind == KV_ERROR && slice_is(r->str, "ERR no")); break;
    case 5:
        cr_assert(r->kind == KV_ARRAY && r->count == 3);
        cr_assert_eq(kv_reply_at(kv_reply_at(r, 0), 0)->integer, 1);
        cr_assert(slice_is(kv_reply_at(kv_reply_at(r, 0), 1)->str, "x"));
        cr_assert(kv_reply_at(r, 1)->kind == KV_ARRAY && kv_reply_at(r, 1)->count == 0);
        cr_assert_eq(kv_reply_at(r, 2)->kind, KV_ERROR);
        break;
    default: cr_assert(r->kind == KV_INT && r->integer == 9); break;
    }
}

/* However the bytes are cut, the replies are the same. */
Test(resp, replies_in_pieces_of_every_size)
{
    for (size_t piece = 1; piece < sizeof(wire); piece++) {
        struct reply_reader *reader = reply_reader_new();
        const struct kv_reply *reply = NULL;
        size_t count = 0;

        for (size_t at = 0; at < sizeof(wire) - 1; at += piece) {
            size_t len = sizeof(wire) - 1 - at < piece ? sizeof(wire) - 1 - at : piece;

            cr_assert_eq(reply_reader_feed(reader, slice_of(wire + at, len)), STATUS_OK);
            while (reply_reader_next(reader, &reply) == STATUS_OK && reply)
                check(count++, reply);
        }
        cr_assert_eq(count, 7);
        reply_reader_free(reader);
    }
}

/* hiredis moves its buffer while it hands replies out: what they point to must not be in it. */
Test(resp, replies_that_came_together_keep_their_bytes)
{
    enum { N = 200 };
    struct reply_reader *reader = reply_reader_new();
    const struct kv_reply *reply = NULL;
    char text[64], expected[33];
    size_t count = 0;

    for (int i = 0; i < N; i++) {
        int len = snprintf(text, sizeof(text), "$32\r\n%032d\r\n", i);

        cr_assert_eq(reply_reader_feed(reader, slice_of(text, (size_t)len)), STATUS_OK);
    }
    while (reply_reader_next(reader, &reply) == STATUS_OK && reply) {
        snprintf(expected, sizeof(expected), "%032zu", count++);
        cr_assert(slice_is(reply->str, expected));
    }
    cr_assert_eq(count, N);
    reply_reader_free(reader);
}

Test(resp, what_is_not_resp_or_too_large_is_refused)
{
    static const char *const texts[] = {"HTTP/1.1 400\r\n", "$zz\r\n", "*2000000000\r\n"};

    for (size_t i = 0; i < array_len(texts); i++) {
        struct reply_reader *reader = reply_reader_new();
        const struct kv_reply *reply = NULL;

        cr_assert_eq(reply_reader_feed(reader, slice_str(texts[i])), STATUS_OK);
        cr_assert_eq(reply_reader_next(reader, &reply), STATUS_PROTOCOL, "%s", texts[i]);
        reply_reader_free(reader);
    }
}
