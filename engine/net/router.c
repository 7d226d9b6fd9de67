/* Patterns are cut into segments once, when their table is added, and sorted by how particular they
 * are. The first that fits settles the shape of the path (literals and parameters in which places);
 * the routes of that shape that fit, in this table and the later ones, are its methods. */
#include "engine/net/router.h"

#include "engine/base/mem.h"

#include <assert.h>
#include <stdlib.h>

#define SEGMENTS_MAX 16 /* two bits of a 32-bit rank each */

enum segment_kind { SEGMENT_REST, SEGMENT_PARAM, SEGMENT_LITERAL }; /* in order of rank */

struct compiled_route {
    const struct route *route;
    struct slice segments[SEGMENTS_MAX];
    uint8_t kinds[SEGMENTS_MAX];
    size_t count;
    uint32_t rank; /* two bits a segment from the first down: the larger, the more particular */
};

struct router_table {
    struct compiled_route *routes; /* owned, by falling rank */
    size_t count;
    void *ctx;
};

/* The parts of a path between its slashes. `rest[i]` is the path from segment i on. */
struct path_parts {
    struct slice segments[SEGMENTS_MAX];
    struct slice rest[SEGMENTS_MAX];
    size_t count;
    bool too_many;
};

void router_init(struct router *r)
{
    r->tables = NULL;
    r->count = 0;
}

void router_free(struct router *r)
{
    for (size_t i = 0; i < r->count; i++)
        mem_free(r->tables[i].routes);
    mem_free(r->tables);
    router_init(r);
}

static enum segment_kind kind_of(struct slice segment)
{
    if (slice_is(segment, "*"))
        return SEGMENT_REST;
    return segment.len > 2 && segment.at[0] == '{' && segment.at[segment.len - 1] == '}'
               ? SEGMENT_PARAM
               : SEGMENT_LITERAL;
}

static void compile(struct compiled_route *c, const struct route *route)
{
    struct slice left = slice_str(route->pattern + 1);
    size_t params = 0;

    assert(route->pattern[0] == '/');
    *c = (struct compiled_route){.route = route};
    while (left.at) {
        struct slice segment = slice_cut(&left, '/');
        enum segment_kind kind = kind_of(segment);

        assert(c->count < SEGMENTS_MAX);
        assert(kind != SEGMENT_REST || !left.at);
        params += kind != SEGMENT_LITERAL;
        c->kinds[c->count] = (uint8_t)kind;
        c->rank |= (uint32_t)(kind + 1) << (30 - 2 * c->count);
        c->segments[c->count++] = segment;
    }
    assert(params <= HTTP_PARAMS_MAX);
}

static int by_falling_rank(const void *a, const void *b)
{
    const struct compiled_route *x = a, *y = b;

    return (x->rank < y->rank) - (x->rank > y->rank);
}

void router_add(struct router *r, const struct route *routes, size_t count, void *ctx)
{
    struct router_table *t;

    r->tables = mem_resize(r->tables, (r->count + 1) * sizeof(*r->tables));
    t = &r->tables[r->count++];
    t->routes = mem_alloc(count * sizeof(*t->routes));
    t->count = count;
    t->ctx = ctx;
    for (size_t i = 0; i < count; i++)
        compile(&t->routes[i], &routes[i]);
    qsort(t->routes, count, sizeof(*t->routes), by_falling_rank);
}

static void split(struct slice path, struct path_parts *ret_parts)
{
    struct slice left = slice_of(path.at + 1, path.len - 1);

    ret_parts->count = 0;
    ret_parts->too_many = false;
    while (left.at) {
        if (ret_parts->count == SEGMENTS_MAX) {
            ret_parts->too_many = true; /* only "*" can take it */
            return;
        }
        ret_parts->rest[ret_parts->count] = left;
        ret_parts->segments[ret_parts->count++] = slice_cut(&left, '/');
    }
}

/* A parameter is one plain segment; an encoded one would have two spellings, so it is no match. */
static bool plain(struct slice s)
{
    return s.len == 0 || memchr(s.at, '%', s.len) == NULL;
}

static bool fits(const struct compiled_route *c, const struct path_parts *parts)
{
    bool takes_rest = c->kinds[c->count - 1] == SEGMENT_REST;

    if (takes_rest ? parts->count < c->count : parts->count != c->count || parts->too_many)
        return false;
    for (size_t i = 0; i < c->count; i++) {
        switch ((enum segment_kind)c->kinds[i]) {
        case SEGMENT_LITERAL:
            if (!slice_eq(c->segments[i], parts->segments[i]))
                return false;
            break;
        case SEGMENT_PARAM:
            if (parts->segments[i].len == 0 || !plain(parts->segments[i]))
                return false;
            break;
        case SEGMENT_REST:
            if (!plain(parts->rest[i]))
                return false;
            break;
        }
    }
    return true;
}

static void take_params(const struct compiled_route *c, const struct path_parts *parts,
                        struct http_request *req)
{
    size_t n = 0;

    for (size_t i = 0; i < c->count; i++) {
        if (c->kinds[i] == SEGMENT_PARAM)
            req->params[n++] = parts->segments[i];
        else if (c->kinds[i] == SEGMENT_REST)
            req->params[n++] = parts->rest[i];
    }
}

static bool serves(const struct route *route, enum http_method method)
{
    return route->method == method || (method == HTTP_HEAD_ && route->method == HTTP_GET_);
}

/* "GET, HEAD, POST": 48 bytes when all are there. */
static void write_allow(unsigned methods, char *ret_allow)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    char *at = ret_allow;

    if (methods & 1u << HTTP_GET_)
        methods |= 1u << HTTP_HEAD_;
    for (size_t i = 0; i < array_len(names); i++) {
        if (!(methods & 1u << i))
            continue;
        if (at != ret_allow)
            at = stpcpy(at, ", ");
        at = stpcpy(at, names[i]);
    }
    *at = '\0';
}

/* The route of this shape that serves the method; adds the methods of those that do not to
 * *methods. "*" takes any path, so it does not tell that there is something at this one. */
static const struct compiled_route *choose_method(const struct router_table *t, uint32_t rank,
                                                  const struct path_parts *parts,
                                                  enum http_method method, unsigned *methods)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct compiled_route *c = &t->routes[i];

        if (c->rank != rank || !fits(c, parts))
            continue;
        if (serves(c->route, method))
            return c;
        if (c->kinds[c->count - 1] != SEGMENT_REST)
            *methods |= 1u << c->route->method;
    }
    return NULL;
}

/* The rank of the most particular pattern that fits, 0 when none does. */
static uint32_t shape_of(const struct router_table *t, const struct path_parts *parts)
{
    for (size_t i = 0; i < t->count; i++) {
        if (fits(&t->routes[i], parts))
            return t->routes[i].rank;
    }
    return 0;
}

enum route_match router_match(const struct router *r, struct http_request *req, void **ret_ctx,
                              char *ret_allow)
{
    struct path_parts parts;
    unsigned methods = 0;
    uint32_t rank = 0;

    if (req->path.len == 0 || req->path.at[0] != '/')
        return ROUTE_NO_PATH;
    split(req->path, &parts);
    for (size_t i = 0; i < r->count; i++) {
        const struct router_table *t = &r->tables[i];
        const struct compiled_route *c;

        if (rank == 0)
            rank = shape_of(t, &parts);
        c = rank ? choose_method(t, rank, &parts, req->method, &methods) : NULL;
        if (!c)
            continue;
        req->route = c->route;
        take_params(c, &parts, req);
        *ret_ctx = t->ctx;
        return ROUTE_FOUND;
    }
    if (methods == 0)
        return ROUTE_NO_PATH;
    write_allow(methods, ret_allow);
    return ROUTE_NO_METHOD;
}
