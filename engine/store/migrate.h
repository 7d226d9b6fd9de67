/* Forward-only migrations: every sql/NNNN_name.sql once, in order, in a transaction, with its SHA-256 recorded; a changed file is refused. */
#ifndef HOLDFAST_STORE_MIGRATE_H
#define HOLDFAST_STORE_MIGRATE_H

#include "engine/base/buf.h"

/* Blocking (start-up only). Several processes may call it at once (advisory lock). Returns OK also when nothing was to do; INVALID for a changed or
 * missing applied file; otherwise what PostgreSQL said is in ret_report, as are the names of the applied files. */
enum status migrate_run(const char *conninfo, const char *directory, struct buf *ret_report) MUST_CHECK;

#endif
