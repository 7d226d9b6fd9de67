/* Logs: logfmt (or JSON) lines on stderr, one an event; repeated warnings are counted, not
 * repeated. Libraries return, programs log.
 *
 *   log_info("relay", "took over", log_u64("shard", shard), log_str("from", name));
 *   -> ts=2026-11-21T10:11:30.123Z level=info object=relay event="took over" shard=3 from=engine-2
 */
#ifndef HOLDFAST_BASE_LOG_H
#define HOLDFAST_BASE_LOG_H

#include "engine/base/clock.h"
#include "engine/base/status.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_FIELD_SLICE, LOG_FIELD_I64, LOG_FIELD_U64, LOG_FIELD_F64 } kind;
    union {
        struct slice slice;
        int64_t i64;
        uint64_t u64;
        double f64;
    };
};

/* Process-wide, set once at start. `fd` is normally 2. */
void log_setup(enum log_level level, enum log_format format, int fd);
bool log_enabled(enum log_level level);
/* The clock of the timestamps and of the 10 s; clock_system unless told. */
void log_use_clock(const struct clock *clock);
/* Writes the lines that were counted and not yet written. log_setup makes the process do it when it
 * exits. */
void log_flush(void);

/* A warning or error with the same object and event within 10 s of the last is only counted; the
 * next line of it carries repeated=N. Lines are at most 4 KiB (then cut), control characters are
 * escaped, so input cannot forge a line. */
void log_event(enum log_level level, const char *object, const char *event,
               const struct log_field *fields);

#define log_str(k, v)                                                                              \
    ((struct log_field){.key = (k), .kind = LOG_FIELD_SLICE, .slice = slice_str(v)})
#define log_slice(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_SLICE, .slice = (v)})
#define log_i64(k, v)   ((struct log_field){.key = (k), .kind = LOG_FIELD_I64, .i64 = (int64_t)(v)})
#define log_u64(k, v)   ((struct log_field){.key = (k), .kind = LOG_FIELD_U64, .u64 = (uint64_t)(v)})
#define log_f64(k, v)   ((struct log_field){.key = (k), .kind = LOG_FIELD_F64, .f64 = (v)})
#define log_status(v)   log_str("status", status_code(v))

#define log_at_(level, object, event, ...)                                                         \
    log_event(level, object, event,                                                                \
              (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})
#define log_debug(object, event, ...) log_at_(LOG_DEBUG, object, event __VA_OPT__(, ) __VA_ARGS__)
#define log_info(object, event, ...)  log_at_(LOG_INFO, object, event __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(object, event, ...)  log_at_(LOG_WARN, object, event __VA_OPT__(, ) __VA_ARGS__)
#define log_error(object, event, ...) log_at_(LOG_ERROR, object, event __VA_OPT__(, ) __VA_ARGS__)

#endif
