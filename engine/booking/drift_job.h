/* Inside the drift detector: the comparison of one event, in steps. drift.c makes the steps,
 * drift_read.c reads for the first time, drift_mend.c reads again and mends. */
#ifndef HOLDFAST_BOOKING_DRIFT_JOB_H
#define HOLDFAST_BOOKING_DRIFT_JOB_H

#include "engine/booking/drift.h"
#include "engine/booking/scripts.h"
#include "engine/booking/seat_store.h"

enum { DRIFT_REQUEST_MS = 2000 };

#define DRIFT_JOBS       8
#define DRIFT_SLICE      4096
#define DRIFT_CANDIDATES 512

/* A seat that differs: what Redis has ('0'..'3', 'L': held without a lock), what PostgreSQL has. */
struct candidate {
    uint32_t seat, redis_version, version;
    uint8_t redis_state, state;
};

enum job_state { JOB_IDLE, JOB_SLICE, JOB_SETTLING, JOB_BUSY };

struct drift_job {
    struct drift *drift;
    enum job_state state;
    uint64_t event_id;
    char id[24], key[32];
    uint32_t next; /* first seat of the next slice */
    uint32_t seat_count;
    size_t redis_seats; /* length of the state string */
    unsigned misfits;   /* readings in which the stores did not even agree on the number of seats */
    int64_t settled_ns;
    size_t slice_count;
    uint8_t *states, *versions; /* of the slice, as Redis has it; owned, DRIFT_SLICE and 4 times */
    struct candidate *candidates;
    size_t candidate_count;
    struct kv_request kv;
    struct db_request db;
    struct mirror_wait rebuilt;
};

struct drift {
    struct drift_options o;
    struct script read, mend;
    struct timer tick;
    struct db_request listing;
    bool asking, passing, stopped;
    uint64_t *events; /* owned: of this pass */
    size_t event_count, started, busy, turn;
    int64_t began_ns, ended_ns; /* the last pass */
    int64_t found;              /* in this pass */
    struct drift_job jobs[DRIFT_JOBS];
    struct drift_metrics metrics;
    struct metric_group group;
};

/* Each takes the job from its state to the next, JOB_BUSY on the way. */
void drift_job_read(struct drift_job *j);    /* the next slice, in both stores */
void drift_job_confirm(struct drift_job *j); /* what differed, again in both; mends it */
void drift_job_rebuild(struct drift_job *j, uint64_t seats); /* so many differ */
void drift_job_settle(struct drift_job *j);
void drift_job_end(struct drift_job *j);
void drift_job_fail(struct drift_job *j); /* left to the next pass */

#endif
