/* The checks: what each promise of docs/architecture.md means in rows, keys and messages. */
#ifndef HOLDFAST_AUDITOR_CHECK_H
#define HOLDFAST_AUDITOR_CHECK_H

#include "engine/auditor/facts.h"
#include "engine/auditor/verdict.h"

/* What is audited. */
struct audit {
    struct facts facts;
    struct verdict verdict;
    uint64_t event_id; /* 0: all events */
    const char
        *confirmed; /* file of booking ids that clients were told are confirmed; NULL: none */
};

/* Each adds to the verdict. */
void check_truth(struct audit *a);     /* I1, I3, I5: PostgreSQL alone */
void check_confirmed(struct audit *a); /* I2: the clients' list against PostgreSQL */
void check_mirror(struct audit *a);    /* I4, I6: Redis against PostgreSQL */
void check_news(struct audit *a);      /* I7: Kafka against PostgreSQL */

#endif
