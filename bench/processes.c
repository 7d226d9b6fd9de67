#include "bench/processes.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { REST_MS = 250, REST_TRIES = 80 };

/* At rest: less than this part of a core, all servers together. */
#define REST_CORES 0.10

const char *const cpu_part_names[CPU_PARTS] = {"generator", "engine", "redis",  "postgres",
                                               "paysim",    "kafka",  "gateway"};

bool processes_read(const char *text, struct processes *ret_processes)
{
    char name[16];
    int pid, used;

    ret_processes->count = 0;
    for (; text && *text; text += used + (text[used] == ',')) {
        size_t part = CPU_ENGINE;
        if (sscanf(text, "%15[a-z]=%d%n", name, &pid, &used) != 2 || pid <= 0 ||
            ret_processes->count == PROCESSES_MAX || (text[used] && text[used] != ','))
            return false;
        while (part < CPU_PARTS && strcmp(cpu_part_names[part], name) != 0)
            part++;
        if (part == CPU_PARTS)
            return false;
        ret_processes->at[ret_processes->count++] = (struct process){(enum cpu_part)part, pid};
    }
    return true;
}

/* proc(5): ticks of a process itself and of its children that have ended. */
struct ticks {
    int pid, parent;
    unsigned long long own, ended;
};

static bool ticks_read(const char *pid, struct ticks *ret_ticks)
{
    char path[288], text[1024];
    unsigned long long user, system, ended_user, ended_system;

    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t len = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[len] = 0;
    /* The command may hold blanks and parentheses; what follows its last ')' does not. */
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu",
                        &ret_ticks->parent, &user, &system, &ended_user, &ended_system) != 5)
        return false;
    ret_ticks->pid = atoi(pid);
    ret_ticks->own = user + system;
    ret_ticks->ended = ended_user + ended_system;
    return true;
}

static void add(const struct processes *p, const struct ticks *t, double ret_seconds[CPU_PARTS])
{
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);

    for (size_t i = 0; i < p->count; i++) {
        if (t->pid == p->at[i].pid)
            ret_seconds[p->at[i].part] += (double)(t->own + t->ended) * tick;
        else if (t->parent == p->at[i].pid)
            ret_seconds[p->at[i].part] += (double)t->own * tick;
    }
}

static double own_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

void processes_cpu(const struct processes *p, double ret_seconds[CPU_PARTS])
{
    DIR *proc = p->count ? opendir("/proc") : NULL;
    struct ticks t;

    memset(ret_seconds, 0, CPU_PARTS * sizeof(*ret_seconds));
    for (struct dirent *d; proc && (d = readdir(proc));)
        if (isdigit((unsigned char)d->d_name[0]) && ticks_read(d->d_name, &t))
            add(p, &t, ret_seconds);
    if (proc)
        closedir(proc);
    ret_seconds[CPU_GENERATOR] = own_seconds();
}

static double servers_seconds(const struct processes *p)
{
    double seconds[CPU_PARTS], sum = 0;

    processes_cpu(p, seconds);
    for (size_t i = CPU_ENGINE; i < CPU_PARTS; i++)
        sum += seconds[i];
    return sum;
}

void processes_settle(const struct processes *p)
{
    const struct timespec pause = {.tv_nsec = REST_MS * 1000000L};
    double before = servers_seconds(p);

    for (int i = 0; p->count && i < REST_TRIES; i++) {
        nanosleep(&pause, NULL);
        double now = servers_seconds(p);
        if (now - before < REST_CORES * REST_MS / 1000)
            return;
        before = now;
    }
}
