/* Processor time of the servers under load, from /proc: every server is a process and its children
 * (PostgreSQL has one a connection), named by whoever started it. */
#ifndef HOLDFAST_BENCH_PROCESSES_H
#define HOLDFAST_BENCH_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Who uses processor time for an operation; the first is the harness itself, or whatever made the
 * load in its place. */
enum cpu_part {
    CPU_GENERATOR,
    CPU_ENGINE,
    CPU_REDIS,
    CPU_POSTGRES,
    CPU_PAYSIM,
    CPU_KAFKA,
    CPU_GATEWAY,
    CPU_PARTS
};
extern const char *const cpu_part_names[CPU_PARTS];

#define PROCESSES_MAX 32

struct processes {
    size_t count;
    struct process {
        enum cpu_part part;
        pid_t pid;
    } at[PROCESSES_MAX];
};

/* "engine=12,engine=13,redis=14"; NULL is nobody. False when it is not of that form. */
bool processes_read(const char *text, struct processes *ret_processes);
/* Seconds used until now, by part: children that have ended included, ourselves as the generator.
 * Resolution is the kernel's clock tick, 10 ms. */
void processes_cpu(const struct processes *p, double ret_seconds[CPU_PARTS]);
/* Waits, at most 20 s, until the servers are at rest: what one round left behind (news to be sent,
 * files to be rewritten) must not be charged to the next. */
void processes_settle(const struct processes *p);

#endif
