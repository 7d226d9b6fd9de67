/* What the tests' own servers leave behind: nothing, however they end. */
#include "tests/lib/servers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(servers, .timeout = 60);

/* Of a running one: line 7 of postmaster.pid has its key and id. */
static int segment_of(const struct server *postgres)
{
    char path[512], line[512] = "";
    int segment = -1;
    FILE *f;

    snprintf(path, sizeof(path), "%s/data/postmaster.pid", postgres->dir.path);
    f = fopen(path, "re");
    for (int i = 0; f && i < 7; i++)
        cr_assert(fgets(line, sizeof(line), f));
    if (f)
        fclose(f);
    cr_assert_eq(sscanf(line, "%*u %d", &segment), 1);
    return segment;
}

static bool exists(int segment)
{
    struct shmid_ds about;

    return shmctl(segment, IPC_STAT, &about) == 0;
}

Test(servers, a_stopped_postgresql_leaves_no_segment)
{
    struct server *postgres = servers_postgres_start();
    int segment = segment_of(postgres);

    cr_assert(segment >= 0 && exists(segment));
    server_stop(postgres);
    cr_assert_not(exists(segment));
}

Test(servers, the_postgresql_of_a_test_that_died_leaves_no_segment)
{
    int ends[2], segment = -1;
    pid_t pid;

    cr_assert_eq(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        segment = segment_of(servers_postgres_start());
        _exit(write(ends[1], &segment, sizeof(segment)) != sizeof(segment));
    }
    cr_assert_eq(read(ends[0], &segment, sizeof(segment)), (ssize_t)sizeof(segment));
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_assert(segment >= 0);
    for (int i = 0; i < 3000 && exists(segment); i++)
        usleep(10000);
    cr_assert_not(exists(segment));
}
