/* The charges of the payment simulator: what a card provider keeps, by id and by the merchant's
 * reference, on record in a journal so that a kill -9 forgets none.
 *
 *   (new) -> pending -> authorized -> captured -> (refunded in parts)
 *        \-> authorized  \-> voided
 *        \-> declined     pending -> voided
 *        \-> voided: not to be confirmed, it keeps its reference from any other */
#ifndef HOLDFAST_PAYSIM_CHARGE_H
#define HOLDFAST_PAYSIM_CHARGE_H

#include "engine/base/json.h"
#include "engine/base/list.h"
#include "engine/base/map.h"

#define CHARGE_REFERENCE_MAX 80
#define CHARGE_KEY_MAX       80

enum charge_state {
    CHARGE_PENDING,
    CHARGE_AUTHORIZED,
    CHARGE_DECLINED,
    CHARGE_VOIDED,
    CHARGE_CAPTURED
};

struct charge {
    char id[24]; /* "ch_<sequence>" */
    char reference[CHARGE_REFERENCE_MAX + 1];
    char token[64], currency[4];
    uint64_t sequence; /* from 1, in the order of creation */
    int64_t amount, captured, refunded;
    enum charge_state state;
    struct list refunds; /* struct charge_refund */
};

/* A refund that was asked for, by its idempotency key. */
struct charge_refund {
    char key[CHARGE_KEY_MAX + 1];
    int64_t amount;
    struct list link;
};

struct charge_book {
    struct map by_reference, by_id, refund_keys;
    struct charge **all; /* owned, in sequence: all[sequence - 1] */
    size_t count, cap;
    int journal; /* fd, or -1: nothing is kept */
};

enum charge_outcome { CHARGE_OK, CHARGE_NOT_FOUND, CHARGE_CONFLICT, CHARGE_KEY_MISMATCH };

/* Reads the journal at `path` (NULL: none) and goes on writing it. A torn last line, the mark of a
 * kill, is cut off. IO and MALFORMED with ret_why. */
enum status charge_book_open(struct charge_book *book, const char *path, char *ret_why,
                             size_t why_size) MUST_CHECK;
void charge_book_close(struct charge_book *book);

struct charge *charge_by_id(const struct charge_book *book, struct slice id);
struct charge *charge_by_reference(const struct charge_book *book, struct slice reference);
/* What the next calls do is in the journal before they return. */

/* The charge of this reference, new in `first` or as it is; KEY_MISMATCH when it exists with
 * another amount, currency or token. */
enum charge_outcome charge_create(struct charge_book *book, struct slice reference,
                                  struct slice token, int64_t amount, struct slice currency,
                                  enum charge_state first, struct charge **ret_charge);
/* pending -> authorized; CONFLICT otherwise. */
enum charge_outcome charge_authorize(struct charge_book *book, struct charge *c);
/* authorized -> captured, or captured already. */
enum charge_outcome charge_capture(struct charge_book *book, struct charge *c);
/* pending, authorized -> voided, or voided already; a declined charge stays declined and is OK. */
enum charge_outcome charge_void(struct charge_book *book, struct charge *c);
/* Once per key. CONFLICT when more would be returned than was captured. */
enum charge_outcome charge_refund(struct charge_book *book, struct charge *c, struct slice key,
                                  int64_t amount);

const char *charge_state_text(enum charge_state state);
/* {"id","reference","state","amount","currency","captured","refunded"} */
void charge_write(struct json_out *w, const struct charge *c);

#endif
