/* migrate: brings a database to the schema of this version, then exits. */
#include "engine/store/migrate.h"
#include "engine/base/config.h"
#include "engine/base/mem.h"

#include <stdio.h>

struct settings {
    const char *database, *sql_dir;
};

static const struct config_option options[] = {
    {"database", CONFIG_STR, offsetof(struct settings, database), "", 0, 0, false,
     "libpq connection string"},
    {"sql-dir", CONFIG_STR, offsetof(struct settings, sql_dir), "sql", 0, 0, false,
     "directory of the migrations"},
};

static int migrate(const struct settings *settings)
{
    struct buf report;
    enum status status;

    buf_init(&report, 1 << 20);
    status = migrate_run(settings->database, settings->sql_dir, &report);
    if (status)
        fprintf(stderr, "%.*smigrate: stopped: %s\n", (int)report.len, report.at ? report.at : "",
                status_text(status));
    else if (report.len == 0)
        printf("nothing to apply\n");
    else
        printf("%.*s", (int)report.len, report.at);
    buf_free(&report);
    return status ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct config config = {
        .program = "migrate",
        .summary = "Applies the migrations of a directory that the database does not have yet.",
        .options = options,
        .count = array_len(options),
        .target = &settings};
    enum config_verdict verdict = config_load(&config, argc, argv);
    int code = verdict == CONFIG_RUN ? migrate(&settings) : verdict == CONFIG_DONE ? 0 : 2;

    config_free(&config);
    return code;
}
