/* The pages of a web root, in memory: read once at start and on reload, found by exact path, so
 * that no request ever names a file of the disk. */
#ifndef HOLDFAST_WAITROOM_STATIC_FILES_H
#define HOLDFAST_WAITROOM_STATIC_FILES_H

#include "engine/net/router.h"

#define STATIC_FILE_MAX  (4u * 1024 * 1024)  /* bytes; a larger file is refused */
#define STATIC_TOTAL_MAX (64u * 1024 * 1024) /* bytes of all */
#define STATIC_DEPTH_MAX 8                   /* directories under the root */

struct static_files;

/* Reads the directory. Files and directories whose name begins with a dot, symbolic links, and
 * types that are not known are left out. IO, TOO_LARGE: ret_why names the file. */
enum status static_files_load(const char *root, struct static_files **ret_files, char *ret_why,
                              size_t why_size) MUST_CHECK;
/* What is being sent stays until it is sent. NULL is fine. */
void static_files_unref(struct static_files *files);

struct static_site {
    struct static_files *files; /* owned; replaced by a reload */
};
/* The route of everything that no other table knows: add it last. `site` is borrowed. */
void static_site_add(struct router *router, struct static_site *site);

#endif
