#include "engine/base/buf.h"
#include "engine/store/migrate.h"
#include "tests/lib/leaks.h"
#include "tests/lib/servers.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

TestSuite(migrate, .timeout = 60, .fini = assert_no_leaks);

static struct server *postgres;
static struct temp_dir dir;
static struct buf report;

static void write_sql(const char *name, const char *text)
{
    char path[300];

    temp_file(&dir, name, text, strlen(text), path, sizeof(path));
}

static void remove_sql(const char *name)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", dir.path, name);
    cr_assert_eq(unlink(path), 0);
}

static enum status run(void)
{
    enum status status;

    buf_clear(&report);
    status = migrate_run(postgres->address, dir.path, &report);
    buf_append_char(&report, '\0');
    return status;
}

static bool says(const char *words)
{
    return strstr(report.at, words) != NULL;
}

static void setup(void)
{
    postgres = servers_postgres_start();
    dir = temp_dir_new();
    buf_init(&report, 1 << 20);
    write_sql("0001_first.sql", "CREATE TABLE a (n int); INSERT INTO a VALUES (1);");
    write_sql("0002_second.sql", "-- \xC3\xA9\nALTER TABLE a ADD m int;\nCREATE FUNCTION f() "
                                 "RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;");
}

static void teardown(void)
{
    buf_free(&report);
    temp_dir_free(&dir);
    server_stop(postgres);
}

Test(migrate, applies_each_once_in_order)
{
    setup();
    cr_assert_eq(run(), STATUS_OK);
    cr_assert_str_eq(report.at, "applied 0001_first.sql\napplied 0002_second.sql\n");
    cr_assert_str_eq(server_sql(postgres, "SELECT string_agg(name, ' ' ORDER BY number) FROM "
                                          "schema_migration WHERE sha256 ~ '^[0-9a-f]{64}$'"),
                     "0001_first.sql 0002_second.sql");
    cr_assert_eq(run(), STATUS_OK);
    cr_assert_str_eq(report.at, "");
    write_sql("0003_third.sql", "INSERT INTO a VALUES (2, f());");
    write_sql("README.md", "not a migration");
    cr_assert_eq(run(), STATUS_OK);
    cr_assert_str_eq(report.at, "applied 0003_third.sql\n");
    cr_assert_str_eq(server_sql(postgres, "SELECT count(*) FROM a"), "2");
    teardown();
}

Test(migrate, refuses_what_was_changed_removed_or_put_in_between)
{
    setup();
    remove_sql("0001_first.sql");
    write_sql("0003_first.sql", "CREATE TABLE a (n int)");
    remove_sql("0002_second.sql");
    write_sql("0005_fifth.sql", "SELECT 1");
    cr_assert_eq(run(), STATUS_OK);

    write_sql("0003_first.sql", "CREATE TABLE a (n int) ");
    remove_sql("0005_fifth.sql");
    cr_assert_eq(run(), STATUS_INVALID);
    cr_assert(says("0003_first.sql has changed since it was applied\n"));
    cr_assert(says("0005_fifth.sql was applied and is missing"));

    write_sql("0003_first.sql", "CREATE TABLE a (n int)");
    write_sql("0005_fifth.sql", "SELECT 1");
    write_sql("0004_late.sql", "CREATE TABLE late (n int)");
    cr_assert_eq(run(), STATUS_INVALID);
    cr_assert(says("0004_late.sql is new but older than 0005_fifth.sql"));
    cr_assert_str_eq(server_sql(postgres, "SELECT to_regclass('late') IS NULL"), "t");
    teardown();
}

Test(migrate, a_failure_leaves_nothing_of_its_file)
{
    setup();
    write_sql("0003_bad.sql", "CREATE TABLE b (n int);\n-- \xC3\xA9\xC3\xA9\n\nSELECT nothing;\n");
    write_sql("0004_never.sql", "CREATE TABLE c (n int)");
    cr_assert_eq(run(), STATUS_INVALID);
    cr_assert(says("applied 0002_second.sql\n0003_bad.sql:4: ERROR"), "%s", report.at);
    cr_assert_str_eq(
        server_sql(postgres, "SELECT to_regclass('b') IS NULL AND to_regclass('c') IS NULL"), "t");
    write_sql("0003_bad.sql", "CREATE TABLE b (n int); COMMIT;");
    cr_assert_eq(run(), STATUS_INVALID);
    cr_assert(says("0003_bad.sql ends the transaction"));
    teardown();
}

Test(migrate, refuses_names_it_cannot_order)
{
    setup();
    write_sql("0002_twice.sql", "SELECT 1");
    cr_assert_eq(run(), STATUS_INVALID);
    cr_assert(says("0002_second.sql and 0002_twice.sql have the same number"));
    remove_sql("0002_twice.sql");
    write_sql("3_short.sql", "SELECT 1");
    cr_assert_eq(run(), STATUS_INVALID);
    cr_assert(says("3_short.sql: a migration is named NNNN_name.sql"));
    cr_assert_eq(migrate_run(postgres->address, "/nonexistent", &report), STATUS_IO);
    remove_sql("3_short.sql");
    server_kill9(postgres);
    cr_assert_eq(run(), STATUS_UNAVAILABLE);
    teardown();
}

static void *run_in_thread(void *ret_report)
{
    enum status status = migrate_run(postgres->address, dir.path, ret_report);

    return (void *)(uintptr_t)status;
}

Test(migrate, several_at_once)
{
    enum { N = 4 };
    pthread_t threads[N];
    struct buf reports[N];
    size_t said = 0;

    setup();
    write_sql("0003_slow.sql", "SELECT pg_sleep(0.2)");
    for (int i = 0; i < N; i++) {
        buf_init(&reports[i], 100000);
        pthread_create(&threads[i], NULL, run_in_thread, &reports[i]);
    }
    for (int i = 0; i < N; i++) {
        void *status = NULL;

        pthread_join(threads[i], &status);
        cr_assert_eq((uintptr_t)status, STATUS_OK);
        said += reports[i].len > 0;
        buf_free(&reports[i]);
    }
    cr_assert_eq(said, 1, "one did it, the others waited");
    teardown();
}

/* The real thing. */
Test(migrate, the_schema_of_this_version_applies)
{
    setup();
    cr_assert_eq(migrate_run(postgres->address, SQL_DIR, &report), STATUS_OK, "%s", report.at);
    teardown();
}
