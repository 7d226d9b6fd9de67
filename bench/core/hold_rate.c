/* hold_rate: how many holds of four places a second the booking core's path to Redis makes, without
 * HTTP, and what a plain sender of the same commands reaches. bench/core/holds.sh uses it.
 *
 *   hold_rate stage  REDIS FORM HOLDS                    an event in Redis with all seats free
 *   hold_rate core   REDIS FORM HOLDS IN_FLIGHT [RATE]   through the seat store
 *   hold_rate raw    REDIS FORM HOLDS IN_FLIGHT [RATE]   the same commands, encoded beforehand
 *   hold_rate print  REDIS FORM HOLDS                    one of them for redis-benchmark
 *   hold_rate held   REDIS FORM HOLDS                    how many holds there are
 *   hold_rate clean  REDIS FORM HOLDS                    takes the event out of Redis again
 *
 * FORM is `area` (four places of a general-admission area, looked for from a random one on) or
 * `named`. core and raw print rate=, p99_us= (from the intended instant when there is a RATE) and
 * generator_us=, and fail unless every hold was granted. */
#include "bench/core/hold_rate.h"
#include "engine/base/log.h"
#include "engine/store/kv_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

double hold_cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static int measure(struct stage *s, const char *verb, const char *redis, struct holding *h)
{
    double holds = (double)s->holds;

    hist_init(&h->times);
    if (strcmp(verb, "core") == 0)
        hold_core(s, h);
    else
        hold_raw(s, redis, h);
    printf("rate=%.0f granted=%zu p50_us=%llu p99_us=%llu generator_us=%.2f\n", holds / h->seconds,
           h->granted, (unsigned long long)hist_quantile(&h->times, 0.5),
           (unsigned long long)hist_quantile(&h->times, 0.99), h->cpu_us / holds);
    hist_free(&h->times);
    if (h->granted != s->holds)
        fprintf(stderr, "hold_rate: only %zu of %zu holds were granted\n", h->granted, s->holds);
    return h->granted == s->holds ? 0 : 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: hold_rate stage|core|raw|print|held|clean HOST:PORT area|named HOLDS "
                    "[IN_FLIGHT [RATE]]\n");
    return 2;
}

static int run(struct stage *s, const char *verb, char **argv, int argc)
{
    struct holding h = {.in_flight = argc > 5 ? (size_t)atol(argv[5]) : 0,
                        .rate = argc > 6 ? atof(argv[6]) : 0};

    if (strcmp(verb, "stage") == 0) {
        stage_clean(s);
        stage_build(s);
    } else if (strcmp(verb, "clean") == 0) {
        stage_clean(s);
    } else if (strcmp(verb, "print") == 0) {
        stage_print(s);
    } else if (strcmp(verb, "held") == 0) {
        printf("%zu\n", stage_held(s) / HOLD_SEATS);
    } else if ((strcmp(verb, "core") == 0 || strcmp(verb, "raw") == 0) && h.in_flight > 0) {
        return measure(s, verb, argv[2], &h);
    } else {
        return usage();
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct stage *s;
    int code;

    if (argc < 5 || atol(argv[4]) <= 0)
        return usage();
    log_setup(LOG_WARN, LOG_LOGFMT, STDERR_FILENO);
    s = mem_alloc(sizeof(*s));
    loop_init(&s->loop, &clock_system);
    s->kv = kv_redis_new(&s->loop, &(struct kv_redis_options){.address = argv[2]});
    stage_open(s, strcmp(argv[3], "area") == 0, (size_t)atol(argv[4]));
    code = run(s, argv[1], argv, argc);
    stage_close(s);
    mem_free(s);
    return code;
}
