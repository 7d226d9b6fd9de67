/* The journal: one JSON line a change, the whole charge as it is afterwards, with the key of the
 * refund that changed it. The last line of a charge wins. */
#include "paysim/charge.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const state_texts[] = {"pending", "authorized", "declined", "voided",
                                          "captured"};

const char *charge_state_text(enum charge_state state)
{
    return state_texts[state];
}

static bool parse_state(struct slice text, enum charge_state *ret_state)
{
    for (size_t i = 0; i < array_len(state_texts); i++) {
        if (slice_is(text, state_texts[i])) {
            *ret_state = (enum charge_state)i;
            return true;
        }
    }
    return false;
}

struct charge *charge_by_id(const struct charge_book *book, struct slice id)
{
    return map_get(&book->by_id, id);
}

struct charge *charge_by_reference(const struct charge_book *book, struct slice reference)
{
    return map_get(&book->by_reference, reference);
}

static struct charge *add(struct charge_book *book, struct slice reference)
{
    struct charge *c = mem_alloc(sizeof(*c));

    if (book->count == book->cap) {
        book->cap = book->cap ? book->cap * 2 : 64;
        book->all = mem_resize(book->all, book->cap * sizeof(*book->all));
    }
    book->all[book->count++] = c;
    c->sequence = book->count;
    list_init(&c->refunds);
    snprintf(c->id, sizeof(c->id), "ch_%llu", (unsigned long long)c->sequence);
    slice_to_str(reference, c->reference, sizeof(c->reference));
    map_put(&book->by_id, slice_str(c->id), c);
    map_put(&book->by_reference, slice_str(c->reference), c);
    return c;
}

static void add_refund(struct charge_book *book, struct charge *c, struct slice key, int64_t amount)
{
    struct charge_refund *r = mem_alloc(sizeof(*r));

    slice_to_str(key, r->key, sizeof(r->key));
    r->amount = amount;
    list_push_back(&c->refunds, &r->link);
    map_put(&book->refund_keys, slice_str(r->key), r);
}

static void write_members(struct json_out *w, const struct charge *c)
{
    json_put_str(w, "id", slice_str(c->id));
    json_put_str(w, "reference", slice_str(c->reference));
    json_put_str(w, "state", slice_str(charge_state_text(c->state)));
    json_put_int(w, "amount", c->amount);
    json_put_str(w, "currency", slice_str(c->currency));
    json_put_int(w, "captured", c->captured);
    json_put_int(w, "refunded", c->refunded);
}

void charge_write(struct json_out *w, const struct charge *c)
{
    json_object_begin(w);
    write_members(w, c);
    json_object_end(w);
}

/* A write that fails is the end: a simulator that forgets charges would make every audit lie. */
static void record(struct charge_book *book, const struct charge *c, struct slice refund_key,
                   int64_t refund_amount)
{
    struct buf line;
    struct json_out w;

    if (book->journal < 0)
        return;
    buf_init(&line, 4096);
    json_begin(&w, &line);
    json_object_begin(&w);
    write_members(&w, c);
    json_put_str(&w, "token", slice_str(c->token));
    if (refund_key.at) {
        json_put_str(&w, "refundKey", refund_key);
        json_put_int(&w, "refundAmount", refund_amount);
    }
    json_object_end(&w);
    buf_append_char(&line, '\n');
    if (buf_status(&line) || write(book->journal, line.at, line.len) != (ssize_t)line.len) {
        perror("paysim: journal");
        abort();
    }
    buf_free(&line);
}

static bool replay_line(struct charge_book *book, struct slice line)
{
    struct slice id = SLICE_NONE, reference, state, currency, token, key = SLICE_NONE;
    int64_t amount, captured, refunded, refund_amount = 0;
    char why[200];
    json_t *o = json_parse_object(line, why, sizeof(why));
    const struct json_field fields[] = {
        {.key = "id", .kind = JSON_KIND_STR, .out = &id, .required = true},
        {.key = "reference",
         .kind = JSON_KIND_STR,
         .out = &reference,
         .required = true,
         .min = 1,
         .max = CHARGE_REFERENCE_MAX},
        {.key = "state", .kind = JSON_KIND_STR, .out = &state, .required = true},
        {.key = "amount", .kind = JSON_KIND_INT, .out = &amount, .required = true},
        {.key = "currency",
         .kind = JSON_KIND_STR,
         .out = &currency,
         .required = true,
         .min = 3,
         .max = 3},
        {.key = "captured", .kind = JSON_KIND_INT, .out = &captured, .required = true},
        {.key = "refunded", .kind = JSON_KIND_INT, .out = &refunded, .required = true},
        {.key = "token", .kind = JSON_KIND_STR, .out = &token, .required = true, .max = 63},
        {.key = "refundKey", .kind = JSON_KIND_STR, .out = &key, .max = CHARGE_KEY_MAX},
        {.key = "refundAmount", .kind = JSON_KIND_INT, .out = &refund_amount},
    };
    struct charge *c;
    enum charge_state parsed;
    bool good = o && json_read(o, fields, array_len(fields), NULL, why, sizeof(why)) == STATUS_OK &&
                parse_state(state, &parsed);

    if (good) {
        c = charge_by_reference(book, reference);
        if (!c)
            c = add(book, reference);
        c->state = parsed;
        c->amount = amount;
        c->captured = captured;
        c->refunded = refunded;
        slice_to_str(token, c->token, sizeof(c->token));
        slice_to_str(currency, c->currency, sizeof(c->currency));
        if (key.at)
            add_refund(book, c, key, refund_amount);
    }
    json_decref(o);
    return good;
}

/* Returns the length of the good part, or -1 when a line that is not the last is broken. */
static long replay(struct charge_book *book, struct slice text)
{
    size_t done = 0;

    while (done < text.len) {
        const char *line = text.at + done;
        const char *end = memchr(line, '\n', text.len - done);

        if (!end)
            break;
        if (!replay_line(book, slice_of(line, (size_t)(end - line))))
            return -1;
        done = (size_t)(end - text.at) + 1;
    }
    return (long)done;
}

static char *read_all(int fd, size_t *ret_len)
{
    struct stat st;
    char *text;
    size_t got = 0;

    if (fstat(fd, &st) != 0)
        return NULL;
    text = mem_alloc((size_t)st.st_size + 1);
    while (got < (size_t)st.st_size) {
        ssize_t n = pread(fd, text + got, (size_t)st.st_size - got, (off_t)got);

        if (n <= 0)
            break;
        got += (size_t)n;
    }
    *ret_len = got;
    return text;
}

enum status charge_book_open(struct charge_book *book, const char *path, char *ret_why,
                             size_t why_size)
{
    size_t len = 0;
    char *text;
    long good;

    *book = (struct charge_book){.journal = -1};
    map_init(&book->by_id);
    map_init(&book->by_reference);
    map_init(&book->refund_keys);
    if (!path)
        return STATUS_OK;
    book->journal = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (book->journal < 0 || !(text = read_all(book->journal, &len))) {
        snprintf(ret_why, why_size, "%s: %s", path, strerror(errno));
        return STATUS_IO;
    }
    good = replay(book, slice_of(text, len));
    mem_free(text);
    if (good < 0) {
        snprintf(ret_why, why_size, "%s: line %zu is not one of the journal", path,
                 book->count + 1);
        return STATUS_MALFORMED;
    }
    if ((size_t)good < len && ftruncate(book->journal, good) != 0) {
        snprintf(ret_why, why_size, "%s: %s", path, strerror(errno));
        return STATUS_IO;
    }
    return STATUS_OK;
}

void charge_book_close(struct charge_book *book)
{
    for (size_t i = 0; i < book->count; i++) {
        list_for_each_safe (it, &book->all[i]->refunds)
            mem_free(list_entry(it, struct charge_refund, link));
        mem_free(book->all[i]);
    }
    mem_free(book->all);
    map_free(&book->by_id);
    map_free(&book->by_reference);
    map_free(&book->refund_keys);
    if (book->journal >= 0)
        close(book->journal);
}

enum charge_outcome charge_create(struct charge_book *book, struct slice reference,
                                  struct slice token, int64_t amount, struct slice currency,
                                  enum charge_state first, struct charge **ret_charge)
{
    struct charge *c = charge_by_reference(book, reference);

    *ret_charge = c;
    if (c)
        return c->amount == amount && slice_is(currency, c->currency) && slice_is(token, c->token)
                   ? CHARGE_OK
                   : CHARGE_KEY_MISMATCH;
    c = add(book, reference);
    c->amount = amount;
    c->state = first;
    slice_to_str(token, c->token, sizeof(c->token));
    slice_to_str(currency, c->currency, sizeof(c->currency));
    record(book, c, SLICE_NONE, 0);
    *ret_charge = c;
    return CHARGE_OK;
}

enum charge_outcome charge_authorize(struct charge_book *book, struct charge *c)
{
    if (c->state != CHARGE_PENDING)
        return CHARGE_CONFLICT;
    c->state = CHARGE_AUTHORIZED;
    record(book, c, SLICE_NONE, 0);
    return CHARGE_OK;
}

enum charge_outcome charge_capture(struct charge_book *book, struct charge *c)
{
    if (c->state == CHARGE_CAPTURED)
        return CHARGE_OK;
    if (c->state != CHARGE_AUTHORIZED)
        return CHARGE_CONFLICT;
    c->state = CHARGE_CAPTURED;
    c->captured = c->amount;
    record(book, c, SLICE_NONE, 0);
    return CHARGE_OK;
}

enum charge_outcome charge_void(struct charge_book *book, struct charge *c)
{
    if (c->state == CHARGE_VOIDED || c->state == CHARGE_DECLINED)
        return CHARGE_OK;
    if (c->state == CHARGE_CAPTURED)
        return CHARGE_CONFLICT;
    c->state = CHARGE_VOIDED;
    record(book, c, SLICE_NONE, 0);
    return CHARGE_OK;
}

enum charge_outcome charge_refund(struct charge_book *book, struct charge *c, struct slice key,
                                  int64_t amount)
{
    const struct charge_refund *known = map_get(&book->refund_keys, key);

    if (known)
        return known->amount == amount ? CHARGE_OK : CHARGE_KEY_MISMATCH;
    if (c->state != CHARGE_CAPTURED || amount <= 0 || amount > c->captured - c->refunded)
        return CHARGE_CONFLICT;
    c->refunded += amount;
    add_refund(book, c, key, amount);
    record(book, c, key, amount);
    return CHARGE_OK;
}
