/* The SQL functions by themselves: every file of tests/sql is a pgTAP test (pgtap.org), run by psql
 * against a database with all migrations, in a transaction that is rolled back. Each file is a case
 * of its own. */
#include "tests/lib/sale.h"

#include "engine/base/buf.h"
#include "engine/store/migrate.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(sql, .timeout = 120);

#define SQL_TESTS HOLDFAST_SOURCE_ROOT "/tests/sql"

struct file {
    char name[256];
};

static int is_test(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 4 && strcmp(entry->d_name + len - 4, ".sql") == 0 &&
           strcmp(entry->d_name, "fixture.sql") != 0;
}

static void files_free(struct criterion_test_params *params)
{
    cr_free(params->params);
}

ParameterizedTestParameters(sql, functions)
{
    struct dirent **entries;
    int count = scandir(SQL_TESTS, &entries, is_test, alphasort);
    struct file *files;

    if (count <= 0)
        abort();
    files = cr_malloc(sizeof(*files) * (size_t)count);
    for (int i = 0; i < count; i++) {
        snprintf(files[i].name, sizeof(files[i].name), "%s", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return cr_make_param_array(struct file, files, (size_t)count, files_free);
}

/* What the test says (TAP: "1..N", "ok 1 - ...", "not ok 2 - ...", "# ..."), counted. */
struct tap {
    int planned, good, bad;
};

static void take_line(struct tap *t, const char *line)
{
    if (strncmp(line, "1..", 3) == 0)
        t->planned = atoi(line + 3);
    else if (strncmp(line, "ok ", 3) == 0)
        t->good++;
    else if (strncmp(line, "not ok ", 7) == 0)
        t->bad++;
}

ParameterizedTest(struct file *file, sql, functions)
{
    struct server *postgres = servers_postgres_start();
    struct tap tap = {.planned = 0};
    char command[1000], line[2000];
    struct buf said, report;
    FILE *psql;
    int code;

    buf_init(&said, 1 << 20);
    buf_init(&report, 65536);
    cr_assert_eq(migrate_run(postgres->address, HOLDFAST_SOURCE_ROOT "/sql", &report), STATUS_OK);
    buf_free(&report);
    snprintf(command, sizeof(command),
             "psql -XAtq -v ON_ERROR_STOP=1 -d '%s' -f '" SQL_TESTS "/%s' 2>&1", postgres->address,
             file->name);
    psql = popen(command, "r");
    cr_assert(psql);
    while (fgets(line, sizeof(line), psql)) {
        take_line(&tap, line);
        buf_append_str(&said, line);
    }
    code = pclose(psql);
    cr_assert(code == 0 && tap.bad == 0 && tap.good == tap.planned && tap.planned > 0,
              "%s: %d of %d passed, psql ended with %d\n%.*s", file->name, tap.good, tap.planned,
              code, (int)said.len, said.at);
    cr_log_info("%s: %d assertions", file->name, tap.good);
    buf_free(&said);
    server_stop(postgres);
}
