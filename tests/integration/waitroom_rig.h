/* The waiting room as its clients see it: real processes, real Redis, real PostgreSQL. What the
 * tests of the daemon share. */
#ifndef HOLDFAST_TESTS_WAITROOM_RIG_H
#define HOLDFAST_TESTS_WAITROOM_RIG_H

#include "engine/base/uuid.h"
#include "tests/lib/call.h"
#include "tests/lib/daemon_run.h"
#include "tests/lib/servers.h"
#include "waitroom/place.h"

#include <poll.h>
#include <string.h>

#define ADMIN    "admin-secret"
#define KEY_LINE "9 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"

extern struct temp_dir dir;
extern struct server *redis, *postgres;
extern struct daemon_run workers[2];
extern struct daemon_run *room; /* workers[0] */
extern struct token_keys keys;
extern struct answer a; /* of the last call */

/* Events 1 to 3, no queue, one worker. */
void open_house(void);
/* Whatever a test did, its daemons end in order. */
void close_house(void);
/* Returns when it is ready. */
void start_worker(struct daemon_run *d, const char *name);

/* ---- calls: each returns the status of `a` ---- */

int admin(const char *method, const char *path, const char *body);
int join_with(struct daemon_run *d, const char *join_id);
int with_ticket(struct daemon_run *d, const char *method, const char *path, const char *ticket);
int me(const char *ticket);
int pass(const char *ticket);
int status_doc(void);

/* Of event 1. */
void open_queue(const char *settings);

#define OPEN "\"opensAt\":\"2020-01-01T00:00:00Z\""

struct person {
    char join_id[UUID_TEXT_SIZE];
    char ticket[TOKEN_TEXT_MAX + 1];
};

struct person join(void);

/* Asks again until `condition` holds; the test's timeout ends it otherwise. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        poll(NULL, 0, 10);                                                                         \
    } while (!(condition))

#define is(key, value) (strcmp(answer_str(&a, key), value) == 0)

void expect_problem(int status, const char *code);

#endif
