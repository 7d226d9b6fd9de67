/* onsale: a whole sale. Everybody arrives within a few seconds, goes through the line, holds, pays;
 * ends when the last fan has left. */
#include "bench/fan.h"
#include "bench/progress.h"

#include <stdio.h>

enum { TELL_MS = 250, LONGEST_S = 600, LAG_MAX_MS = 2000 };

/* A seat whose hold has been over for so long and that is not free is stuck (promise I6); what the
 * hall shows is at most so old. */
enum { STUCK_MS = 5000, HALL_AGE_MS = 1000 };

/* What was confirmed must be on the map so long after the last fan. */
#define SETTLE_NS INT64_C(10000000000)

struct sale {
    struct crowd crowd;
    struct client *eyes; /* for hall and board: what everybody sees waits behind nobody's request */
    struct hall hall;
    struct board board;
    struct timer tell;
    struct fan *fans;
    bool over;
    int64_t sold_out_ns, empty_ns;
};

static struct sale *sale_of(struct crowd *c)
{
    return container_of(c, struct sale, crowd);
}

static void finish(struct sale *s)
{
    if (s->over)
        return;
    s->over = true;
    hall_stop(&s->hall);
    if (s->crowd.board)
        board_stop(&s->board);
    timer_stop(&s->tell);
    loop_stop(s->crowd.run->loop);
}

/* With --until-settled: no seat is held any more, or one is that should not be. */
static bool nothing_held(struct sale *s)
{
    const struct run *run = s->crowd.run;

    return !run->options->until_settled || (s->hall.states && s->hall.counts[1] == 0) ||
           loop_wall_ms(run->loop) > s->crowd.last_expiry_ms + STUCK_MS + HALL_AGE_MS;
}

/* The hall is looked at a few times a second only, so its last look may be from before the last
 * sale, and a store that is just coming back shows a sale late. */
static void finish_when_settled(struct sale *s)
{
    int64_t now_ns = loop_mono_ns(s->crowd.run->loop);

    if ((s->crowd.seats_bought <= s->hall.counts[2] || now_ns - s->empty_ns > SETTLE_NS) &&
        nothing_held(s))
        finish(s);
}

static void crowd_done(struct crowd *c)
{
    struct sale *s = sale_of(c);

    s->empty_ns = loop_mono_ns(c->run->loop);
    finish_when_settled(s);
}

static double ms(const struct run *run, enum fan_step step, double q)
{
    return (double)hist_quantile(&run->meter.steps[step].latency, q) / 1000;
}

static void called(struct board *b, void *waiter)
{
    (void)b;
    fan_called(waiter);
}

/* Who waits at the board for what is gone. */
static void send_home(struct sale *s)
{
    for (struct fan *f; (f = board_leave(&s->board));)
        fan_leave(f);
}

static void tell_cb(struct timer *t)
{
    struct sale *s = container_of(t, struct sale, tell);
    struct crowd *c = &s->crowd;
    struct run *run = c->run;
    int64_t now_ns = loop_mono_ns(run->loop);
    double seconds = (double)(now_ns - run->meter.begun_ns) / 1e9;

    if (hall_sold_out(&s->hall) && !s->sold_out_ns)
        s->sold_out_ns = now_ns;
    progress_say(now_ns,
                 "%5.1f s  joined %llu  let in %llu  bought %llu  |  seats: %u free %u held %u "
                 "sold of %u  |  hold p99 %.0f "
                 "ms  book p99 %.0f ms  |  %zu still there",
                 seconds, (unsigned long long)c->joined, (unsigned long long)c->admitted,
                 (unsigned long long)c->ended[FAN_BOUGHT], s->hall.counts[0], s->hall.counts[1],
                 s->hall.counts[2], s->hall.seat_count, ms(run, STEP_HOLD, 0.99),
                 ms(run, STEP_BOOK, 0.99), c->left);
    if (hall_sold_out(&s->hall) && c->board)
        send_home(s);
    if (run->interrupted || seconds > LONGEST_S)
        finish(s);
    else if (s->empty_ns)
        finish_when_settled(s);
}

static void figures(struct sale *s)
{
    static const char *const ends[FAN_ENDS] = {"still there", "bought",          "left: sold out",
                                               "walked away", "missed the turn", "failed"};
    struct crowd *c = &s->crowd;
    struct run *run = c->run;

    run_figure(run, "fans", (double)run->options->users, "");
    run_figure(run, "joined the line", (double)c->joined, "");
    run_figure(run, "let in", (double)c->admitted, "");
    run_figure(run, "holds granted", (double)c->held, "");
    for (size_t i = 0; i < FAN_ENDS; i++)
        run_figure(run, ends[i], i == FAN_UNDERWAY ? (double)c->left : (double)c->ended[i], "");
    run_figure(run, "seats", s->hall.seat_count, "");
    run_figure(run, "seats sold", s->hall.counts[2], "");
    run_figure(run, "seats in confirmed answers", (double)c->seats_bought, "");
    if (run->options->until_settled)
        run_figure(run, "seats stuck", s->hall.counts[1], "");
    run_figure(run, "generator's worst lag", run->generator_lag_ms, "ms");
    if (s->sold_out_ns)
        run_figure(run, "sold out after", (double)(s->sold_out_ns - run->meter.begun_ns) / 1e9,
                   "s");
}

static void fans_arrive(struct sale *s)
{
    struct crowd *c = &s->crowd;
    const struct bench_options *o = c->run->options;
    int64_t now_ns = loop_mono_ns(c->run->loop);

    s->fans = mem_alloc((size_t)o->users * sizeof(*s->fans));
    c->left = (size_t)o->users;
    for (int64_t i = 0; i < o->users; i++)
        fan_start(&s->fans[i], c,
                  now_ns + (int64_t)(rng_unit(&c->rng) * (double)o->arrive_ms * 1e6));
}

/* The clients of a sale; false with what is wrong in ret_why. */
static bool clients_new(struct sale *s, char *ret_why, size_t why_size)
{
    struct run *run = s->crowd.run;
    struct client_options options = {.url = run->options->url,
                                     .connections = (size_t)run->options->connections,
                                     .sources = 2000};

    s->crowd.client = client_new(run->loop, &options, ret_why, why_size);
    options.connections = 2;
    s->eyes = s->crowd.client ? client_new(run->loop, &options, ret_why, why_size) : NULL;
    return s->eyes;
}

static void sale_open(struct sale *s)
{
    struct crowd *c = &s->crowd;
    const struct bench_options *o = c->run->options;

    rng_seed(&c->rng, (uint64_t)o->seed);
    hall_start(&s->hall, c->run->loop, s->eyes, o->event);
    if (o->board) {
        c->board = &s->board;
        board_start(&s->board, c->run->loop, s->eyes, o->event, called);
    }
    timer_init(c->run->loop, &s->tell, tell_cb);
    timer_start(&s->tell, TELL_MS, TELL_MS);
    fans_arrive(s);
}

static void sale_close(struct sale *s)
{
    struct run *run = s->crowd.run;
    int64_t users = run->options->users;

    for (int64_t i = 0; i < users; i++)
        if (s->fans[i].end == FAN_UNDERWAY)
            timer_close(&s->fans[i].timer, NULL);
    timer_close(&s->tell, NULL);
    client_free(s->crowd.client);
    client_free(s->eyes);
    for (int i = 0; i < 1000 && (!s->hall.closed || uv_loop_alive(&run->loop->uv)); i++)
        loop_turn(run->loop, false);
    for (int64_t i = 0; i < users; i++)
        fan_free(&s->fans[i]);
    mem_free(s->fans);
    mem_free(s->hall.states);
    board_free(&s->board);
}

static enum bench_exit verdict(const struct sale *s)
{
    const struct run *run = s->crowd.run;
    uint32_t held = s->hall.counts[1], sold = s->hall.counts[2];

    if (run->interrupted)
        return BENCH_INTERRUPTED;
    /* What a fan was told counts: a confirmed answer without a sold seat behind it breaks I2. */
    if (s->hall.states && s->crowd.seats_bought > sold)
        return BENCH_INVARIANT;
    if (run->options->until_settled && !s->crowd.left && held > 0)
        return BENCH_INVARIANT;
    return run->generator_lag_ms > LAG_MAX_MS ? BENCH_GENERATOR : BENCH_OK;
}

static enum bench_exit run_onsale(struct run *run)
{
    const struct bench_options *o = run->options;
    struct sale *s;
    char why[160];

    if (!o->event) {
        fprintf(stderr, "bench: onsale needs --event; ./holdfast seed makes one\n");
        return BENCH_USAGE;
    }
    s = mem_alloc(sizeof(*s));
    s->crowd = (struct crowd){.run = run,
                              .hall = &s->hall,
                              .event = o->event,
                              .queue = true,
                              .think_ms = o->think_ms,
                              .done = crowd_done};
    if (!clients_new(s, why, sizeof(why))) {
        fprintf(stderr, "bench: %s\n", why);
        if (s->crowd.client)
            client_free(s->crowd.client);
        mem_free(s);
        return BENCH_USAGE;
    }
    sale_open(s);
    loop_run(run->loop);
    s->crowd.over = true;
    progress_end();
    figures(s);
    enum bench_exit code = verdict(s);
    sale_close(s);
    mem_free(s);
    return code;
}

const struct scenario scenario_onsale = {
    .name = "onsale",
    .summary = "a whole sale: line, holds, payment, through the gateway",
    .steps = fan_step_names,
    .users = 1000,
    .run = run_onsale,
};
