#include "engine/booking/best_available.h"

#include <math.h>

/* How good a block is: smaller is better, compared member by member from the top. */
struct score {
    uint32_t orphans;    /* single free seats it leaves in its row: 0, 1 or 2 */
    uint32_t distance;   /* to the wanted place, with request->near */
    uint32_t wheelchair; /* accessible places it takes */
    uint32_t restricted; /* seats with restricted view */
    uint32_t level;
    uint32_t rank; /* of the row in its section */
    uint32_t
        centre; /* distance of the block's middle to the row's, in steps of CENTRE_STEP seats */
};

#define CENTRE_STEP 4

struct search {
    const struct layout *l;
    const struct view *v;
    const struct best_request *request;
    struct rng *rng;
    struct score best;
    uint32_t first, ties;
    bool found;
};

static bool protected_seat(const struct layout_seat *seat)
{
    return seat->flags & (SEAT_ACCESSIBLE | SEAT_COMPANION);
}

/* Whether the seat may be in the block. */
static bool usable(const struct search *s, uint32_t n)
{
    const struct layout_seat *seat = &s->l->seats[n];

    if (!view_free(s->v, n) || (s->request->level >= 0 && seat->level != s->request->level))
        return false;
    return s->request->accessible || !protected_seat(seat);
}

/* Whether `n` and the seat before it are side by side in the row. */
static bool joined(const struct search *s, const struct layout_row *row, uint32_t n)
{
    return n > row->first && !(s->l->seats[n - 1].flags & SEAT_AISLE);
}

/* Free for the question of orphans: a protected place beside does not count as company for an
 * ordinary seat. */
static bool open_beside(const struct search *s, uint32_t n)
{
    return view_free(s->v, n) && (s->request->accessible || !protected_seat(&s->l->seats[n]));
}

/* Does taking first .. first+quantity-1 leave one free seat alone on this side? */
static bool orphan_left(const struct search *s, const struct layout_row *row, uint32_t first)
{
    if (!joined(s, row, first) || !open_beside(s, first - 1))
        return false;
    return !joined(s, row, first - 1) || !open_beside(s, first - 2);
}

static bool orphan_right(const struct search *s, const struct layout_row *row, uint32_t last)
{
    uint32_t end = row->first + row->count;

    if (last + 1 >= end || !joined(s, row, last + 1) || !open_beside(s, last + 1))
        return false;
    return last + 2 >= end || !joined(s, row, last + 2) || !open_beside(s, last + 2);
}

static struct score score_of(const struct search *s, const struct layout_row *row, uint32_t first)
{
    const struct best_request *r = s->request;
    uint32_t last = first + r->quantity - 1;
    struct score score = {.orphans = (uint32_t)orphan_left(s, row, first) +
                                     (uint32_t)orphan_right(s, row, last),
                          .level = s->l->seats[first].level,
                          .rank = row->rank};
    int64_t off = (int64_t)(first + last) - (int64_t)(2 * row->first + row->count - 1);

    for (uint32_t n = first; n <= last; n++) {
        score.wheelchair += (s->l->seats[n].flags & SEAT_ACCESSIBLE) != 0;
        score.restricted += (s->l->seats[n].flags & SEAT_RESTRICTED) != 0;
    }
    score.centre = (uint32_t)((off < 0 ? -off : off) / 2 / CENTRE_STEP);
    if (r->near) {
        const struct layout_seat *middle = &s->l->seats[first + r->quantity / 2];

        score.distance = (uint32_t)hypotf(middle->x - r->near_x, middle->y - r->near_y);
    }
    /* Whoever lost a race looks further: what differs by little is then the same. */
    if (r->attempt) {
        score.rank >>= r->attempt < 4 ? r->attempt : 4;
        score.centre >>= r->attempt < 4 ? r->attempt : 4;
    }
    return score;
}

static int compare(const struct score *a, const struct score *b)
{
    const uint32_t *x = (const uint32_t *)a, *y = (const uint32_t *)b;

    for (size_t i = 0; i < sizeof(*a) / sizeof(uint32_t); i++) {
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

/* Keeps the best; among equals each with the same chance (reservoir of one). */
static void consider(struct search *s, const struct layout_row *row, uint32_t first)
{
    struct score score = score_of(s, row, first);
    int order = s->found ? compare(&score, &s->best) : -1;

    if (s->request->accessible && score.wheelchair == 0)
        return;
    if (order > 0)
        return;
    s->ties = order < 0 ? 1 : s->ties + 1;
    if (order == 0 && rng_below(s->rng, s->ties) != 0)
        return;
    s->best = score;
    s->first = first;
    s->found = true;
}

static void search_row(struct search *s, const struct layout_row *row)
{
    uint32_t run = 0;

    for (uint32_t n = row->first; n < row->first + row->count; n++) {
        if (!usable(s, n))
            run = 0;
        else if (run > 0 && joined(s, row, n) && s->l->seats[n].level == s->l->seats[n - 1].level)
            run++;
        else
            run = 1;
        if (run >= s->request->quantity)
            consider(s, row, n + 1 - s->request->quantity);
    }
}

bool best_available(const struct layout *l, const struct view *v,
                    const struct best_request *request, struct rng *rng, uint32_t *ret_seats)
{
    struct search s = {.l = l, .v = v, .request = request, .rng = rng};

    if (request->quantity == 0 || v->seat_count < l->seated_count)
        return false;
    for (size_t i = 0; i < l->row_count; i++) {
        if (l->rows[i].count >= request->quantity &&
            (request->section < 0 || l->rows[i].section == (uint32_t)request->section))
            search_row(&s, &l->rows[i]);
    }
    for (uint32_t i = 0; s.found && i < request->quantity; i++)
        ret_seats[i] = s.first + i;
    return s.found;
}

bool best_alternative(const struct layout *l, const struct view *v, const uint32_t *wanted,
                      size_t count, struct rng *rng, uint32_t *ret_seats)
{
    struct best_request request = {
        .quantity = (uint32_t)count, .level = -1, .section = -1, .near = true};

    for (size_t i = 0; i < count; i++) {
        if (wanted[i] >= l->seated_count)
            return false;
        request.near_x += l->seats[wanted[i]].x / (float)count;
        request.near_y += l->seats[wanted[i]].y / (float)count;
    }
    request.level = l->seats[wanted[0]].level;
    if (best_available(l, v, &request, rng, ret_seats))
        return true;
    request.level = -1;
    return best_available(l, v, &request, rng, ret_seats);
}
