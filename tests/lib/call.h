/* A blocking HTTP call, for tests of daemons that run as processes of their own. */
#ifndef HOLDFAST_TESTS_CALL_H
#define HOLDFAST_TESTS_CALL_H

#include "engine/base/json.h"

#include <stdint.h>

struct answer {
    int status;          /* 0: no answer */
    char head[8 * 1024]; /* NUL-terminated, with the empty line */
    char body[256 * 1024];
    size_t body_len;
    json_t *json; /* the body, when it is JSON; freed by the next call into the same answer, and by
                     answer_free */
};

/* `headers`: "Name: value" lines, NULL-terminated; may be NULL. `body` may be NULL; one is sent as
 * application/json unless a header says otherwise. The path goes out as it is. Connections are not
 * kept. */
void call(struct answer *a, uint16_t port, const char *method, const char *path,
          const char *const *headers, const char *body);
void answer_free(struct answer *a);
/* Value of a header of the answer (case-insensitive), "" when absent; valid until the next use. */
const char *answer_header(const struct answer *a, const char *name);
/* Fields of the JSON: a bug of the test (abort, with the body) when they are not of that type. */
const char *answer_str(const struct answer *a, const char *key);
int64_t answer_int(const struct answer *a, const char *key);
bool answer_is_null(const struct answer *a, const char *key); /* there, and null */

#endif
