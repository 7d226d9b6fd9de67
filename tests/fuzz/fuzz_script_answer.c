/* What the scripts in Redis answer: the first byte picks the script. Read within bounds, or
 * refused; Redis is ours, but a wrong answer is an error and not a crash. */
#include "engine/base/mem.h"
#include "engine/booking/layout.h"
#include "engine/booking/seat_store_internal.h"
#include "tests/fuzz/fuzz.h"

static struct seat_store store;

static void check_hold(const struct hold *h)
{
    must(h->seat_count > 0 && h->seat_count <= HOLD_SEATS_MAX);
    for (size_t i = 0; i < h->seat_count; i++)
        must(h->seats[i] < LAYOUT_SEATS_MAX);
    must(memchr(h->id, '\0', sizeof(h->id)) != NULL);
    must(memchr(h->session, '\0', sizeof(h->session)) != NULL);
    must(memchr(h->customer, '\0', sizeof(h->customer)) != NULL);
}

static void check_call(const struct hold_call *call)
{
    must(call->refused_count <= HOLD_SEATS_MAX);
    if (call->outcome == HOLD_SEATS_TAKEN)
        must(call->refused_count > 0);
    for (size_t i = 0; i < call->refused_count; i++)
        must(call->refused[i] < LAYOUT_SEATS_MAX && call->refused_why[i] <= SEAT_BLOCKED);
    if (call->outcome == HOLD_LIMIT)
        must(call->limit <= HOLD_LIMIT_COOL_DOWN);
}

/* The seats are those of the last word, none cut to fewer bits. */
static void check_seats_of(struct slice text, const struct hold *h)
{
    struct slice word = SLICE_NONE;

    for (size_t i = 0; text.at && i < 10; i++)
        word = i < 9 ? slice_cut(&text, ' ') : text;
    for (size_t i = 0; i < h->seat_count; i++) {
        struct slice pair = slice_cut(&word, ','), n = slice_cut(&pair, ':');
        uint64_t seat, version;

        must(slice_to_u64(n, &seat) && slice_to_u64(pair, &version));
        must(seat == h->seats[i] && version == h->versions[i]);
    }
}

static void read_hold(const struct seat_store_script *script, struct slice text)
{
    struct hold_call call = {.script = script};

    if (!read_answer(&call, text) || script->read != read_hold_answer)
        return;
    check_call(&call);
    if (call.hold.seat_count) {
        check_hold(&call.hold);
        check_seats_of(text, &call.hold);
    }
}

static void read_one_session(const struct seat_store_script *script, struct slice text)
{
    struct session_call session = {.call = {.script = script}};

    if (read_answer(&session.call, text)) {
        for (size_t i = 0; i < session.hold_count; i++)
            check_hold(&session.holds[i]);
    }
    mem_free(session.holds);
}

static void read_seats(const struct seat_store_script *script, struct slice text)
{
    struct seat_read read = {.call = {.script = script}};

    if (read_answer(&read.call, text) && read.state.at)
        must(read.state.at >= text.at && read.state.at + read.state.len <= text.at + text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct slice text;
    int which;

    if (!store.scripts[0].read)
        seat_store_scripts_init(&store);
    if (len == 0)
        return 0;
    which = at[0] % SCRIPT_COUNT;
    text = slice_of(at + 1, len - 1);
    if (which == SCRIPT_SESSION_READ || which == SCRIPT_SESSION_END)
        read_one_session(&store.scripts[which], text);
    else if (which == SCRIPT_STATE_READ)
        read_seats(&store.scripts[which], text);
    else
        read_hold(&store.scripts[which], text);
    return 0;
}
