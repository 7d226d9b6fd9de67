/* Small looks at the servers under load, blocking: addresses, plain requests, processor time. */
#ifndef HOLDFAST_BENCH_PROBE_H
#define HOLDFAST_BENCH_PROBE_H

#include "engine/base/slice.h"

#include <netinet/in.h>

/* http://a.b.c.d:port of a loopback address; a generator that can be pointed at strangers is a
 * weapon. */
bool probe_address(const char *url, struct sockaddr_in *ret_address);
/* A connected socket without Nagle, or -1. */
int probe_connect(const struct sockaddr_in *address);
/* A metric without labels from a daemon's /metrics; -1 when that cannot be read. */
double probe_metric(const char *ops_url, const char *name);
/* Seconds of processor time a daemon has used, from its /metrics; -1 when that cannot be read. */
double probe_cpu_seconds(const char *ops_url);
/* Sorts the values. */
double probe_median(double *values, size_t count);

#endif
