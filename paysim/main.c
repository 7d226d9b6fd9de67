/* The payment provider of development, demo and tests: a process of its own that approves,
 * declines, dawdles and loses answers, as told by the payment token. */
#include "engine/net/daemon.h"
#include "paysim/api.h"

#include <stdio.h>

struct sim_settings {
    struct daemon_settings daemon;
    const char *webhook_url, *payment_secret, *journal;
    int64_t slow_ms, late_ms, hang_ms;
};

static const struct config_option options[] = {
    DAEMON_OPTIONS(struct sim_settings, daemon, "8084", "0"),
    {"webhook-url", CONFIG_STR, offsetof(struct sim_settings, webhook_url), NULL, 0, 0, false,
     "where webhooks go; none: none are sent"},
    {"payment-secret", CONFIG_STR, offsetof(struct sim_settings, payment_secret), "paysim", 0, 0,
     true, "signs the webhooks"},
    {"journal", CONFIG_STR, offsetof(struct sim_settings, journal), NULL, 0, 0, false,
     "file that keeps the charges; none: they are forgotten at exit"},
    {"slow-ms", CONFIG_INT, offsetof(struct sim_settings, slow_ms), "5000", 0, 600000, false,
     "how long tok_slow takes, ms"},
    {"late-ms", CONFIG_INT, offsetof(struct sim_settings, late_ms), "3000", 0, 600000, false,
     "when tok_webhook_late is decided, ms"},
    {"hang-ms", CONFIG_INT, offsetof(struct sim_settings, hang_ms), "20000", 0, 600000, false,
     "when a lost answer comes after all, ms"},
};

int main(int argc, char **argv)
{
    static struct sim_settings settings;
    static struct sim sim;
    static struct daemon d;
    struct config config = {.program = "paysim",
                            .summary = "the payment simulator",
                            .options = options,
                            .count = array_len(options),
                            .target = &settings};
    enum config_verdict verdict = config_load(&config, argc, argv);
    char why[300];
    int code;

    if (verdict != CONFIG_RUN)
        return verdict == CONFIG_DONE ? 0 : 2;
    if (charge_book_open(&sim.book, settings.journal, why, sizeof(why))) {
        fprintf(stderr, "paysim: %s\n", why);
        return 1;
    }
    sim.slow_ms = settings.slow_ms;
    sim.late_ms = settings.late_ms;
    sim.hang_ms = settings.hang_ms;
    daemon_init(&d, "paysim", &settings.daemon);
    sim.loop = &d.loop;
    webhooks_init(&sim.webhooks, &d.loop, settings.webhook_url, settings.payment_secret);
    sim_routes(&sim, &d.router);
    code = daemon_run(&d);
    webhooks_close(&sim.webhooks);
    daemon_free(&d);
    charge_book_close(&sim.book);
    config_free(&config);
    return code;
}
