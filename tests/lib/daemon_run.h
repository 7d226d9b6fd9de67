/* A daemon of ours as a process of its own, for tests: started on ports that it picks, read from
 * what it logs. It dies with the test. */
#ifndef HOLDFAST_TESTS_DAEMON_RUN_H
#define HOLDFAST_TESTS_DAEMON_RUN_H

#include <stdint.h>
#include <sys/types.h>

struct daemon_run {
    pid_t pid; /* 0: not running */
    uint16_t port, ops_port;
    char log_path[200];
};

/* Starts `argv` (argv[0] is the binary; `--port 0 --ops-port 0` are added) with its log in the file
 * log_path, and waits until it listens. HOLDFAST_* of the test's own environment are not passed on,
 * but for `admin_token`. Aborts with the log when it ends instead. */
void daemon_run_start(struct daemon_run *d, const char *const *argv, const char *admin_token,
                      const char *log_path);
/* SIGTERM, then waits; the exit code, or 128 + signal. Aborts when it has not ended after 15 s. */
int daemon_run_stop(struct daemon_run *d);
void daemon_run_kill9(struct daemon_run *d);
/* Waits until the log has `text`; aborts with the log after timeout_ms. */
void daemon_run_await_log(const struct daemon_run *d, const char *text, int timeout_ms);

#endif
