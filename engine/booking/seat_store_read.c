/* Reading what the scripts answer: "<letter> <now ms> <words>". Redis is ours, but an answer that
 * does not parse is an error, not a crash. */
#include "engine/booking/seat_store_internal.h"

#include "engine/base/mem.h"
#include "engine/booking/layout.h"

static bool cut_i64(struct slice *words, char delimiter, int64_t *ret_value)
{
    return words->at && slice_to_i64(slice_cut(words, delimiter), ret_value);
}

static bool cut_name(struct slice *words, char *ret_text, size_t size)
{
    struct slice word = words->at ? slice_cut(words, ' ') : SLICE_NONE;

    if (slice_is(word, "-"))
        word.len = 0;
    return word.at && slice_to_str(word, ret_text, size);
}

/* "n:version,n:version" */
static bool read_seats(struct slice text, struct hold *h)
{
    h->seat_count = 0;
    while (text.at && text.len) {
        struct slice pair = slice_cut(&text, ',');
        struct slice n = slice_cut(&pair, ':');
        uint64_t seat, version;

        if (h->seat_count == HOLD_SEATS_MAX || !pair.at || !slice_to_u64(n, &seat) ||
            seat >= LAYOUT_SEATS_MAX || !slice_to_u64(pair, &version) || version > UINT32_MAX)
            return false;
        h->seats[h->seat_count] = (uint32_t)seat;
        h->versions[h->seat_count++] = (uint32_t)version;
    }
    return h->seat_count > 0;
}

/* id session customer fence expires cap paying seats */
bool read_hold_words(struct slice words, struct hold *ret_hold)
{
    int64_t fence, paying;

    if (!cut_name(&words, ret_hold->id, sizeof(ret_hold->id)) ||
        !cut_name(&words, ret_hold->session, sizeof(ret_hold->session)) ||
        !cut_name(&words, ret_hold->customer, sizeof(ret_hold->customer)) ||
        !cut_i64(&words, ' ', &fence) || !cut_i64(&words, ' ', &ret_hold->expires_ms) ||
        !cut_i64(&words, ' ', &ret_hold->cap_ms) || !cut_i64(&words, ' ', &paying))
        return false;
    ret_hold->fence = (uint64_t)fence;
    ret_hold->paying = paying != 0;
    return read_seats(words, ret_hold);
}

/* "n:why,n:why" */
static bool read_refused(struct hold_call *call, struct slice text)
{
    call->refused_count = 0;
    while (text.at && text.len && call->refused_count < HOLD_SEATS_MAX) {
        struct slice pair = slice_cut(&text, ',');
        struct slice n = slice_cut(&pair, ':');
        uint64_t seat, why;

        if (!pair.at || !slice_to_u64(n, &seat) || seat >= LAYOUT_SEATS_MAX ||
            !slice_to_u64(pair, &why) || why > SEAT_BLOCKED)
            return false;
        call->refused[call->refused_count] = (uint32_t)seat;
        call->refused_why[call->refused_count++] = (uint8_t)why;
    }
    return call->refused_count > 0;
}

static bool read_limit(struct hold_call *call, struct slice words)
{
    int64_t which;

    if (!cut_i64(&words, ' ', &which) || which < 0 || which > HOLD_LIMIT_COOL_DOWN ||
        !cut_i64(&words, ' ', &call->until_ms))
        return false;
    call->limit = (enum hold_limit)which;
    return true;
}

/* Letters that mean the same everywhere. */
static bool read_outcome(struct hold_call *call, char letter)
{
    static const struct {
        char letter;
        enum hold_outcome outcome;
    } letters[] = {{'G', HOLD_GRANTED},     {'R', HOLD_REPLAYED},  {'M', HOLD_KEY_MISMATCH},
                   {'T', HOLD_SEATS_TAKEN}, {'L', HOLD_LIMIT},     {'E', HOLD_SESSION_ENDED},
                   {'X', HOLD_EXPIRED},     {'N', HOLD_NOT_FOUND}, {'C', HOLD_CAP},
                   {'P', HOLD_PAYING},      {'Z', HOLD_EMPTY}};

    for (size_t i = 0; i < array_len(letters); i++) {
        if (letters[i].letter == letter) {
            call->outcome = letters[i].outcome;
            return true;
        }
    }
    return false;
}

bool read_hold_answer(struct hold_call *call, char letter, struct slice words)
{
    switch (letter) {
    case 'G': return !words.at || read_hold_words(words, &call->hold);
    case 'R': return read_hold_words(words, &call->hold);
    case 'T': return read_refused(call, words);
    case 'L': return read_limit(call, words);
    default: return true;
    }
}

bool read_sweep(struct hold_call *call, char letter, struct slice words)
{
    uint64_t count;

    (void)letter;
    if (!slice_to_u64(words, &count))
        return false;
    call->hold.seat_count = (size_t)count;
    return true;
}

/* "hold; hold; ..." */
bool read_session(struct hold_call *call, char letter, struct slice words)
{
    struct session_call *session = container_of(call, struct session_call, call);
    size_t count = 0;

    if (letter != 'G' || !words.at || words.len == 0)
        return true;
    for (size_t i = 0; i < words.len; i++)
        count += words.at[i] == ';';
    session->holds = mem_alloc((count + 1) * sizeof(*session->holds));
    while (words.at) {
        struct hold *h = &session->holds[session->hold_count];

        h->event_id = call->hold.event_id;
        if (!read_hold_words(slice_cut(&words, ';'), h))
            return false;
        session->hold_count++;
    }
    return true;
}

bool read_state(struct hold_call *call, char letter, struct slice words)
{
    struct seat_read *read = container_of(call, struct seat_read, call);
    struct slice rev = words.at ? slice_cut(&words, ' ') : SLICE_NONE;

    (void)letter;
    read->state = words;
    return rev.at && slice_to_u64(rev, &read->rev);
}

bool read_answer(struct hold_call *call, struct slice text)
{
    struct slice letter = slice_cut(&text, ' ');

    if (letter.len != 1 || !read_outcome(call, letter.at[0]) ||
        !cut_i64(&text, ' ', &call->server_ms))
        return false;
    return call->script->read(call, letter.at[0], text);
}
