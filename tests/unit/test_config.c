#include "engine/base/config.h"
#include "engine/base/mem.h"
#include "tests/lib/capture.h"
#include "tests/lib/leaks.h"
#include "tests/lib/temp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct settings {
    int64_t port, limit;
    const char *redis, *admin_token, *note;
    bool tls;
};

static const struct config_option options[] = {
    {"ops-port", CONFIG_INT, offsetof(struct settings, port), "9082", 1, 65535, false,
     "ops listener, TCP port"},
    {"redis", CONFIG_STR, offsetof(struct settings, redis), "127.0.0.1:8091", 0, 0, false,
     "where Redis is"},
    {"admin-token", CONFIG_STR, offsetof(struct settings, admin_token), NULL, 0, 0, true,
     "bearer token"},
    {"tls", CONFIG_BOOL, offsetof(struct settings, tls), "false", 0, 0, false, "speak TLS"},
    {"limit", CONFIG_INT, offsetof(struct settings, limit), NULL, 0, 0, false, "no bound"},
    {"note", CONFIG_STR, offsetof(struct settings, note), NULL, 0, 0, false, "any text"},
};

static struct settings settings;
static struct config config;
static struct temp_dir dir;
static struct capture out, err;
static char path[200];

static void set_up(void)
{
    settings = (struct settings){0};
    config = (struct config){.program = "engine",
                             .summary = "The booking server.",
                             .options = options,
                             .count = array_len(options),
                             .target = &settings};
    dir = temp_dir_new();
    unsetenv("HOLDFAST_OPS_PORT");
    unsetenv("HOLDFAST_REDIS");
    unsetenv("HOLDFAST_ADMIN_TOKEN");
    unsetenv("HOLDFAST_CONFIG");
}

static void tear_down(void)
{
    config_free(&config);
    temp_dir_free(&dir);
    assert_no_leaks();
}

TestSuite(config, .init = set_up, .fini = tear_down);

static int argument_count(char **argv)
{
    int n = 0;

    while (argv[n])
        n++;
    return n;
}

static enum config_verdict load_args(char **argv)
{
    enum config_verdict verdict;

    capture_start(&out, STDOUT_FILENO);
    capture_start(&err, STDERR_FILENO);
    verdict = config_load(&config, argument_count(argv), argv);
    capture_end(&err);
    capture_end(&out);
    return verdict;
}

#define load(...) load_args((char *[]){"engine", ##__VA_ARGS__, NULL})

/* An argument "--config=..." for a file with this text. */
static char *file(const char *text)
{
    static char argument[220];

    temp_file(&dir, "engine.ini", text, strlen(text), path, sizeof(path));
    snprintf(argument, sizeof(argument), "--config=%s", path);
    return argument;
}

static void expect_wrong(const char *message)
{
    cr_assert_not_null(strstr(err.text, message), "%s", err.text);
    cr_assert_str_eq(out.text, "");
}

/* ---- sources ---- */

Test(config, defaults)
{
    cr_assert_eq(load(), CONFIG_RUN, "%s", err.text);
    cr_assert_eq(settings.port, 9082);
    cr_assert_str_eq(settings.redis, "127.0.0.1:8091");
    cr_assert_null(settings.admin_token);
    cr_assert(!settings.tls);
    cr_assert_eq(settings.limit, 0);
    cr_assert_null(config.rest[0]);
}

Test(config, file_then_environment_then_flags)
{
    char *argument = file("ops-port = 1\nredis = file:1\nadmin-token=f\n");

    setenv("HOLDFAST_REDIS", "env:2", 1);
    setenv("HOLDFAST_OPS_PORT", "2", 1);
    cr_assert_eq(load("--ops-port", "3", argument), CONFIG_RUN, "%s", err.text);
    cr_assert_eq(settings.port, 3);
    cr_assert_str_eq(settings.redis, "env:2");
    cr_assert_str_eq(settings.admin_token, "f");
}

Test(config, the_environment_may_name_the_file)
{
    file("ops-port = 7\n");
    setenv("HOLDFAST_CONFIG", path, 1);
    cr_assert_eq(load(), CONFIG_RUN, "%s", err.text);
    cr_assert_eq(settings.port, 7);
}

Test(config, a_variable_set_to_nothing_is_unset)
{
    setenv("HOLDFAST_OPS_PORT", "", 1);
    cr_assert_eq(load(), CONFIG_RUN, "%s", err.text);
    cr_assert_eq(settings.port, 9082);
}

Test(config, flags_in_every_form)
{
    cr_assert_eq(load("--ops-port=5", "--redis", "--odd", "--tls", "--note="), CONFIG_RUN, "%s",
                 err.text);
    cr_assert_eq(settings.port, 5);
    cr_assert_str_eq(settings.redis, "--odd", "the argument after a flag is its value");
    cr_assert(settings.tls);
    cr_assert_str_eq(settings.note, "");
    cr_assert_eq(load("--tls", "--no-tls"), CONFIG_RUN);
    cr_assert(!settings.tls, "the last wins");
    cr_assert_eq(load("--tls=yes"), CONFIG_RUN);
    cr_assert(settings.tls);
    cr_assert_eq(load("--limit=-5", "--note=a=b"), CONFIG_RUN);
    cr_assert_eq(settings.limit, -5);
    cr_assert_str_eq(settings.note, "a=b");
}

Test(config, what_is_no_flag_is_kept)
{
    cr_assert_eq(load("one", "--tls", "-", "--", "--two", "-x"), CONFIG_RUN, "%s", err.text);
    cr_assert_str_eq(config.rest[0], "one");
    cr_assert_str_eq(config.rest[1], "-");
    cr_assert_str_eq(config.rest[2], "--two");
    cr_assert_str_eq(config.rest[3], "-x");
    cr_assert_null(config.rest[4]);
}

Test(config, file_syntax)
{
    char *argument = file(
        "# comment\n; another\n\n[engine]\n \t# indented\n   \r\nnote = a b = c ; said at the end\n"
        "redis: unix:/tmp/r\r\ntls=on\n");

    cr_assert_eq(load(argument), CONFIG_RUN, "%s", err.text);
    cr_assert_str_eq(settings.note, "a b = c");
    cr_assert_str_eq(settings.redis, "unix:/tmp/r");
    cr_assert(settings.tls);
    cr_assert_eq(load(file("")), CONFIG_RUN, "an empty file is fine");
}

Test(config, strings_live_until_free)
{
    char value[] = "first";

    cr_assert_eq(load("--note", value), CONFIG_RUN);
    value[0] = 'X';
    cr_assert_str_eq(settings.note, "first");
}

/* ---- refusals ---- */

Test(config, wrong_flags)
{
    cr_assert_eq(load("--ops-prt", "1"), CONFIG_WRONG);
    expect_wrong("engine: flag --ops-prt is not known; --ops-port is\n");
    cr_assert_eq(load("--entirely-different"), CONFIG_WRONG);
    expect_wrong("flag --entirely-different is not known; see --help");
    cr_assert_eq(load("--ops-port"), CONFIG_WRONG);
    expect_wrong("--ops-port: a value is missing");
    cr_assert_eq(load("--config"), CONFIG_WRONG);
    expect_wrong("--config: a value is missing");
    cr_assert_eq(load("--no-redis"), CONFIG_WRONG);
    expect_wrong("flag --no-redis is not known");
    cr_assert_eq(load("--no-tls=true"), CONFIG_WRONG);
    cr_assert_eq(load("--help=x"), CONFIG_WRONG);
    cr_assert_eq(load("--=x"), CONFIG_WRONG);
}

Test(config, wrong_values_are_named_with_what_would_be_right)
{
    cr_assert_eq(load("--ops-port=0"), CONFIG_WRONG);
    expect_wrong("--ops-port: 0 is not within 1 to 65535");
    cr_assert_eq(load("--ops-port=65536"), CONFIG_WRONG);
    cr_assert_eq(load("--ops-port=80x"), CONFIG_WRONG);
    expect_wrong("--ops-port: \"80x\" is not a whole number");
    cr_assert_eq(load("--limit=9223372036854775808"), CONFIG_WRONG);
    cr_assert_eq(load("--tls=maybe"), CONFIG_WRONG);
    expect_wrong("--tls: \"maybe\" is neither true nor false");
    setenv("HOLDFAST_OPS_PORT", "x", 1);
    cr_assert_eq(load(), CONFIG_WRONG);
    expect_wrong("HOLDFAST_OPS_PORT: \"x\" is not a whole number");
}

Test(config, wrong_files)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"ops-prt = 1\n", "engine.ini: key ops-prt is not known; ops-port is"},
        {"ops-port = 0\n", "engine.ini: ops-port: 0 is not within"},
        {"[waitroom]\nops-port = 1\n", "section [waitroom] is not for engine"},
        {"redis = a\nno equals sign\n", "engine.ini line 2: neither key = value nor"},
        {"note = a\n  tls = on\n", "engine.ini line 2: begins with a space"},
        {"[open\n", "line 1: neither key = value nor"},
    };

    for (size_t i = 0; i < array_len(cases); i++) {
        cr_assert_eq(load(file(cases[i].text)), CONFIG_WRONG, "%s", cases[i].text);
        expect_wrong(cases[i].message);
    }
    cr_assert_eq(load("--config=/nonexistent.ini"), CONFIG_WRONG);
    expect_wrong("/nonexistent.ini: No such file or directory");
    cr_assert_eq(load("--config=/"), CONFIG_WRONG);
    expect_wrong("/: Is a directory");
}

Test(config, oversized_and_binary_files)
{
    static char text[CONFIG_FILE_MAX + 2];
    char argument[220];

    memset(text, '#', 300);
    memcpy(text, "note = ", 7);
    text[300] = '\0';
    cr_assert_eq(load(file(text)), CONFIG_WRONG);
    expect_wrong("engine.ini line 1: longer than 198 bytes");
    text[198] = '\0';
    cr_assert_eq(load(file(text)), CONFIG_RUN, "%s", err.text);
    cr_assert_eq(strlen(settings.note), 198 - 7);
    memset(text, '\n', sizeof(text) - 1);
    cr_assert_eq(load(file(text)), CONFIG_WRONG);
    expect_wrong("larger than 262144 bytes");
    text[CONFIG_FILE_MAX] = '\0';
    cr_assert_eq(load(file(text)), CONFIG_RUN, "%s", err.text);
    temp_file(&dir, "binary", "tls=on\n\0x", 9, path, sizeof(path));
    snprintf(argument, sizeof(argument), "--config=%s", path);
    cr_assert_eq(load(argument), CONFIG_WRONG);
    expect_wrong("not a text file");
}

/* ---- answers ---- */

Test(config, help_shows_aligned_columns)
{
    cr_assert_eq(load("--help"), CONFIG_DONE);
    cr_assert_not_null(strstr(out.text, "Usage: engine [options]\nThe booking server.\n"), "%s",
                       out.text);
    cr_assert_not_null(
        strstr(out.text,
               "  --ops-port N        HOLDFAST_OPS_PORT     ops listener, TCP port [9082]\n"
               "  --redis TEXT        HOLDFAST_REDIS        where Redis is [127.0.0.1:8091]\n"
               "  --admin-token TEXT  HOLDFAST_ADMIN_TOKEN  bearer token\n"
               "  --tls               HOLDFAST_TLS          speak TLS [false]\n"),
        "%s", out.text);
    cr_assert_not_null(strstr(out.text, "  --config FILE       HOLDFAST_CONFIG       "), "%s",
                       out.text);
    cr_assert_not_null(strstr(out.text, "  --print-config      "), "%s", out.text);
    cr_assert_str_eq(err.text, "");
}

Test(config, help_is_given_even_when_the_rest_is_wrong)
{
    cr_assert_eq(load("--nonsense", "--help"), CONFIG_DONE);
    cr_assert_eq(load("--", "--help"), CONFIG_RUN, "behind -- it is no flag");
}

Test(config, version)
{
    cr_assert_eq(load("--version"), CONFIG_DONE);
    cr_assert_eq(strncmp(out.text, "engine ", 7), 0);
    cr_assert_gt(strlen(out.text), 8);
}

Test(config, check_config)
{
    cr_assert_eq(load("--check-config"), CONFIG_DONE);
    cr_assert_str_eq(out.text, "engine: the configuration is valid\n");
    cr_assert_eq(load("--check-config", "--ops-port=0"), CONFIG_WRONG);
    expect_wrong("is not within 1 to 65535");
}

Test(config, print_config_tells_sources_and_masks_secrets)
{
    setenv("HOLDFAST_ADMIN_TOKEN", "hunter2", 1);
    cr_assert_eq(load("--print-config", "--tls", file("redis = r:1\n")), CONFIG_DONE, "%s",
                 err.text);
    cr_assert_str_eq(out.text, "ops-port    = 9082  ; default\n"
                               "redis       = r:1  ; file\n"
                               "admin-token = ********  ; environment\n"
                               "tls         = true  ; flag\n"
                               "limit       = 0  ; default\n"
                               "note        =   ; default\n");
}

Test(config, what_print_config_prints_is_a_file)
{
    static char printed[1000];

    cr_assert_eq(load("--print-config", "--ops-port=77", "--note=x y"), CONFIG_DONE);
    memcpy(printed, out.text, sizeof(printed) - 1);
    cr_assert_eq(load(file(printed)), CONFIG_RUN, "%s", err.text);
    cr_assert_eq(settings.port, 77);
    cr_assert_str_eq(settings.note, "x y");
}

/* ---- reload ---- */

Test(config, reload_reads_into_another_struct)
{
    struct settings next = {0};
    char *argv[] = {"engine", file("ops-port = 1\nnote = old\n"), NULL};
    struct buf why;

    buf_init(&why, 1000);
    cr_assert_eq(load_args(argv), CONFIG_RUN);
    file("ops-port = 2\nnote = new\n");
    cr_assert_eq(config_reload(&config, 2, argv, &next, &why), STATUS_OK);
    cr_assert_eq(next.port, 2);
    cr_assert_str_eq(next.note, "new");
    cr_assert_eq(settings.port, 1);
    cr_assert_str_eq(settings.note, "old", "the strings of the first reading live on");
    buf_free(&why);
}

Test(config, a_failed_reload_says_why)
{
    struct settings next = {0};
    char *argv[] = {"engine", file("ops-port = 1\n"), NULL};
    struct buf why;

    buf_init(&why, 1000);
    cr_assert_eq(load_args(argv), CONFIG_RUN);
    file("ops-port = none\n");
    cr_assert_eq(config_reload(&config, 2, argv, &next, &why), STATUS_INVALID);
    buf_append_char(&why, '\0');
    cr_assert_not_null(strstr(why.at, "\"none\" is not a whole number"), "%s", why.at);
    cr_assert_eq(settings.port, 1);
    buf_free(&why);
}
