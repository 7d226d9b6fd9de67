#include "bench/bare.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS = 256, REQUESTS_MAX = 64 };

/* How many requests end in these bytes. The load never splits one: each is far smaller than a
 * segment. */
static size_t count_requests(const char *at, size_t len)
{
    size_t count = 0;
    const char *end = at + len;

    while ((at = memmem(at, (size_t)(end - at), "\r\n\r\n", 4))) {
        at += 4;
        count++;
    }
    return count;
}

static void answer_ready(int fd, struct slice answer)
{
    char in[16 * 1024];
    ssize_t len = recv(fd, in, sizeof(in), MSG_DONTWAIT);

    if (len <= 0) {
        close(fd);
        return;
    }
    for (size_t n = count_requests(in, (size_t)len); n > 0; n--)
        if (send(fd, answer.at, answer.len, MSG_NOSIGNAL) != (ssize_t)answer.len) {
            close(fd);
            return;
        }
}

static _Noreturn void serve(int listener, struct slice answer)
{
    struct epoll_event events[EVENTS], want = {.events = EPOLLIN, .data.fd = listener};
    int epoll = epoll_create1(EPOLL_CLOEXEC), one = 1;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &want);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != listener) {
                answer_ready(events[i].data.fd, answer);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            want.data.fd = fd;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &want);
        }
    }
}

bool bare_start(struct bare *b, struct slice answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        return false;
    b->port = ntohs(address.sin_port);
    b->pid = fork();
    if (b->pid == 0)
        serve(listener, answer);
    close(listener);
    return b->pid > 0;
}

double bare_cpu_seconds(const struct bare *b)
{
    unsigned long user = 0, system = 0;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)b->pid);
    FILE *f = fopen(path, "re");
    if (f) {
        if (fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                   &system) != 2)
            user = system = 0;
        fclose(f);
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

void bare_stop(struct bare *b)
{
    kill(b->pid, SIGKILL);
    waitpid(b->pid, NULL, 0);
}
