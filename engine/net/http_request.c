/* What a handler may ask of a request. */
#include "engine/net/http_exchange.h"

struct slice http_header_get(const struct http_request *req, const char *name)
{
    const struct http_exchange *ex = req->exchange;
    struct slice wanted = slice_str(name);
    const char *head = ex->in->at;

    for (size_t i = ex->head.field_count; i-- > 0;) {
        const struct http_field *f = &ex->head.fields[i];

        if (f->name.len == wanted.len &&
            slice_eq_nocase(slice_of(head + f->name.at, f->name.len), wanted))
            return slice_of(head + f->value.at, f->value.len);
    }
    return SLICE_NONE;
}

/* Where a decoded value goes is where its raw form is in the query: asking twice decodes to the
 * same place, and no two values meet. */
static struct slice decode(struct http_exchange *ex, struct slice raw, bool *ret_bad)
{
    size_t offset = (size_t)(raw.at - ex->req.query.at);
    char *room;
    long len;

    if (!memchr(raw.at, '%', raw.len) && !memchr(raw.at, '+', raw.len))
        return raw;
    if (!ex->decoded)
        ex->decoded = buffers_borrow(&ex->server->conns.buffers, HTTP_LINE_MAX);
    room = buf_reserve(ex->decoded, ex->req.query.len);
    len = room ? http_query_decode(raw, room + offset) : -1;
    if (len >= 0)
        return slice_of(room + offset, (size_t)len);
    if (ret_bad)
        *ret_bad = true;
    return SLICE_NONE;
}

struct slice http_query_get(struct http_request *req, const char *name, bool *ret_bad)
{
    struct slice left = req->query;

    if (ret_bad)
        *ret_bad = false;
    if (left.len == 0)
        return SLICE_NONE;
    while (left.at) {
        struct slice value = slice_cut(&left, '&');
        struct slice key = slice_cut(&value, '=');

        if (!slice_is(key, name))
            continue;
        if (!value.at || value.len == 0)
            return slice_of(key.at + key.len, 0);
        return decode(req->exchange, value, ret_bad);
    }
    return SLICE_NONE;
}

struct slice http_credential(const struct http_request *req, const char *scheme)
{
    struct slice value = http_header_get(req, "authorization");
    struct slice given;

    if (!value.at)
        return SLICE_NONE;
    given = slice_cut(&value, ' ');
    if (!value.at || !slice_eq_nocase(given, slice_str(scheme)))
        return SLICE_NONE;
    return slice_trim(value);
}

bool http_param_id(struct http_request *req, size_t index, uint64_t *ret_id)
{
    struct slice text = req->params[index];

    /* One spelling for one id, as in bodies: no leading zeros. */
    if (!(text.len > 1 && text.at[0] == '0') && slice_to_u64(text, ret_id))
        return true;
    http_reply_problem(req, PROBLEM_NOT_FOUND, NULL);
    return false;
}

json_t *http_body_json(struct http_request *req)
{
    struct slice type = http_header_get(req, "content-type");
    char why[160];
    json_t *object;

    if (type.at)
        type = slice_trim(slice_cut(&type, ';'));
    if (!type.at || !slice_eq_nocase(type, SLICE_LITERAL("application/json"))) {
        http_reply_problem(req, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                           "The body must be application/json");
        return NULL;
    }
    object = json_parse_object(req->body, why, sizeof(why));
    if (!object)
        http_reply_problem(req, PROBLEM_BAD_REQUEST, why);
    return object;
}

bool http_gone(const struct http_request *req)
{
    return !req->exchange->conn || req->exchange->conn->closing;
}

unsigned http_left_ms(const struct http_request *req, unsigned limit_ms)
{
    return due_left_ms(req->due, loop_mono_ns(req->exchange->server->loop), limit_ms);
}
