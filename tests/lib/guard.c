#include "tests/lib/guard.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard guard_new(const void *at, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (len + page - 1) / page * page;
    struct guard g = {.map_len = used + page};
    char *map = mmap(NULL, g.map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED || mprotect(map + used, page, PROT_NONE) != 0)
        abort();
    if (len > 0)
        memcpy(map + used - len, at, len);
    g.map = map;
    g.bytes = slice_of(map + used - len, len);
    return g;
}

void guard_free(struct guard *g)
{
    munmap(g->map, g->map_len);
    *g = (struct guard){0};
}
