/* The file of settings, through config_reload, from memory. */
#include "engine/base/config.h"
#include "engine/base/mem.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct settings {
    int64_t port;
    const char *name;
    bool tls;
};

static const struct config_option options[] = {
    {"port", CONFIG_INT, offsetof(struct settings, port), "1", 1, 65535, false, "port"},
    {"name", CONFIG_STR, offsetof(struct settings, name), "x", 0, 0, false, "name"},
    {"tls", CONFIG_BOOL, offsetof(struct settings, tls), "no", 0, 0, false, "TLS"},
};

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct settings settings = {0};
    struct config c = {.program = "fuzz", .options = options, .count = array_len(options)};
    char path[40], *argv[] = {"fuzz", "--config", path, NULL};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct buf why;

    must(fd >= 0 && write(fd, at, len) == (ssize_t)len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    buf_init(&why, 8192);
    if (config_reload(&c, 3, argv, &settings, &why) == STATUS_OK)
        must(settings.port >= 1 && settings.port <= 65535 && settings.name);
    else
        must(why.len > 0);
    buf_free(&why);
    config_free(&c);
    close(fd);
    return 0;
}
