/* What libpq says, in the words of db.h. */
#ifndef HOLDFAST_STORE_DB_PQ_RESULT_H
#define HOLDFAST_STORE_DB_PQ_RESULT_H

#include "engine/store/db.h"

#include <libpq-fe.h>

enum pq_verdict {
    PQ_ANSWERED, /* ret_status, and ret_result when OK */
    PQ_NOT_RUN,  /* it did not run and may go again: canceled for another's sake, or its preparation
                    was lost */
    PQ_UNFIT,    /* the connection cannot serve any more: shutting down, read-only */
};

/* `result` may be NULL (nothing came back). Fills ret_error for refusals. The result borrows. */
enum pq_verdict pq_result_judge(const PGresult *result, enum status *ret_status,
                                struct db_result *ret_result, struct db_error *ret_error);

#endif
