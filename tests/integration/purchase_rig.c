#include "tests/integration/purchase_rig.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct rig_servers servers;
struct rig rig;

void setup(void)
{
    rig_servers_start(&servers, 100);
    rig_open(&rig, &servers);
}

void teardown(void)
{
    rig_settle(&rig, &servers);
    rig_audit(&rig, &servers);
    rig_close(&rig);
    rig_servers_stop(&servers);
}

long rows(const char *sql)
{
    return sale_count(servers.postgres, sql);
}

void until_count(const char *sql, long count, int ms)
{
    for (int waited = 0; rows(sql) != count; waited += 10) {
        cr_assert(waited < ms, "%s", sql);
        usleep(10000);
    }
}

void until_one(const char *sql)
{
    until_count(sql, 1, 10000);
}

void one(uint32_t seat, const char *token, struct rig_answer *a)
{
    struct hold hold;

    rig_hold(&rig, seat, 2, &hold);
    rig_buy_wait(&rig, &hold, token, NULL, a);
}

void end_at(void *ctx, const char *step)
{
    (void)ctx;
    if (strcmp(step, "authorize") == 0)
        server_sql(
            servers.postgres,
            "SELECT booking_move(event_id, booking_id, 'expired', NULL, 'hold_expired', 5000) "
            "FROM booking WHERE state = 'pending';"
            "SELECT booking_move(event_id, booking_id, 'voided', NULL, 'hold_expired', 0) "
            "FROM booking WHERE state = 'expired'");
}

static const char *crash_at;

static void crash(void *ctx, const char *step)
{
    (void)ctx;
    if (strcmp(step, crash_at) == 0)
        kill(getpid(), SIGKILL);
}

bool killed_engine(const char *step, uint32_t seat, const char *token, const struct uuid *idem,
                   int64_t hold_ms)
{
    pid_t child = fork();
    int code;

    if (child == 0) {
        static struct rig doomed;
        struct hold hold;
        struct rig_answer a;

        rig_open(&doomed, &servers);
        doomed.hold_ms = hold_ms;
        rig_hold(&doomed, seat, 2, &hold);
        crash_at = step;
        doomed.purchases.point = crash;
        rig_buy(&doomed, &hold, token, idem, &a);
        rig_settle(&doomed, &servers);
        _exit(0);
    }
    waitpid(child, &code, 0);
    return WIFSIGNALED(code) && WTERMSIG(code) == SIGKILL;
}
