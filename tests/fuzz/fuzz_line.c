/* What strangers and neighbours tell the waiting room: tickets, If-None-Match, the seats left. */
#include "tests/fuzz/fuzz.h"
#include "waitroom/etag.h"
#include "waitroom/line.h"
#include "waitroom/place.h"

static const struct token_keys keys = {.count = 1, .keys = {{.id = 1, .secret = {1, 2, 3}}}};

static void check_ticket(struct slice text)
{
    char back[TOKEN_TEXT_MAX + 1];
    struct place place;

    if (place_open(&keys, text, 42, 0, &place) != STATUS_OK)
        return;
    must(place.event_id == 42);
    place_seal(&keys, &place, back);
    must(slice_is(text, back));
}

static void check_seats(struct slice text)
{
    struct line line = {.seats_known = true};

    must(line_parse_seats(&line, text) == line.seats_known);
    must(!line.seats_known || strlen(line.currency) == 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct slice text = slice_of(at, len);
    char etag[ETAG_SIZE];

    check_ticket(text);
    check_seats(text);
    etag_of(text, etag);
    must(etag_matches(slice_str(etag), etag));
    (void)etag_matches(text, etag);
    return 0;
}
