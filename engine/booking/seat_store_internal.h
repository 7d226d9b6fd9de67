/* Inside the seat store: how a call becomes arguments of its script, and how the script's answer is
 * read. */
#ifndef HOLDFAST_BOOKING_SEAT_STORE_INTERNAL_H
#define HOLDFAST_BOOKING_SEAT_STORE_INTERNAL_H

#include "engine/booking/mirror.h"
#include "engine/booking/scripts.h"
#include "engine/booking/seat_store.h"

/* Sales that are marked by one script: so many, and not more seats than one hold may have. */
#define SOLD_BATCH_MAX  64
#define SCRIPT_ARGS_MAX (24 + 2 * HOLD_SEATS_MAX + 4 * SOLD_BATCH_MAX)

/* Arguments being gathered; numbers are written into `text`. On the stack of a submit. */
struct script_args {
    struct slice v[SCRIPT_ARGS_MAX];
    size_t count;
    char text[SCRIPT_ARGS_MAX * 21];
    size_t used;
};

void args_str(struct script_args *a, const char *text);
void args_slice(struct script_args *a, struct slice s);
void args_i64(struct script_args *a, int64_t value);
/* seat, version, seat, version... */
void put_seats_versions(struct script_args *a, const struct hold *h);

/* Reads the words behind the outcome's letter and the time; false when they are not what this
 * script answers. */
typedef bool (*script_read_fn)(struct hold_call *call, char letter, struct slice words);

struct seat_store_script {
    struct script script;
    void (*args)(struct hold_call *call, struct script_args *a);
    script_read_fn read;
    bool no_repair; /* NOMIRROR is the answer */
};

enum {
    SCRIPT_PLACE,
    SCRIPT_EXTEND,
    SCRIPT_PAY,
    SCRIPT_UNPAY,
    SCRIPT_SWAP,
    SCRIPT_RELEASE,
    SCRIPT_GET,
    SCRIPT_SOLD,
    SCRIPT_SET,
    SCRIPT_SWEEP,
    SCRIPT_SESSION_READ,
    SCRIPT_SESSION_END,
    SCRIPT_STATE_READ,
    SCRIPT_COUNT
};

struct seat_store {
    struct loop *loop;
    struct kv *kv;
    struct mirror *mirror;
    struct seat_store_script scripts[SCRIPT_COUNT];
    struct list repairing;    /* struct repair */
    struct list sold;         /* struct hold_call: the first sale of each batch that gathers */
    struct sold_mark *marked; /* owned; the last sales that Redis was seen to mark */
    struct turn_end sold_flush;
};

/* Sends; the one way into Redis for all calls. */
enum status seat_store_submit(struct seat_store *s, struct hold_call *call, int script) MUST_CHECK;

/* seat_store_sold.c: sales of one turn in one script */
void seat_store_sold_init(struct seat_store *s);
void seat_store_sold_stop(struct seat_store *s);
void seat_store_sold_free(struct seat_store *s);
void sold_finish(struct hold_call *call, enum status status);
void sold_args(struct hold_call *call, struct script_args *a);

/* seat_store_ops.c: the scripts' table; seat_store_read.c: the readers */
void seat_store_scripts_init(struct seat_store *s);
bool read_answer(struct hold_call *call, struct slice text);
bool read_hold_answer(struct hold_call *call, char letter, struct slice words);
bool read_hold_words(struct slice words, struct hold *ret_hold);
bool read_session(struct hold_call *call, char letter, struct slice words);
bool read_state(struct hold_call *call, char letter, struct slice words);
bool read_sweep(struct hold_call *call, char letter, struct slice words);

#endif
