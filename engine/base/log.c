#include "engine/base/log.h"

#include "engine/base/map.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_SIZE 4096
#define LINE_TAIL 64 /* kept free for what ends a line that was cut */
#define REPEAT_NS (10LL * 1000000000)
#define REPEATS   64 /* different events that are counted at a time */

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static struct {
    enum log_level level;
    enum log_format format;
    int fd;
    const struct clock *clock;
    bool flushes_at_exit;
} setup = {.level = LOG_INFO, .fd = STDERR_FILENO, .clock = &clock_system};

/* ---- one line ---- */

struct line {
    char at[LINE_SIZE];
    size_t len;
    bool cut; /* something did not fit; what follows is left out too */
};

/* All of it or nothing. */
static void put(struct line *l, const char *at, size_t len)
{
    if (l->cut || l->len + len > LINE_SIZE - LINE_TAIL) {
        l->cut = true;
        return;
    }
    memcpy(l->at + l->len, at, len);
    l->len += len;
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

static void put_tail(struct line *l, const char *text)
{
    size_t len = strlen(text);

    if (l->len + len <= LINE_SIZE) {
        memcpy(l->at + l->len, text, len);
        l->len += len;
    }
}

/* What no line may hold as it is: controls, also those of C1 in UTF-8, and bytes that are not
 * UTF-8. Returns how many bytes were dealt with. */
static size_t put_escaped(struct line *l, struct slice s)
{
    size_t sequence = slice_utf8(s);
    uint8_t c = (uint8_t)s.at[0];
    bool c1 = sequence == 2 && c == 0xC2 && (uint8_t)s.at[1] < 0xA0;
    char escape[8];

    if (sequence > 0 && !c1 && c >= 0x20 && c != 0x7F && c != '"' && c != '\\') {
        put(l, s.at, sequence);
        return sequence;
    }
    if (c == '"' || c == '\\')
        snprintf(escape, sizeof(escape), "\\%c", c);
    else if (c == '\n')
        snprintf(escape, sizeof(escape), "\\n");
    else if (c1)
        snprintf(escape, sizeof(escape), "\\u%04x", (uint8_t)s.at[1]);
    else if (sequence > 0)
        snprintf(escape, sizeof(escape), "\\u%04x", c);
    else
        snprintf(escape, sizeof(escape), "\\ufffd");
    put(l, escape, strlen(escape));
    return sequence > 0 ? sequence : 1;
}

static void put_quoted(struct line *l, struct slice s)
{
    put(l, "\"", 1);
    if (l->cut)
        return;
    while (s.len > 0 && !l->cut) {
        size_t done = put_escaped(l, s);

        s.at += done;
        s.len -= done;
    }
    put_tail(l, "\""); /* also when the value was cut */
}

static bool needs_quotes(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.at[i];

        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return true;
    }
    return s.len == 0;
}

static void put_value(struct line *l, struct slice s)
{
    if (setup.format == LOG_JSON || needs_quotes(s) || l->len + s.len > LINE_SIZE - LINE_TAIL)
        put_quoted(l, s);
    else
        put(l, s.at, s.len);
}

/* Keys are ours: they are not escaped. A key is written only when a short value fits behind it. */
static void put_key(struct line *l, const char *key)
{
    bool json = setup.format == LOG_JSON;
    size_t len = strlen(key) + 4;

    if (l->len + len + 32 > LINE_SIZE - LINE_TAIL)
        l->cut = true;
    if (json)
        put_text(l, l->len > 0 ? ",\"" : "{\"");
    else if (l->len > 0)
        put_text(l, " ");
    put_text(l, key);
    put_text(l, json ? "\":" : "=");
}

static void put_pair(struct line *l, const char *key, struct slice value)
{
    put_key(l, key);
    put_value(l, value);
}

static void put_number(struct line *l, const struct log_field *f)
{
    char text[32];

    if (f->kind == LOG_FIELD_I64)
        snprintf(text, sizeof(text), "%lld", (long long)f->i64);
    else if (f->kind == LOG_FIELD_U64)
        snprintf(text, sizeof(text), "%llu", (unsigned long long)f->u64);
    else if (f->f64 - f->f64 == 0)
        snprintf(text, sizeof(text), "%.9g", f->f64);
    else
        snprintf(text, sizeof(text), setup.format == LOG_JSON ? "null" : "nan");
    put_key(l, f->key);
    put_text(l, text);
}

static void put_field(struct line *l, const struct log_field *f)
{
    if (f->kind == LOG_FIELD_SLICE)
        put_pair(l, f->key, f->slice);
    else
        put_number(l, f);
}

/* One write(2), so that lines of several threads do not mix. A log that cannot be written is lost:
 * there is nobody to tell. */
static void write_line(struct line *l)
{
    size_t done = 0;

    if (l->cut)
        put_tail(l, setup.format == LOG_JSON ? ",\"cut\":true" : " cut=true");
    put_tail(l, setup.format == LOG_JSON ? "}\n" : "\n");
    while (done < l->len) {
        ssize_t n = write(setup.fd, l->at + done, l->len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        done += (size_t)n;
    }
}

static void write_event(enum log_level level, const char *object, const char *event,
                        const struct log_field *fields, uint64_t repeated)
{
    struct line l = {.len = 0};
    char time[CLOCK_TEXT_SIZE];

    clock_format(clock_wall_ms(setup.clock), time);
    put_pair(&l, "ts", slice_str(time));
    put_pair(&l, "level", slice_str(level_names[level]));
    put_pair(&l, "object", slice_str(object));
    put_pair(&l, "event", slice_str(event));
    if (repeated > 0)
        put_field(&l, &log_u64("repeated", repeated));
    for (; fields && fields->key; fields++)
        put_field(&l, fields);
    write_line(&l);
}

/* ---- repeated events ---- */

/* One event that was written less than 10 s ago, or counted since. */
struct repeat {
    uint64_t hash;      /* of object and event; 0: a free place */
    int64_t written_ns; /* when a line of it was last written */
    uint64_t count;     /* not written since */
    enum log_level level;
    char object[32], event[64]; /* cut, for the line of log_flush */
};

static struct repeat repeats[REPEATS];
static pthread_mutex_t repeats_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t event_hash(const char *object, const char *event)
{
    uint64_t pair[2] = {map_hash(slice_str(object)), map_hash(slice_str(event))};

    return map_hash(slice_of(pair, sizeof(pair))) | 1;
}

/* The place of this event, else the one to replace: free, or the longest unwritten. */
static struct repeat *find_repeat(uint64_t hash)
{
    struct repeat *oldest = &repeats[0];

    for (size_t i = 0; i < REPEATS; i++) {
        if (repeats[i].hash == hash)
            return &repeats[i];
        if (oldest->hash != 0 &&
            (repeats[i].hash == 0 || repeats[i].written_ns < oldest->written_ns))
            oldest = &repeats[i];
    }
    return oldest;
}

static void write_counted(struct repeat *r)
{
    if (r->count > 0)
        write_event(r->level, r->object, r->event, NULL, r->count);
    r->count = 0;
}

static void copy_cut(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

/* True when the event is to be written now, with `ret_repeated` earlier ones that were not. */
static bool count_event(enum log_level level, const char *object, const char *event,
                        uint64_t *ret_repeated)
{
    uint64_t hash = event_hash(object, event);
    int64_t now_ns = clock_mono_ns(setup.clock);
    struct repeat *r = find_repeat(hash);

    *ret_repeated = 0;
    if (r->hash == hash && now_ns - r->written_ns < REPEAT_NS) {
        r->count++;
        return false;
    }
    if (r->hash == hash) {
        *ret_repeated = r->count;
    } else {
        write_counted(r);
        copy_cut(r->object, sizeof(r->object), object);
        copy_cut(r->event, sizeof(r->event), event);
    }
    r->hash = hash;
    r->level = level;
    r->count = 0;
    r->written_ns = now_ns;
    return true;
}

void log_flush(void)
{
    pthread_mutex_lock(&repeats_lock);
    for (size_t i = 0; i < REPEATS; i++)
        write_counted(&repeats[i]);
    pthread_mutex_unlock(&repeats_lock);
}

/* ---- public ---- */

void log_setup(enum log_level level, enum log_format format, int fd)
{
    setup.level = level;
    setup.format = format;
    setup.fd = fd;
    if (!setup.flushes_at_exit)
        setup.flushes_at_exit = atexit(log_flush) == 0;
}

void log_use_clock(const struct clock *clock)
{
    setup.clock = clock;
}

bool log_enabled(enum log_level level)
{
    return level >= setup.level;
}

void log_event(enum log_level level, const char *object, const char *event,
               const struct log_field *fields)
{
    uint64_t repeated = 0;
    bool due = true;

    if (!log_enabled(level))
        return;
    if (level >= LOG_WARN) {
        pthread_mutex_lock(&repeats_lock);
        due = count_event(level, object, event, &repeated);
        pthread_mutex_unlock(&repeats_lock);
    }
    if (due)
        write_event(level, object, event, fields, repeated);
}
