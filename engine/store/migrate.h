/* Forward-only migrations: every sql/NNNN_name.sql once, in order, in a transaction, with its
 * SHA-256 recorded; a changed file is refused. */
#ifndef HOLDFAST_STORE_MIGRATE_H
#define HOLDFAST_STORE_MIGRATE_H

#include "engine/base/buf.h"

/* Blocking (start-up only). Several processes may call it at once (advisory lock). OK also when
 * nothing was to do. INVALID: an applied file has changed or is missing, a new one is older than an
 * applied one, or PostgreSQL refused its SQL (then that file left nothing; those before it stay).
 * UNAVAILABLE, IO: no database, no directory. ret_report gets a line "applied NAME" for each, and
 * what is wrong, with file and line. */
enum status migrate_run(const char *conninfo, const char *directory,
                        struct buf *ret_report) MUST_CHECK;

#endif
