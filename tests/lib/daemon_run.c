#include "tests/lib/daemon_run.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 40
#define LOG_MAX  (256 * 1024)
#define START_MS 20000
#define STOP_MS  15000

static void read_log(const struct daemon_run *d, char *ret_text)
{
    FILE *f = fopen(d->log_path, "re");
    size_t len = 0;

    if (f) {
        len = fread(ret_text, 1, LOG_MAX - 1, f);
        fclose(f);
    }
    ret_text[len] = '\0';
}

static void die(const struct daemon_run *d, const char *why)
{
    static char text[LOG_MAX];

    read_log(d, text);
    fprintf(stderr, "daemon_run: %s\n---- its log ----\n%s\n", why, text);
    abort();
}

static void drop_settings(void)
{
    extern char **environ;

    for (size_t i = 0; environ[i];) {
        char name[100];
        size_t len = strcspn(environ[i], "=");

        if (strncmp(environ[i], "HOLDFAST_", 9) == 0 && len < sizeof(name)) {
            memcpy(name, environ[i], len);
            name[len] = '\0';
            unsetenv(name); /* the list moves up */
        } else {
            i++;
        }
    }
}

static void become(const char *const *argv, const char *admin_token, int log_fd)
{
    char *args[ARGS_MAX];
    size_t count = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    drop_settings();
    if (admin_token)
        setenv("HOLDFAST_ADMIN_TOKEN", admin_token, 1);
    for (; argv[count] && count < ARGS_MAX - 5; count++)
        args[count] = (char *)argv[count];
    args[count++] = (char *)"--port";
    args[count++] = (char *)"0";
    args[count++] = (char *)"--ops-port";
    args[count++] = (char *)"0";
    args[count] = NULL;
    dup2(log_fd, 2);
    execv(args[0], args);
    dprintf(2, "cannot run %s: %s\n", args[0], strerror(errno));
    _exit(127);
}

static bool ended(struct daemon_run *d, int *ret_code)
{
    int wait_status;

    if (waitpid(d->pid, &wait_status, WNOHANG) != d->pid)
        return false;
    d->pid = 0;
    *ret_code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    return true;
}

static int64_t deadline(int timeout_ms)
{
    return clock_mono_ns(&clock_system) + timeout_ms * 1000000LL;
}

static void nap(const struct daemon_run *d, int64_t deadline_ns, const char *what)
{
    if (clock_mono_ns(&clock_system) > deadline_ns)
        die(d, what);
    poll(NULL, 0, 2);
}

static bool read_port(const char *text, const char *key, uint16_t *ret_port)
{
    const char *at = strstr(text, key);

    if (at)
        *ret_port = (uint16_t)strtoul(at + strlen(key), NULL, 10);
    return at != NULL;
}

static bool listening(struct daemon_run *d)
{
    static char text[LOG_MAX];
    const char *line;

    read_log(d, text);
    line = strstr(text, "event=listening");
    return line && strchr(line, '\n') && read_port(line, " port=", &d->port) &&
           read_port(line, " ops_port=", &d->ops_port);
}

void daemon_run_start(struct daemon_run *d, const char *const *argv, const char *admin_token,
                      const char *log_path)
{
    int64_t deadline_ns = deadline(START_MS);
    int code, log_fd;

    snprintf(d->log_path, sizeof(d->log_path), "%s", log_path);
    log_fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        die(d, "its log cannot be opened");
    d->pid = fork();
    if (d->pid == 0)
        become(argv, admin_token, log_fd);
    close(log_fd);
    while (!listening(d)) {
        if (ended(d, &code))
            die(d, "it ended instead of listening");
        nap(d, deadline_ns, "it does not listen");
    }
}

int daemon_run_stop(struct daemon_run *d)
{
    int64_t deadline_ns = deadline(STOP_MS);
    int code;

    kill(d->pid, SIGTERM);
    while (!ended(d, &code))
        nap(d, deadline_ns, "it does not end");
    return code;
}

void daemon_run_kill9(struct daemon_run *d)
{
    kill(d->pid, SIGKILL);
    waitpid(d->pid, NULL, 0);
    d->pid = 0;
}

void daemon_run_await_log(const struct daemon_run *d, const char *text, int timeout_ms)
{
    static char log_text[LOG_MAX];
    int64_t deadline_ns = deadline(timeout_ms);

    for (;;) {
        read_log(d, log_text);
        if (strstr(log_text, text))
            return;
        nap(d, deadline_ns, text);
    }
}
