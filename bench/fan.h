/* A simulated fan: joins the line, waits for the turn, gets a pass, chooses seats, holds them,
 * pays, and like people sometimes declines, walks away or takes what is left.
 *
 *   ARRIVING -> JOINING -> WAITING -> PASSING -> CHOOSING -> HOLDING -> PAYING -> one of the ends
 */
#ifndef HOLDFAST_BENCH_FAN_H
#define HOLDFAST_BENCH_FAN_H

#include "bench/board.h"
#include "bench/client.h"
#include "bench/hall.h"
#include "bench/scenario.h"
#include "engine/base/rng.h"
#include "engine/base/uuid.h"

enum fan_step { STEP_JOIN, STEP_POLL, STEP_PASS, STEP_HOLD, STEP_BOOK, STEP_LEAVE, FAN_STEPS };
extern const char *const fan_step_names[FAN_STEPS + 1];

enum fan_end {
    FAN_UNDERWAY,
    FAN_BOUGHT,
    FAN_SOLD_OUT,
    FAN_WALKED_AWAY,
    FAN_MISSED,
    FAN_FAILED,
    FAN_ENDS
};

struct fan;

/* What all fans share. */
struct crowd {
    struct run *run;
    struct client *client;
    struct hall *hall;   /* what the map shows, as the fans see it */
    struct board *board; /* where the line's progress is read; NULL: everybody asks */
    const char *event;
    struct rng rng;
    bool queue, over; /* over: answers that still come change nothing */
    int64_t think_ms;
    uint64_t joined, admitted, held, ended[FAN_ENDS], seats_bought;
    int64_t last_expiry_ms;        /* of all holds that were granted */
    size_t left;                   /* fans not at an end */
    void (*done)(struct crowd *c); /* the last fan is at an end */
};

struct fan {
    struct crowd *crowd;
    struct client_request request;
    struct timer timer;
    enum fan_step step;
    enum fan_end end;
    int64_t intended_ns; /* when the step should begin */
    uint16_t failures;   /* in a row, of the same step */
    uint8_t quantity, tries;
    bool picky; /* chooses seats by name on the map, not "best available" */
    bool first_card_declined;
    bool abandons; /* walks away from a hold, as people do while there is plenty left */
    char join_id[UUID_TEXT_SIZE], key[UUID_TEXT_SIZE];
    char *ticket, *pass, *hold_body; /* owned */
    char hold_id[64];
    int64_t total;
};

/* Starts the fan's way at intended_ns (loop_mono_ns). */
void fan_start(struct fan *f, struct crowd *crowd, int64_t intended_ns);
/* Of a fan who waits at the board: the number was called; or nothing is left to wait for. */
void fan_called(struct fan *f);
void fan_leave(struct fan *f);
void fan_free(struct fan *f);

#endif
