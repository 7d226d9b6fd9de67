/* Those who look (I8): two seatmap processes, each with the rooms of seatmap-ws, read the news at
 * their own pace, and viewers go from one to the other with the rev they have seen. */
#ifndef HOLDFAST_TESTS_SIM_VIEWERS_H
#define HOLDFAST_TESTS_SIM_VIEWERS_H

#include "tests/sim/pg_model.h"

/* Bugs in a seatmap process. */
struct viewers_plants {
    bool shown_back; /* a viewer that is ahead is not waited for */
};
extern struct viewers_plants viewers_plants;

void viewers_begin(void);
void viewers_end(void);
/* One of the processes dies and comes back: it reads changes from now on, snapshots from the
 * beginning. */
void viewers_restart_map(void);
/* Redis showed this event so at this rev. Whoever shows the rev has to show the same. */
void viewers_learn(uint64_t event_id, uint64_t rev, const char *state, size_t len);
/* Everything has healed and had its time: everybody sees the truth. */
void check_viewers_settled(const struct pg_event *e);

#endif
