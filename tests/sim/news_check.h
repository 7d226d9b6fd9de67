/* What Kafka was told, as a consumer reads it (I7, I8). */
#ifndef HOLDFAST_TESTS_SIM_NEWS_CHECK_H
#define HOLDFAST_TESTS_SIM_NEWS_CHECK_H

#include "tests/sim/pg_model.h"

void news_check_begin(void);
void check_news(
    void); /* what came since the last call: after dedupe every rev in order, none left out */
/* A consumer that reads everything now shows what the truth has, and has heard of every sale. */
void check_news_settled(const struct pg_event *e);

#endif
