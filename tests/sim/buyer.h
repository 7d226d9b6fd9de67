/* The buyers of a world: each holds seats, changes its mind, pays, gives back, and when it hears
 * nothing asks again with the same key, wherever. */
#ifndef HOLDFAST_TESTS_SIM_BUYER_H
#define HOLDFAST_TESTS_SIM_BUYER_H

#include "tests/sim/process.h"

#define SALE_PRICE      5000
#define SALE_PAYMENT_MS 6000

enum wish {
    WISH_PLACE,
    WISH_EXTEND,
    WISH_SWAP,
    WISH_READ,
    WISH_RELEASE,
    WISH_GIVE_UP,
    WISH_BUY,
    WISH_REFUND
};

/* What the buyer knows; lives as long as the world. */
struct buyer {
    struct sim_event wake, patience;
    unsigned id, lives, attempts, serial;
    bool done;
    uint64_t event_id;
    size_t seat_count; /* of the event */
    bool charge;
    enum wish wish;
    char session[HOLD_SESSION_SIZE];
    int64_t session_expires_ms;
    char key[65];
    struct uuid idem, fingerprint, refund_id;
    const char *token;
    struct hold hold;  /* id "": none */
    size_t want_count; /* seats wanted: placed, added */
    uint32_t want[8];
    struct uuid booking_id;
    bool bought;
    /* the answer to the last question */
    bool answered;
    enum status status;
    enum hold_outcome outcome;
    struct purchase_row row; /* of BUY; labels not kept */
    enum ledger_verdict verdict;
};

struct sale_counts {
    uint64_t holds, refused, bookings, lost, declined, refunds, unanswered;
};
extern struct sale_counts sale_counts;

void buyers_begin(unsigned count);
void buyers_stop(void); /* they finish what they do and begin nothing new */
bool buyers_done(void); /* all of them have finished */
void buyers_end(void);

/* buyer_call.c: what the buyer wanted when it asked, now at an engine; the answer comes to
 * buyer_answered, or never. */
void buyer_ask(struct buyer *b, const struct buyer *asked, struct process *p);
void buyer_answered(struct buyer *b, unsigned serial);

#endif
