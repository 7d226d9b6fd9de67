/* bench: the load harness. */
#include "bench/progress.h"
#include "bench/report.h"
#include "bench/scenario.h"
#include "bench/threshold.h"
#include "engine/base/log.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

enum { CONFIRMED_LIMIT = 256 * 1024 * 1024 };

static const struct scenario *const scenarios[] = {
    &scenario_onsale, &scenario_polls, &scenario_holds, &scenario_bookings, &scenario_overload};

static const struct scenario *scenario_find(const char *name)
{
    for (size_t i = 0; name && i < array_len(scenarios); i++)
        if (strcmp(scenarios[i]->name, name) == 0)
            return scenarios[i];
    return NULL;
}

static void list_scenarios(FILE *to)
{
    fprintf(
        to,
        "usage: bench SCENARIO [--option value ...]   (bench --help: the options)\n\nscenarios:\n");
    for (size_t i = 0; i < array_len(scenarios); i++)
        fprintf(to, "  %-10s %s\n", scenarios[i]->name, scenarios[i]->summary);
}

static void interrupt_cb(uv_signal_t *handle, int signal)
{
    struct run *run = handle->data;

    (void)signal;
    run->interrupted = true;
}

/* Also without the loop: scenarios that run none look at the flag. */
static struct run *interrupted_run;

static void interrupt_handler(int signal)
{
    (void)signal;
    interrupted_run->interrupted = true;
}

static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum bench_exit bad_threshold(const struct bench_options *options)
{
    fprintf(stderr,
            "bench: --threshold '%s' cannot be read: 'hold.p99<50ms', 'book.failed<1', "
            "'ratio>=0.6'\n",
            options->thresholds);
    return BENCH_USAGE;
}

static enum bench_exit judge(const struct run *run, enum bench_exit code)
{
    bool bad = false;

    if (code != BENCH_OK || !run->options->thresholds)
        return code;
    if (thresholds_hold(run, run->options->thresholds, &bad))
        return BENCH_OK;
    return bad ? bad_threshold(run->options) : BENCH_THRESHOLD;
}

static enum bench_exit run_scenario(const struct scenario *scenario,
                                    const struct bench_options *options)
{
    struct loop loop;
    struct run run = {.options = options, .loop = &loop};
    uv_signal_t interrupt;
    char why[256];

    if (!processes_read(options->processes, &run.processes)) {
        fprintf(stderr, "bench: --processes '%s' is not engine=PID,redis=PID,...\n",
                options->processes);
        return BENCH_USAGE;
    }
    loop_init(&loop, &clock_system);
    buf_init(&run.confirmed, CONFIRMED_LIMIT);
    meter_init(&run.meter, scenario->steps, clock_mono_ns(&clock_system));
    interrupted_run = &run;
    signal(SIGINT, interrupt_handler);
    signal(SIGPIPE, SIG_IGN);
    uv_signal_init(&loop.uv, &interrupt);
    interrupt.data = &run;
    uv_signal_start(&interrupt, interrupt_cb, SIGTERM);
    uv_unref((uv_handle_t *)&interrupt);

    enum bench_exit code = scenario->run(&run);
    if (code != BENCH_USAGE)
        report_print(&run, scenario);
    if (code != BENCH_USAGE && options->out && !report_write(&run, scenario, why, sizeof(why))) {
        fprintf(stderr, "bench: %s\n", why);
        code = code == BENCH_OK ? BENCH_USAGE : code;
    }
    code = judge(&run, code);
    uv_close((uv_handle_t *)&interrupt, NULL);
    loop_free(&loop);
    meter_free(&run.meter);
    buf_free(&run.confirmed);
    return code;
}

/* `bench SCENARIO ... --check-config` asks all of this, too: so a launcher knows before it starts
 * anything. */
static enum bench_exit begin(const struct config *config, enum config_verdict verdict,
                             struct bench_options *options)
{
    const char *const *rest = config->rest;
    const struct scenario *scenario = rest ? scenario_find(rest[0]) : NULL;

    if (verdict == CONFIG_WRONG)
        return BENCH_USAGE;
    if (verdict == CONFIG_DONE && (!rest || !rest[0]))
        return BENCH_OK;
    if (!scenario || rest[1]) {
        list_scenarios(stderr);
        return BENCH_USAGE;
    }
    if (options->thresholds && !thresholds_readable(options->thresholds))
        return bad_threshold(options);
    if (verdict == CONFIG_DONE)
        return BENCH_OK;
    if (options->quiet)
        progress_mute();
    if (!options->users)
        options->users = scenario->users;
    raise_descriptors();
    return run_scenario(scenario, options);
}

int main(int argc, char **argv)
{
    struct bench_options options = {0};
    struct config config = {
        .program = "bench",
        .summary = "Loads a running Holdfast and measures it: bench SCENARIO [--option value ...].",
        .options = bench_option_table,
        .count = bench_option_count,
        .target = &options};
    enum bench_exit code;

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_scenarios(stdout);
        return BENCH_OK;
    }
    code = begin(&config, config_load(&config, argc, argv), &options);
    config_free(&config);
    return code;
}
