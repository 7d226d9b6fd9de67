#include "tests/lib/port.h"

#include "engine/base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

uint16_t port_free(void)
{
    struct sockaddr_in at = loopback(0);
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        abort();
    close(fd);
    return ntohs(at.sin_port);
}

static bool accepts(uint16_t port)
{
    struct sockaddr_in at = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;

    if (fd >= 0)
        close(fd);
    return connected;
}

bool port_wait(uint16_t port, int timeout_ms)
{
    int64_t end_ns = clock_mono_ns(&clock_system) + timeout_ms * 1000000LL;

    while (!accepts(port)) {
        if (clock_mono_ns(&clock_system) >= end_ns)
            return false;
        poll(NULL, 0, 5);
    }
    return true;
}
