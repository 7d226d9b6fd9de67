/* The scripts of the line on a real Redis, as two workers call them: what the tests of the line
 * store share. */
#ifndef HOLDFAST_TESTS_LINE_STORE_RIG_H
#define HOLDFAST_TESTS_LINE_STORE_RIG_H

#include "tests/lib/servers.h"
#include "waitroom/line_store.h"

#define EVENT       7
#define LONG_AGO_MS 1000000000000
#define FAR_MS      9000000000000

extern struct loop loop;
extern struct server *redis;
extern struct kv *workers[2];
extern struct kv *kv; /* of the worker that calls: workers[0] unless the test says otherwise */

void open_stores(void);
void close_stores(void);

/* ---- calls that wait for their answer ---- */

extern int answered; /* callbacks since the last await */

void call_cb(struct line_call *call, enum status status);
/* Turns the loop until it is called back; it must have succeeded. */
void await(enum status submitted);
/* await, and what the script said. */
bool accepted(struct line_call *call, enum status submitted);

struct meter_call meter(void);
bool take_right(const char *token);
bool load(const char *token, const struct line_record *record, int64_t pause_ms);
bool reserve(uint32_t epoch, uint64_t high);
bool confirm(uint32_t epoch, uint64_t watermark);
enum claim_outcome claim_as(struct kv *worker, uint64_t number, bool take);
enum claim_outcome claim(uint64_t number);

extern struct join_call joined; /* 10 KiB: not on the stack of every helper */

void name_person(uint64_t person, uint8_t ret_id[LINE_JOIN_ID_SIZE]);
/* Joins persons first .. first+count-1 in one call. */
void join_many(uint64_t first, size_t count);
int64_t join(uint64_t person);

/* ---- a line ---- */

struct line_record record_of(int64_t rate_per_minute, int64_t max_active);
/* Loads it and reserves numbers below `high`. */
void setup_line(const struct line_record *record, uint64_t high);
/* What a worker does with a pass: writes the watermark (here: just says so) and confirms it. */
struct line turn_meter(void);
/* No time passes for the line: only what else gives credit counts. */
struct line turn_meter_without_time(void);

#endif
