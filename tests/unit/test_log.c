#include "engine/base/log.h"

#include "engine/base/json.h"
#include "engine/base/mem.h"
#include "tests/lib/capture.h"
#include "tests/lib/fake_clock.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define TS "ts=2026-11-21T10:11:30.123Z "

static struct fake_clock now;
static struct capture out;

static void set_up(void)
{
    fake_clock_init(&now, 1795255890123);
    log_use_clock(&now.clock);
    log_setup(LOG_INFO, LOG_LOGFMT, STDERR_FILENO);
    capture_start(&out, STDERR_FILENO);
}

static void tear_down(void)
{
    log_flush();
    capture_end(&out);
    assert_no_leaks();
}

TestSuite(log, .init = set_up, .fini = tear_down);

/* What was logged since the last call. */
static const char *logged(void)
{
    static char text[sizeof(out.text)];

    memcpy(text, capture_end(&out), sizeof(text));
    capture_start(&out, STDERR_FILENO);
    return text;
}

Test(log, one_line_an_event)
{
    log_info("relay", "took over", log_u64("shard", 3), log_str("from", "engine-2"),
             log_i64("d", -1), log_f64("f", 0.25), log_slice("s", slice_of("xyz", 2)),
             log_status(STATUS_TIMEOUT));
    cr_assert_str_eq(
        logged(),
        TS "level=info object=relay event=\"took over\" shard=3 from=engine-2 d=-1 f=0.25 "
           "s=xy status=timeout\n");
}

Test(log, without_fields)
{
    log_info("main", "ready");
    cr_assert_str_eq(logged(), TS "level=info object=main event=ready\n");
}

Test(log, levels_below_are_dropped)
{
    log_debug("main", "detail");
    cr_assert_str_eq(logged(), "");
    cr_assert(!log_enabled(LOG_DEBUG));
    cr_assert(log_enabled(LOG_INFO));
    log_setup(LOG_ERROR, LOG_LOGFMT, STDERR_FILENO);
    log_warn("main", "odd");
    cr_assert_str_eq(logged(), "");
    log_error("main", "bad");
    cr_assert_str_eq(logged(), TS "level=error object=main event=bad\n");
}

Test(log, values_are_quoted_when_they_must)
{
    log_info("m", "e", log_str("empty", ""), log_str("null", NULL), log_str("eq", "a=b"),
             log_str("quote", "a\"b\\"), log_str("plain", "a-b:c/d"));
    cr_assert_str_eq(
        logged(),
        TS "level=info object=m event=e empty=\"\" null=\"\" eq=\"a=b\" quote=\"a\\\"b\\\\\" "
           "plain=a-b:c/d\n");
}

Test(log, input_cannot_forge_a_line)
{
    log_info("m", "e", log_str("v", "x\nts=0 level=error\r\x1b[31m\x7f\xC2\x9b!\xFF\xC3\xBC"),
             log_slice("n", slice_of("\0", 1)));
    cr_assert_str_eq(logged(), TS
                     "level=info object=m event=e v=\"x\\nts=0 level=error\\u000d\\u001b[31m\\u007f"
                     "\\u009b!\\ufffd\xC3\xBC\" n=\"\\u0000\"\n");
}

Test(log, json_lines)
{
    log_setup(LOG_INFO, LOG_JSON, STDERR_FILENO);
    log_info("relay", "took over", log_u64("shard", 3), log_str("v", "a\"\n\xFF"),
             log_f64("nan", NAN));
    cr_assert_str_eq(
        logged(), "{\"ts\":\"2026-11-21T10:11:30.123Z\",\"level\":\"info\",\"object\":\"relay\","
                  "\"event\":\"took over\",\"shard\":3,\"v\":\"a\\\"\\n\\ufffd\",\"nan\":null}\n");
}

/* ---- limits ---- */

static char long_text[10000];

static void fill(char c, size_t len)
{
    memset(long_text, c, len);
    long_text[len] = '\0';
}

Test(log, long_lines_are_cut)
{
    const char *text;

    fill('x', 9000);
    log_info("m", "e", log_str("long", long_text), log_str("after", "lost"));
    text = logged();
    cr_assert_leq(strlen(text), 4096);
    cr_assert_gt(strlen(text), 4000);
    cr_assert_str_eq(text + strlen(text) - 15, "xxxx\" cut=true\n");
    cr_assert_null(strstr(text, "after"));
}

/* Wherever the cut falls, a JSON line stays JSON. */
Test(log, cut_json_is_still_json)
{
    log_setup(LOG_INFO, LOG_JSON, STDERR_FILENO);
    for (size_t len = 3800; len < 4100; len++) {
        for (size_t k = 0; k < 3; k++) {
            const char *text;
            json_t *json;

            fill("x\n\xFF"[k], k == 0 ? len : len / (k == 1 ? 2 : 6));
            log_info("m", "e", log_str("v", long_text), log_i64("n", INT64_MAX),
                     log_str("w", long_text));
            text = logged();
            cr_assert_leq(strlen(text), 4096);
            json = json_loads(text, 0, NULL);
            cr_assert_not_null(json, "%zu: %s", len, text);
            json_decref(json);
        }
    }
}

Test(log, many_fields_are_cut_between_fields)
{
    static struct log_field fields[301];
    const char *text;
    json_t *json;

    log_setup(LOG_INFO, LOG_JSON, STDERR_FILENO);
    for (int i = 0; i < 300; i++)
        fields[i] = log_i64("abcdefgh", INT64_MAX);
    log_event(LOG_INFO, "m", "e", fields);
    text = logged();
    json = json_loads(text, 0, NULL);
    cr_assert_not_null(json, "%s", text);
    cr_assert(json_is_true(json_object_get(json, "cut")));
    json_decref(json);
}

/* ---- repeated events ---- */

Test(log, repeated_warnings_are_counted)
{
    log_warn("kv", "lost", log_u64("n", 1));
    cr_assert_str_eq(logged(), TS "level=warn object=kv event=lost n=1\n");
    for (int i = 0; i < 5; i++)
        log_warn("kv", "lost", log_u64("n", 2));
    cr_assert_str_eq(logged(), "");
    now.mono_ns += 10000000000;
    log_warn("kv", "lost", log_u64("n", 3));
    cr_assert_str_eq(logged(), TS "level=warn object=kv event=lost repeated=5 n=3\n");
    now.mono_ns += 10000000000;
    log_warn("kv", "lost");
    cr_assert_str_eq(logged(), TS "level=warn object=kv event=lost\n", "the count starts again");
}

Test(log, ten_seconds_are_counted_from_the_last_line)
{
    log_error("kv", "lost");
    now.mono_ns += 9999999999;
    log_error("kv", "lost");
    logged();
    now.mono_ns += 1;
    log_error("kv", "lost");
    cr_assert_str_eq(logged(), TS "level=error object=kv event=lost repeated=1\n");
}

Test(log, different_objects_and_events_do_not_hide_each_other)
{
    log_warn("kv", "lost");
    logged();
    log_warn("db", "lost");
    log_warn("kv", "slow");
    log_info("kv", "lost");
    log_info("kv", "lost");
    cr_assert_str_eq(logged(), TS
                     "level=warn object=db event=lost\n" TS "level=warn object=kv event=slow\n" TS
                     "level=info object=kv event=lost\n" TS "level=info object=kv event=lost\n");
}

Test(log, flush_writes_what_was_only_counted)
{
    log_warn("kv", "lost");
    log_warn("kv", "lost");
    log_warn("kv", "lost");
    logged();
    log_flush();
    cr_assert_str_eq(logged(), TS "level=warn object=kv event=lost repeated=2\n");
    log_flush();
    cr_assert_str_eq(logged(), "");
}

Test(log, an_event_that_makes_room_for_another_is_told_first)
{
    char event[16];

    log_warn("kv", "first");
    log_warn("kv", "first");
    for (int i = 0; i < 63; i++) {
        snprintf(event, sizeof(event), "e%d", i);
        now.mono_ns++;
        log_warn("kv", event);
    }
    logged();
    log_warn("kv", "one more");
    cr_assert_str_eq(logged(), TS "level=warn object=kv event=first repeated=1\n" TS
                                  "level=warn object=kv event=\"one more\"\n");
}

static void *write_many(void *arg)
{
    for (int i = 0; i < 100; i++) {
        log_info("thread", "line", log_str("text", "0123456789012345678901234567890123456789"));
        log_warn("thread", arg);
    }
    return NULL;
}

Test(log, lines_of_threads_do_not_mix)
{
    pthread_t threads[4];
    const char *text;
    size_t lines = 0;

    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, write_many, i % 2 ? "a" : "b");
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    text = logged();
    for (const char *at = text; *at; at = strchr(at, '\n') + 1) {
        cr_assert_eq(strncmp(at, TS, strlen(TS)), 0);
        lines++;
    }
    cr_assert_eq(lines, 402, "%zu", lines);
}
