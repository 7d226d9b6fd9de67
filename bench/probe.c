#include "bench/probe.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { METRICS_MAX = 1024 * 1024 };

bool probe_address(const char *url, struct sockaddr_in *ret_address)
{
    unsigned port = 80;
    char host[64];

    *ret_address = (struct sockaddr_in){.sin_family = AF_INET};
    return sscanf(url, "http://%63[0-9.]:%u", host, &port) >= 1 && port > 0 && port < 65536 &&
           inet_pton(AF_INET, host, &ret_address->sin_addr) == 1 &&
           ntohl(ret_address->sin_addr.s_addr) >> 24 == 127 &&
           (ret_address->sin_port = htons((uint16_t)port));
}

int probe_connect(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

double probe_metric(const char *ops_url, const char *name)
{
    static const char request[] =
        "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    char line_start[128];
    struct sockaddr_in address;
    char *page = malloc(METRICS_MAX);
    size_t len = 0;
    double value = -1;
    int fd = probe_address(ops_url, &address) ? probe_connect(&address) : -1;

    if (fd >= 0 && send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0) {
        for (ssize_t got;
             len < METRICS_MAX - 1 && (got = recv(fd, page + len, METRICS_MAX - 1 - len, 0)) > 0;)
            len += (size_t)got;
        page[len] = 0;
        snprintf(line_start, sizeof(line_start), "\n%s ", name);
        const char *line = strstr(page, line_start);
        value = line ? strtod(line + strlen(line_start), NULL) : -1;
    }
    if (fd >= 0)
        close(fd);
    free(page);
    return value;
}

double probe_cpu_seconds(const char *ops_url)
{
    return probe_metric(ops_url, "process_cpu_seconds_total");
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double probe_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_doubles);
    return values[count / 2];
}
