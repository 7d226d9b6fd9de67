#include "tests/lib/call.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define TIMEOUT_S 20L

static size_t keep(char *at, size_t size, size_t count, char *to, size_t *len, size_t room)
{
    size_t bytes = size * count;

    if (*len + bytes >= room)
        return 0;
    memcpy(to + *len, at, bytes);
    *len += bytes;
    to[*len] = '\0';
    return bytes;
}

static size_t body_cb(char *at, size_t size, size_t count, void *user)
{
    struct answer *a = user;

    return keep(at, size, count, a->body, &a->body_len, sizeof(a->body));
}

static size_t head_cb(char *at, size_t size, size_t count, void *user)
{
    struct answer *a = user;
    size_t len = strlen(a->head);

    return keep(at, size, count, a->head, &len, sizeof(a->head));
}

static struct curl_slist *header_list(const char *const *headers, const char *body)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    bool typed = false;

    for (size_t i = 0; headers && headers[i]; i++) {
        list = curl_slist_append(list, headers[i]);
        typed |= strncasecmp(headers[i], "content-type:", 13) == 0;
    }
    if (body && !typed)
        list = curl_slist_append(list, "Content-Type: application/json");
    return list;
}

void answer_free(struct answer *a)
{
    json_decref(a->json);
    a->json = NULL;
}

void call(struct answer *a, uint16_t port, const char *method, const char *path,
          const char *const *headers, const char *body)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *list = header_list(headers, body);
    char url[2048];
    long status = 0;

    answer_free(a);
    a->head[0] = a->body[0] = '\0';
    a->body_len = 0;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_cb);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, head_cb);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    }
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    a->status = (int)status;
    a->json = json_loadb(a->body, a->body_len, JSON_REJECT_DUPLICATES, NULL);
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
}

const char *answer_header(const struct answer *a, const char *name)
{
    static char value[1024];
    size_t len = strlen(name);

    for (const char *line = a->head; line;
         line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        if (strncasecmp(line, name, len) != 0 || line[len] != ':')
            continue;
        line += len + 1 + strspn(line + len + 1, " ");
        snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r\n"), line);
        return value;
    }
    return "";
}

static json_t *field(const struct answer *a, const char *key, bool fits, json_t *value)
{
    if (value && fits)
        return value;
    fprintf(stderr, "call: no such \"%s\" in the answer %d: %s\n", key, a->status, a->body);
    abort();
}

const char *answer_str(const struct answer *a, const char *key)
{
    json_t *value = json_object_get(a->json, key);

    return json_string_value(field(a, key, json_is_string(value), value));
}

int64_t answer_int(const struct answer *a, const char *key)
{
    json_t *value = json_object_get(a->json, key);

    return json_integer_value(field(a, key, json_is_integer(value), value));
}

bool answer_is_null(const struct answer *a, const char *key)
{
    json_t *value = json_object_get(a->json, key);

    return json_is_null(field(a, key, true, value));
}
