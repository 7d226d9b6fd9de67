#include "waitroom/static_files.h"

#include "engine/base/map.h"
#include "engine/base/mem.h"
#include "waitroom/etag.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define PATH_SIZE  512
#define GZIP_WORTH 256 /* bytes; below, the answer is not smaller on the wire */

struct static_file {
    char *path; /* as asked for, "/app/main.js" */
    const char *type;
    char *bytes, *gzip; /* owned; gzip NULL when it would not be smaller */
    size_t len, gzip_len;
    char etag[ETAG_SIZE];
};

struct static_files {
    struct map by_path;
    size_t total;
    unsigned refs;
};

static const struct {
    const char *suffix, *type;
    bool text;
} types[] = {
    {".html", "text/html; charset=utf-8", true},
    {".css", "text/css; charset=utf-8", true},
    {".js", "text/javascript; charset=utf-8", true},
    {".mjs", "text/javascript; charset=utf-8", true},
    {".json", "application/json", true},
    {".svg", "image/svg+xml", true},
    {".txt", "text/plain; charset=utf-8", true},
    {".webmanifest", "application/manifest+json", true},
    {".png", "image/png", false},
    {".jpg", "image/jpeg", false},
    {".webp", "image/webp", false},
    {".ico", "image/x-icon", false},
    {".woff2", "font/woff2", false},
};

static bool ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text), suffix_len = strlen(suffix);

    return len > suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

/* Index into types, -1: not one that is served. */
static int type_of(const char *name)
{
    for (size_t i = 0; i < array_len(types); i++) {
        if (ends_with(name, types[i].suffix))
            return (int)i;
    }
    return -1;
}

/* ---- reading ---- */

static void file_free(struct static_file *f)
{
    mem_free(f->path);
    mem_free(f->bytes);
    mem_free(f->gzip);
    mem_free(f);
}

void static_files_unref(struct static_files *files)
{
    struct static_file *f;
    size_t cursor = 0;

    if (!files || --files->refs > 0)
        return;
    while ((f = map_next(&files->by_path, &cursor))) {
        map_remove(&files->by_path, slice_str(f->path));
        file_free(f);
    }
    map_free(&files->by_path);
    mem_free(files);
}

/* A gzip member (RFC 1952) of the file, kept when it is smaller. */
static void compress_file(struct static_file *f)
{
    z_stream z = {0};
    size_t size;

    if (f->len < GZIP_WORTH ||
        deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return;
    size = deflateBound(&z, f->len);
    f->gzip = mem_alloc(size);
    z.next_in = (Bytef *)f->bytes;
    z.avail_in = (uInt)f->len;
    z.next_out = (Bytef *)f->gzip;
    z.avail_out = (uInt)size;
    if (deflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out < f->len) {
        f->gzip_len = z.total_out;
    } else {
        mem_free(f->gzip);
        f->gzip = NULL;
    }
    deflateEnd(&z);
}

static enum status read_all(int fd, char *at, size_t len)
{
    while (len > 0) {
        ssize_t got = read(fd, at, len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return STATUS_IO;
        at += got;
        len -= (size_t)got;
    }
    return STATUS_OK;
}

static void add_file(struct static_files *files, struct static_file *f)
{
    struct static_file *old = map_put(&files->by_path, slice_str(f->path), f);

    if (old)
        file_free(old);
}

static enum status load_fd(struct static_files *files, int fd, const char *path, int type)
{
    struct static_file *f;
    struct stat st;
    enum status status;

    if (fstat(fd, &st) != 0)
        return STATUS_IO;
    if ((uint64_t)st.st_size > STATIC_FILE_MAX ||
        files->total + (size_t)st.st_size > STATIC_TOTAL_MAX)
        return STATUS_TOO_LARGE;
    f = mem_alloc(sizeof(*f));
    f->len = (size_t)st.st_size;
    f->bytes = mem_alloc(f->len + 1);
    f->path = mem_strdup(path);
    f->type = types[type].type;
    status = read_all(fd, f->bytes, f->len);
    if (status != STATUS_OK) {
        file_free(f);
        return status;
    }
    files->total += f->len;
    etag_of(slice_of(f->bytes, f->len), f->etag);
    if (types[type].text)
        compress_file(f);
    add_file(files, f);
    return STATUS_OK;
}

struct loading {
    struct static_files *files;
    char *why;
    size_t why_size;
};

static enum status load_dir(struct loading *l, int dir_fd, const char *path, int depth);

static enum status load_entry(struct loading *l, int dir_fd, const char *dir, const char *name,
                              int depth)
{
    char path[PATH_SIZE];
    int type = type_of(name);
    struct stat st;
    enum status status = STATUS_OK;
    int fd;

    if (name[0] == '.' || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return STATUS_OK;
    if (!S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || type < 0))
        return STATUS_OK;
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
        return STATUS_TOO_LARGE;
    fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        status = STATUS_IO;
    } else if (S_ISDIR(st.st_mode)) {
        return load_dir(l, fd, path, depth + 1);
    } else {
        status = load_fd(l->files, fd, path, type);
        close(fd);
    }
    if (status != STATUS_OK)
        snprintf(l->why, l->why_size, "%s: %s", path, status_text(status));
    return status;
}

/* Closes dir_fd. */
static enum status load_dir(struct loading *l, int dir_fd, const char *path, int depth)
{
    DIR *dir = depth > STATIC_DEPTH_MAX ? NULL : fdopendir(dir_fd);
    enum status status = STATUS_OK;
    struct dirent *entry;

    if (!dir) {
        close(dir_fd);
        snprintf(l->why, l->why_size, "%s: cannot be read", path);
        return STATUS_IO;
    }
    while (status == STATUS_OK && (entry = readdir(dir)))
        status = load_entry(l, dirfd(dir), path, entry->d_name, depth);
    closedir(dir);
    return status;
}

enum status static_files_load(const char *root, struct static_files **ret_files, char *ret_why,
                              size_t why_size)
{
    struct static_files *files;
    struct loading l = {.why = ret_why, .why_size = why_size};
    enum status status;
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        snprintf(ret_why, why_size, "%s: %s", root, strerror(errno));
        return STATUS_IO;
    }
    files = mem_alloc(sizeof(*files));
    files->refs = 1;
    map_init(&files->by_path);
    l.files = files;
    status = load_dir(&l, fd, "", 0);
    if (status != STATUS_OK)
        static_files_unref(files);
    else
        *ret_files = files;
    return status;
}

/* ---- serving ---- */

static struct static_file *find_file(struct static_files *files, struct slice path)
{
    char text[PATH_SIZE];
    struct static_file *f = map_get(&files->by_path, path);
    int len;

    if (f || path.len == 0 || path.at[path.len - 1] != '/')
        return f;
    len = snprintf(text, sizeof(text), "%.*sindex.html", SLICE_ARG(path));
    return (size_t)len < sizeof(text) ? map_get(&files->by_path, slice_of(text, (size_t)len))
                                      : NULL;
}

/* True when the client takes gzip: named and not refused with q=0 (RFC 9110 section 12.5.3). */
static bool takes_gzip(const struct http_request *req)
{
    struct slice accepted = http_header_get(req, "accept-encoding");

    while (accepted.at) {
        struct slice weight = slice_cut(&accepted, ',');
        struct slice coding = slice_trim(slice_cut(&weight, ';'));

        if (!slice_eq_nocase(coding, SLICE_LITERAL("gzip")))
            continue;
        weight = slice_trim(weight);
        return !slice_is(weight, "q=0") && !slice_is(weight, "q=0.0") &&
               !slice_is(weight, "q=0.00") && !slice_is(weight, "q=0.000");
    }
    return false;
}

/* Everything comes from the own origin; nothing may frame the pages or guess at types. */
static void put_headers(struct http_request *req, const struct static_file *f)
{
    http_header(req, "ETag", f->etag);
    http_header(req, "Cache-Control", "no-cache");
    http_header(req, "Vary", "Accept-Encoding");
    http_header(
        req, "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; style-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'");
    http_header(req, "X-Content-Type-Options", "nosniff");
    http_header(req, "X-Frame-Options", "DENY");
    http_header(req, "Referrer-Policy", "strict-origin-when-cross-origin");
    http_header(req, "Cross-Origin-Opener-Policy", "same-origin");
}

static void release(void *arg)
{
    static_files_unref(arg);
}

static void get_file(struct http_request *req, void *ctx)
{
    struct static_site *site = ctx;
    struct static_file *f = site->files ? find_file(site->files, req->path) : NULL;
    struct slice body;

    if (!f) {
        http_reply_problem(req, PROBLEM_NOT_FOUND, NULL);
        return;
    }
    put_headers(req, f);
    if (etag_matches(http_header_get(req, "if-none-match"), f->etag)) {
        http_reply_empty(req, 304);
        return;
    }
    body = slice_of(f->bytes, f->len);
    if (f->gzip && takes_gzip(req)) {
        http_header(req, "Content-Encoding", "gzip");
        body = slice_of(f->gzip, f->gzip_len);
    }
    site->files->refs++;
    http_reply_shared(req, 200, f->type, body, release, site->files);
}

static const struct route routes[] = {
    {HTTP_GET_, "/", get_file, 0, 0},
    {HTTP_GET_, "/*", get_file, 0, 0},
};

void static_site_add(struct router *router, struct static_site *site)
{
    router_add(router, routes, array_len(routes), site);
}
