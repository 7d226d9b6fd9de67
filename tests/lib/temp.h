/* A directory of the test's own, gone afterwards. */
#ifndef HOLDFAST_TESTS_TEMP_H
#define HOLDFAST_TESTS_TEMP_H

#include <stddef.h>

struct temp_dir {
    char path[128];
};

/* Under TMPDIR, else /tmp. All three abort when the file system refuses. */
struct temp_dir temp_dir_new(void);
void temp_dir_free(struct temp_dir *dir); /* removes it with everything in it */
/* Writes a file of that name into the directory; its path goes to ret_path. */
void temp_file(const struct temp_dir *dir, const char *name, const void *bytes, size_t len,
               char *ret_path, size_t path_size);

#endif
