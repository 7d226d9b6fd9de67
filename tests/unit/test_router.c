#include "engine/net/router.h"
#include "tests/lib/leaks.h"

#include <criterion/criterion.h>

TestSuite(router, .fini = assert_no_leaks);

static void nobody(struct http_request *req, void *ctx)
{
    (void)req;
    (void)ctx;
}

static const struct route routes[] = {
    {HTTP_GET_, "/*", nobody, 0, 0},
    {HTTP_GET_, "/v1/events/{eventId}", nobody, 0, 0},
    {HTTP_GET_, "/v1/events/search", nobody, 0, 0},
    {HTTP_POST_, "/v1/events/{eventId}/holds", nobody, 0, 0},
    {HTTP_GET_, "/v1/events/{eventId}/session", nobody, 0, 0},
    {HTTP_DELETE_, "/v1/events/{eventId}/session", nobody, 0, 0},
    {HTTP_GET_, "/v1/bookings/{bookingId}/tickets/{id}", nobody, 0, 0},
    {HTTP_GET_, "/files/{kind}/*", nobody, 0, 0},
};
static const struct route earlier[] = {{HTTP_PUT_, "/v1/events/{other}", nobody, 0, 0}};

struct fixture {
    struct router r;
    struct http_request req;
    void *ctx;
    char allow[64];
};

static enum route_match ask(struct fixture *f, enum http_method method, const char *path)
{
    f->req = (struct http_request){.method = method, .path = slice_str(path)};
    f->ctx = NULL;
    f->allow[0] = '\0';
    return router_match(&f->r, &f->req, &f->ctx, f->allow);
}

static void with_routes(struct fixture *f)
{
    router_init(&f->r);
    router_add(&f->r, routes, array_len(routes), f);
}

static void assert_found(struct fixture *f, enum http_method method, const char *path,
                         const char *pattern)
{
    cr_assert_eq(ask(f, method, path), ROUTE_FOUND, "%s", path);
    cr_assert_not_null(f->req.route);
    cr_assert_str_eq(f->req.route->pattern, pattern, "%s", path);
    cr_assert_eq(f->ctx, f);
}

Test(router, the_more_particular_pattern_wins)
{
    struct fixture f;

    with_routes(&f);
    assert_found(&f, HTTP_GET_, "/v1/events/search", "/v1/events/search");
    assert_found(&f, HTTP_GET_, "/v1/events/17", "/v1/events/{eventId}");
    cr_assert(slice_is(f.req.params[0], "17"));
    assert_found(&f, HTTP_GET_, "/v1/events/17/nothing", "/*");
    cr_assert(slice_is(f.req.params[0], "v1/events/17/nothing"));
    assert_found(&f, HTTP_GET_, "/", "/*");
    cr_assert(slice_is(f.req.params[0], ""));
    router_free(&f.r);
}

Test(router, params_come_in_order)
{
    struct fixture f;

    with_routes(&f);
    assert_found(&f, HTTP_GET_, "/v1/bookings/b1/tickets/4.svg",
                 "/v1/bookings/{bookingId}/tickets/{id}");
    cr_assert(slice_is(f.req.params[0], "b1"));
    cr_assert(slice_is(f.req.params[1], "4.svg"));
    assert_found(&f, HTTP_GET_, "/files/css/a/b.css", "/files/{kind}/*");
    cr_assert(slice_is(f.req.params[0], "css"));
    cr_assert(slice_is(f.req.params[1], "a/b.css"));
    router_free(&f.r);
}

Test(router, head_is_served_by_get)
{
    struct fixture f;

    with_routes(&f);
    assert_found(&f, HTTP_HEAD_, "/v1/events/1", "/v1/events/{eventId}");
    cr_assert_eq(ask(&f, HTTP_HEAD_, "/v1/events/1/holds"), ROUTE_NO_METHOD);
    router_free(&f.r);
}

Test(router, says_which_methods_a_path_has)
{
    struct fixture f;

    with_routes(&f);
    cr_assert_eq(ask(&f, HTTP_POST_, "/v1/events/1/session"), ROUTE_NO_METHOD);
    cr_assert_str_eq(f.allow, "GET, HEAD, DELETE");
    cr_assert_eq(ask(&f, HTTP_GET_, "/v1/events/1/holds"), ROUTE_NO_METHOD,
                 "the catch-all does not serve the path of another route");
    cr_assert_str_eq(f.allow, "POST");
    cr_assert_eq(ask(&f, HTTP_OTHER_, "/v1/events/1"), ROUTE_NO_METHOD);
    cr_assert_str_eq(f.allow, "GET, HEAD");
    router_free(&f.r);
}

Test(router, the_longest_allow_fits)
{
    static const struct route every[] = {
        {HTTP_GET_, "/x", nobody, 0, 0},    {HTTP_POST_, "/x", nobody, 0, 0},
        {HTTP_PUT_, "/x", nobody, 0, 0},    {HTTP_PATCH_, "/x", nobody, 0, 0},
        {HTTP_DELETE_, "/x", nobody, 0, 0}, {HTTP_OPTIONS_, "/x", nobody, 0, 0},
    };
    struct fixture f;

    router_init(&f.r);
    router_add(&f.r, every, array_len(every), NULL);
    cr_assert_eq(ask(&f, HTTP_OTHER_, "/x"), ROUTE_NO_METHOD);
    cr_assert_str_eq(f.allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    router_free(&f.r);
}

Test(router, an_encoded_or_empty_parameter_is_no_match)
{
    struct fixture f;

    router_init(&f.r);
    router_add(&f.r, routes + 1, array_len(routes) - 1, &f);
    cr_assert_eq(ask(&f, HTTP_GET_, "/v1/events/%31"), ROUTE_NO_PATH);
    cr_assert_eq(ask(&f, HTTP_GET_, "/v1/events/"), ROUTE_NO_PATH);
    cr_assert_eq(ask(&f, HTTP_GET_, "/files/css/%2e%2e/x"), ROUTE_NO_PATH);
    router_free(&f.r);
}

Test(router, strange_paths_are_not_found)
{
    struct fixture f;
    static const char *const paths[] = {"",
                                        "*",
                                        "v1",
                                        "//",
                                        "/v1",
                                        "/v1/events/1/session/",
                                        "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19"};

    router_init(&f.r);
    router_add(&f.r, routes + 1, array_len(routes) - 1, &f);
    for (size_t i = 0; i < array_len(paths); i++)
        cr_assert_eq(ask(&f, HTTP_GET_, paths[i]), ROUTE_NO_PATH, "%s", paths[i]);
    router_free(&f.r);
}

Test(router, methods_of_a_path_may_come_from_several_tables)
{
    struct fixture f;
    int mine;

    router_init(&f.r);
    router_add(&f.r, earlier, array_len(earlier), &mine);
    router_add(&f.r, routes, array_len(routes), &f);
    cr_assert_eq(ask(&f, HTTP_PUT_, "/v1/events/1"), ROUTE_FOUND);
    cr_assert_eq(f.ctx, &mine);
    assert_found(&f, HTTP_GET_, "/v1/events/1", "/v1/events/{eventId}");
    cr_assert_eq(ask(&f, HTTP_POST_, "/v1/events/1"), ROUTE_NO_METHOD);
    cr_assert_str_eq(f.allow, "GET, HEAD, PUT");
    assert_found(&f, HTTP_POST_, "/v1/events/1/holds", "/v1/events/{eventId}/holds");
    router_free(&f.r);
}
