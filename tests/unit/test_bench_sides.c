/* What the harness knows of those beside its own flood: the words that a side's command prints, the
 * processor time of other processes, and the figures of several rounds. */
#include "bench/against.h"
#include "bench/report.h"
#include "engine/base/json.h"
#include "tests/lib/leaks.h"
#include "tests/lib/temp.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TestSuite(bench_sides, .timeout = 30, .fini = assert_no_leaks);

Test(bench_sides, a_command_tells_its_rate_its_name_and_what_an_operation_costs)
{
    struct against a;
    char why[4352];

    cr_assert(against_run("echo name=toy rate=1200 p99_us=850 generator_us=1.5 redis_us=20 #", 0,
                          &a, why, sizeof(why)),
              "%s", why);
    cr_assert_str_eq(a.name, "toy");
    cr_assert_eq(a.rate, 1200);
    cr_assert_eq(a.p99_us, 850);
    cr_assert_eq(a.cpu_us[CPU_GENERATOR], 1.5);
    cr_assert_eq(a.cpu_us[CPU_REDIS], 20);
    cr_assert_eq(a.cpu_us[CPU_POSTGRES], 0);
}

Test(bench_sides, the_rate_that_is_asked_for_is_appended)
{
    struct against a;
    char why[4352];

    cr_assert(against_run("echo rate=1 asked=", 250, &a, why, sizeof(why)));
    cr_assert(against_run("set -- ; says() { echo rate=$2; }; says", 250, &a, why, sizeof(why)));
    cr_assert_eq(a.rate, 250);
}

Test(bench_sides, a_word_is_not_found_inside_another)
{
    struct against a;
    char why[4352];

    cr_assert(against_run("echo half_rate=7 rate=9", 0, &a, why, sizeof(why)));
    cr_assert_eq(a.rate, 9);
}

Test(bench_sides, a_command_that_fails_or_tells_no_rate_is_said)
{
    struct against a;
    char why[4352];

    cr_assert_not(against_run("echo rate=5; exit 3", 0, &a, why, sizeof(why)));
    cr_assert(strstr(why, "failed"));
    cr_assert_not(against_run("echo p99_us=5", 0, &a, why, sizeof(why)));
    cr_assert(strstr(why, "told no rate="));
}

Test(bench_sides, processes_are_read_or_refused_as_a_whole)
{
    static const char *const bad[] = {"engine",    "engine=",     "engine=x", "engine=12 redis=13",
                                      "engine=-1", "generator=1", "nobody=1"};
    struct processes p;

    cr_assert(processes_read(NULL, &p));
    cr_assert_eq(p.count, 0);
    cr_assert(processes_read("engine=12,engine=13,gateway=14", &p));
    cr_assert_eq(p.count, 3);
    cr_assert_eq(p.at[1].part, CPU_ENGINE);
    cr_assert_eq(p.at[2].part, CPU_GATEWAY);
    cr_assert_eq(p.at[2].pid, 14);
    for (size_t i = 0; i < array_len(bad); i++)
        cr_assert_not(processes_read(bad[i], &p), "%s", bad[i]);
}

/* A server whose child works and ends, then works itself. */
static void burn(double seconds)
{
    clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);

    while (clock() < end)
        ;
}

Test(bench_sides, time_of_a_server_and_of_its_children_that_have_ended_counts)
{
    int ready[2];
    char text[32], byte;
    struct processes p;
    double seconds[CPU_PARTS];

    cr_assert_eq(pipe(ready), 0);
    pid_t server = fork();
    if (server == 0) {
        pid_t child = fork();
        if (child == 0) {
            burn(0.2);
            _exit(0);
        }
        waitpid(child, NULL, 0);
        burn(0.1);
        (void)!write(ready[1], "x", 1);
        pause();
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    snprintf(text, sizeof(text), "postgres=%d", server);
    cr_assert(processes_read(text, &p));
    processes_cpu(&p, seconds);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    cr_assert_geq(seconds[CPU_POSTGRES], 0.25);
    cr_assert_lt(seconds[CPU_POSTGRES], 0.5);
    cr_assert_eq(seconds[CPU_REDIS], 0);
}

static json_t *figure(json_t *summary, const char *name)
{
    json_t *figures = json_object_get(summary, "figures"), *f;
    size_t i;

    json_array_foreach(figures, i, f) if (strcmp(json_string_value(json_object_get(f, "name")),
                                                 name) == 0) return f;
    return NULL;
}

Test(bench_sides, figures_of_rounds_have_their_median_lowest_and_highest_in_the_summary)
{
    static const char *const steps[] = {"hold", "half", NULL};
    const struct scenario scenario = {.name = "holds", .summary = "test", .steps = steps};
    struct temp_dir dir = temp_dir_new();
    struct bench_options options = {.commit = "abc", .named = true};
    struct loop loop;
    struct run run = {.options = &options, .loop = &loop};
    double rates[] = {30, 10, 20};
    char why[256], path[4200];

    options.out = dir.path;
    loop_init(&loop, &clock_system);
    meter_init(&run.meter, steps, loop_mono_ns(&loop));
    run_figure_of(&run, "core/toy", rates, 3, "");
    run_figure(&run, "half load", 15, "1/s");
    cr_assert(report_write(&run, &scenario, why, sizeof(why)), "%s", why);
    snprintf(path, sizeof(path), "%s/summary.json", dir.path);
    json_t *summary = json_load_file(path, 0, NULL);

    cr_assert_str_eq(json_string_value(json_object_get(summary, "schema")), "holdfast.bench/2");
    cr_assert(json_is_true(json_object_get(json_object_get(summary, "config"), "named")));
    json_t *f = figure(summary, "core/toy");
    cr_assert_eq(json_number_value(json_object_get(f, "value")), 20);
    cr_assert_eq(json_number_value(json_object_get(f, "min")), 10);
    cr_assert_eq(json_number_value(json_object_get(f, "max")), 30);
    cr_assert_eq(json_integer_value(json_object_get(f, "rounds")), 3);
    cr_assert_null(json_object_get(figure(summary, "half load"), "rounds"));
    json_decref(summary);
    meter_free(&run.meter);
    loop_free(&loop);
    temp_dir_free(&dir);
}
