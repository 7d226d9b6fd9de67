#include "engine/store/db_pq_result.h"

#include <stdio.h>

static bool is_null(const struct db_result *r, size_t row, size_t column)
{
    return PQgetisnull(r->impl, (int)row, (int)column);
}

static struct slice value(const struct db_result *r, size_t row, size_t column)
{
    return slice_of(PQgetvalue(r->impl, (int)row, (int)column),
                    (size_t)PQgetlength(r->impl, (int)row, (int)column));
}

static const struct db_result_ops ops = {is_null, value};

static void describe(const PGresult *result, struct db_result *ret_result)
{
    int64_t affected = 0;

    if (!slice_to_i64(slice_str(PQcmdTuples((PGresult *)result)), &affected))
        affected = 0; /* a command that counts nothing */
    *ret_result = (struct db_result){
        .rows = (size_t)PQntuples(result),
        .columns = (size_t)PQnfields(result),
        .affected = affected,
        .ops = &ops,
        .impl = (void *)result,
    };
}

static void copy_field(const PGresult *result, int field, char *ret_text, size_t size)
{
    const char *text = result ? PQresultErrorField(result, field) : NULL;

    snprintf(ret_text, size, "%s", text ? text : "");
}

/* X(prefix of the SQLSTATE, verdict, status); the first that fits. PostgreSQL 15, Appendix A. */
#define SQLSTATE_MAP(X)                                                                            \
    X("23505", PQ_ANSWERED, CONFLICT) /* unique_violation */                                       \
    X("40001", PQ_ANSWERED, CONFLICT) /* serialization_failure */                                  \
    X("40P01", PQ_ANSWERED, CONFLICT) /* deadlock_detected */                                      \
    X("55P03", PQ_ANSWERED, CONFLICT) /* lock_not_available */                                     \
    X("57014", PQ_NOT_RUN, TIMEOUT)   /* query_canceled */                                         \
    X("26000", PQ_NOT_RUN, INTERNAL)  /* invalid_sql_statement_name */                             \
    X("25006", PQ_UNFIT, UNAVAILABLE) /* read_only_sql_transaction */                              \
    X("57P", PQ_UNFIT, UNAVAILABLE)   /* shutdowns */                                              \
    X("08", PQ_UNFIT, UNAVAILABLE)    /* connection exceptions */                                  \
    X("53", PQ_ANSWERED, UNAVAILABLE) /* insufficient resources */                                 \
    X("58", PQ_ANSWERED, UNAVAILABLE) /* system errors */                                          \
    X("XX", PQ_ANSWERED, INTERNAL)    /* internal errors */                                        \
    X("", PQ_ANSWERED, INVALID)       /* the statement was refused */

static enum pq_verdict judge_error(const char *sqlstate, enum status *ret_status)
{
#define X(prefix, verdict, status)                                                                 \
    if (strncmp(sqlstate, prefix, sizeof(prefix) - 1) == 0) {                                      \
        *ret_status = STATUS_##status;                                                             \
        return verdict;                                                                            \
    }
    SQLSTATE_MAP(X)
#undef X
    return PQ_ANSWERED;
}

enum pq_verdict pq_result_judge(const PGresult *result, enum status *ret_status,
                                struct db_result *ret_result, struct db_error *ret_error)
{
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
        describe(result, ret_result);
        *ret_status = STATUS_OK;
        return PQ_ANSWERED;
    }
    copy_field(result, PG_DIAG_SQLSTATE, ret_error->sqlstate, sizeof(ret_error->sqlstate));
    copy_field(result, PG_DIAG_MESSAGE_PRIMARY, ret_error->message, sizeof(ret_error->message));
    copy_field(result, PG_DIAG_CONSTRAINT_NAME, ret_error->constraint,
               sizeof(ret_error->constraint));
    if (!ret_error->sqlstate[0]) {
        *ret_status = STATUS_UNAVAILABLE; /* libpq's own words: the connection broke */
        return PQ_UNFIT;
    }
    return judge_error(ret_error->sqlstate, ret_status);
}
