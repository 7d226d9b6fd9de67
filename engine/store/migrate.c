/* The record of what ran is the table schema_migration (number, name, sha256, applied_at). A run:
 *
 *   read the directory -> connect -> lock (others wait) -> compare the record with the files ->
 * apply what is new, one transaction each
 *
 * Nothing is applied unless everything that was applied before is still there, unchanged, and older
 * than what is new. */
#include "engine/store/migrate.h"

#include "engine/base/encode.h"
#include "engine/base/mem.h"
#include "engine/base/token.h"

#include <dirent.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX (16u << 20)
#define LOCK_KEY "5927003241470328154" /* any number that nothing else locks */

struct migration {
    char *name; /* "0001_schema.sql"; owned */
    struct buf text;
    char sha256[65];
    bool applied;
};

struct run {
    const char *directory;
    struct migration *migrations; /* by name */
    size_t count;
    PGconn *pg;
    struct buf *report;
};

/* ---- the directory ---- */

/* NNNN_name.sql, the name of [a-z0-9_]. */
static bool is_migration(const char *name)
{
    size_t digits = strspn(name, "0123456789"), len = strlen(name);

    return digits == 4 && name[4] == '_' && len > 9 && strcmp(name + len - 4, ".sql") == 0 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len - 4;
}

static bool is_sql(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && name[0] != '.' && strcmp(name + len - 4, ".sql") == 0;
}

static int select_sql(const struct dirent *entry)
{
    return is_sql(entry->d_name);
}

static enum status read_all(FILE *f, struct buf *ret_text)
{
    char *at;
    size_t n;

    do {
        at = buf_reserve(ret_text, 65536);
        n = at ? fread(at, 1, 65536, f) : 0;
        buf_commit(ret_text, n);
    } while (n > 0);
    if (ferror(f))
        return STATUS_IO;
    buf_append_char(ret_text, '\0'); /* for libpq; not part of the digest */
    return buf_status(ret_text);
}

static enum status read_migration(struct run *run, struct migration *m)
{
    uint8_t digest[32];
    char path[4096];
    enum status status = STATUS_IO;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", run->directory, m->name);
    buf_init(&m->text, FILE_MAX);
    f = fopen(path, "re");
    if (f) {
        status = read_all(f, &m->text);
        fclose(f);
    }
    if (status) {
        buf_printf(run->report, "%s: %s\n", path,
                   status == STATUS_IO ? strerror(errno) : status_text(status));
        return status;
    }
    sha256(m->text.at, m->text.len - 1, digest);
    hex_encode(digest, sizeof(digest), m->sha256);
    return STATUS_OK;
}

static enum status take_name(struct run *run, char *name)
{
    const char *before = run->count > 0 ? run->migrations[run->count - 1].name : NULL;

    if (!is_migration(name)) {
        buf_printf(run->report, "%s: a migration is named NNNN_name.sql\n", name);
        return STATUS_INVALID;
    }
    if (before && strncmp(before, name, 4) == 0) {
        buf_printf(run->report, "%s and %s have the same number\n", before, name);
        return STATUS_INVALID;
    }
    run->migrations[run->count].name = mem_strdup(name);
    return read_migration(run, &run->migrations[run->count++]);
}

static enum status read_directory(struct run *run)
{
    struct dirent **entries = NULL;
    int count = scandir(run->directory, &entries, select_sql, alphasort);
    enum status status = STATUS_OK;

    if (count < 0) {
        buf_printf(run->report, "%s: %s\n", run->directory, strerror(errno));
        return STATUS_IO;
    }
    run->migrations = mem_alloc(((size_t)count + 1) * sizeof(*run->migrations));
    for (int i = 0; i < count; i++) {
        if (status == STATUS_OK)
            status = take_name(run, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* ---- PostgreSQL ---- */

static void say_error(struct run *run, const char *what)
{
    buf_printf(run->report, "%s: %s", what,
               PQerrorMessage(run->pg)); /* which ends with a newline */
}

static enum status failure_of(struct run *run)
{
    return PQstatus(run->pg) == CONNECTION_BAD ? STATUS_UNAVAILABLE : STATUS_INVALID;
}

static enum status execute(struct run *run, const char *sql)
{
    PGresult *result = PQexec(run->pg, sql);
    ExecStatusType status = PQresultStatus(result);

    PQclear(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return STATUS_OK;
    say_error(run, sql);
    return failure_of(run);
}

static void ignore_notice(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
}

static enum status connect_to(struct run *run, const char *conninfo)
{
    static const char *const steps[] = {
        "SET synchronous_commit = on",
        "SELECT pg_advisory_lock(" LOCK_KEY ")",
        ("CREATE TABLE IF NOT EXISTS schema_migration (number integer PRIMARY KEY, name text NOT "
         "NULL, sha256 text NOT NULL,"
         " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"),
    };
    enum status status = STATUS_OK;

    run->pg = PQconnectdb(conninfo);
    if (PQstatus(run->pg) != CONNECTION_OK) {
        say_error(run, "connect");
        return STATUS_UNAVAILABLE;
    }
    PQsetNoticeProcessor(run->pg, ignore_notice, NULL);
    for (size_t i = 0; i < array_len(steps) && status == STATUS_OK; i++)
        status = execute(run, steps[i]);
    return status;
}

/* ---- what was applied ---- */

static struct migration *find(struct run *run, const char *name)
{
    for (size_t i = 0; i < run->count; i++) {
        if (strcmp(run->migrations[i].name, name) == 0)
            return &run->migrations[i];
    }
    return NULL;
}

static enum status check_applied(struct run *run, const char *name, const char *sha256_text)
{
    struct migration *m = find(run, name);

    if (!m) {
        buf_printf(run->report, "%s was applied and is missing in %s\n", name, run->directory);
        return STATUS_INVALID;
    }
    m->applied = true;
    if (strcmp(m->sha256, sha256_text) == 0)
        return STATUS_OK;
    buf_printf(run->report, "%s has changed since it was applied\n", name);
    return STATUS_INVALID;
}

static enum status check_order(struct run *run)
{
    const struct migration *late = NULL;

    for (size_t i = 0; i < run->count; i++) {
        if (!run->migrations[i].applied) {
            late = late ? late : &run->migrations[i];
        } else if (late) {
            buf_printf(run->report, "%s is new but older than %s, which was applied\n", late->name,
                       run->migrations[i].name);
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

static enum status compare(struct run *run)
{
    PGresult *result = PQexec(run->pg, "SELECT name, sha256 FROM schema_migration ORDER BY number");
    enum status status = STATUS_OK;

    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        say_error(run, "schema_migration");
        status = failure_of(run);
    }
    for (int i = 0; i < PQntuples(result); i++) {
        if (check_applied(run, PQgetvalue(result, i, 0), PQgetvalue(result, i, 1)))
            status = STATUS_INVALID; /* all of them are told */
    }
    PQclear(result);
    return status ? status : check_order(run);
}

/* ---- applying ---- */

/* PostgreSQL counts characters from 1. */
static size_t line_of(const struct migration *m, const char *position)
{
    uint64_t characters = 0;
    size_t line = 1;

    if (!position || !slice_to_u64(slice_str(position), &characters))
        return 0;
    for (const char *at = m->text.at; *at && characters > 1; at++) {
        if (*at == '\n')
            line++;
        if (((unsigned char)at[1] & 0xC0) != 0x80) /* UTF-8: a character ends here */
            characters--;
    }
    return line;
}

static enum status refuse(struct run *run, const struct migration *m, const PGresult *result)
{
    size_t line = line_of(m, PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION));

    buf_printf(run->report, "%s:%zu: %s", m->name, line, PQresultErrorMessage(result));
    return failure_of(run);
}

static enum status record(struct run *run, const struct migration *m)
{
    char number[5] = {m->name[0], m->name[1], m->name[2], m->name[3], '\0'};
    const char *values[] = {number, m->name, m->sha256};
    PGresult *result = PQexecParams(
        run->pg, "INSERT INTO schema_migration (number, name, sha256) VALUES ($1::integer, $2, $3)",
        3, NULL, values, NULL, NULL, 0);
    bool recorded = PQresultStatus(result) == PGRES_COMMAND_OK;

    PQclear(result);
    if (recorded)
        return STATUS_OK;
    say_error(run, m->name);
    return failure_of(run);
}

static enum status run_file(struct run *run, const struct migration *m)
{
    PGresult *result = PQexec(run->pg, m->text.at);
    ExecStatusType got = PQresultStatus(result);
    enum status status = STATUS_OK;

    if (got != PGRES_COMMAND_OK && got != PGRES_TUPLES_OK && got != PGRES_EMPTY_QUERY)
        status = refuse(run, m, result);
    PQclear(result);
    if (status == STATUS_OK && PQtransactionStatus(run->pg) != PQTRANS_INTRANS) {
        buf_printf(run->report, "%s ends the transaction it runs in\n", m->name);
        status = STATUS_INVALID;
    }
    return status;
}

static enum status apply(struct run *run, const struct migration *m)
{
    enum status status = execute(run, "BEGIN");

    if (status == STATUS_OK)
        status = run_file(run, m);
    if (status == STATUS_OK)
        status = record(run, m);
    if (status == STATUS_OK)
        status = execute(run, "COMMIT");
    if (status == STATUS_OK)
        buf_printf(run->report, "applied %s\n", m->name);
    return status; /* the transaction of a failure ends with the connection */
}

static void run_free(struct run *run)
{
    PQfinish(run->pg);
    for (size_t i = 0; i < run->count; i++) {
        buf_free(&run->migrations[i].text);
        mem_free(run->migrations[i].name);
    }
    mem_free(run->migrations);
}

enum status migrate_run(const char *conninfo, const char *directory, struct buf *ret_report)
{
    struct run run = {.directory = directory, .report = ret_report};
    enum status status = read_directory(&run);

    if (status == STATUS_OK)
        status = connect_to(&run, conninfo);
    if (status == STATUS_OK)
        status = compare(&run);
    for (size_t i = 0; i < run.count && status == STATUS_OK; i++) {
        if (!run.migrations[i].applied)
            status = apply(&run, &run.migrations[i]);
    }
    run_free(&run);
    return status;
}
