/* The seats of one event as the truth has them, for the checks that compare other stores with it.
 */
#ifndef HOLDFAST_AUDITOR_SEATS_H
#define HOLDFAST_AUDITOR_SEATS_H

#include "engine/auditor/check.h"

struct seats {
    uint64_t event_id;
    uint32_t count;
    uint8_t *status; /* owned: '0' free, '2' sold, '3' blocked, as in the state string */
    struct list link;
};

/* All audited events into `list`; seats_free each. */
enum status seats_read(struct audit *a, struct list *list) MUST_CHECK;
void seats_free_all(struct list *list);
struct seats *seats_find(struct list *list, uint64_t event_id);

#endif
