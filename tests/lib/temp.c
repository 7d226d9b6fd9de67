#include "tests/lib/temp.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct temp_dir temp_dir_new(void)
{
    struct temp_dir dir;
    const char *base = getenv("TMPDIR");
    int len = snprintf(dir.path, sizeof(dir.path), "%s/holdfast-XXXXXX", base ? base : "/tmp");

    if (len < 0 || (size_t)len >= sizeof(dir.path) || !mkdtemp(dir.path)) {
        perror("temp_dir_new");
        abort();
    }
    return dir;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

void temp_dir_free(struct temp_dir *dir)
{
    if (nftw(dir->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        perror(dir->path);
        abort();
    }
    dir->path[0] = '\0';
}

void temp_file(const struct temp_dir *dir, const char *name, const void *bytes, size_t len,
               char *ret_path, size_t path_size)
{
    int n = snprintf(ret_path, path_size, "%s/%s", dir->path, name);
    FILE *f = n > 0 && (size_t)n < path_size ? fopen(ret_path, "we") : NULL;

    if (!f || fwrite(bytes, 1, len, f) != len || fclose(f) != 0) {
        perror(ret_path);
        abort();
    }
}
