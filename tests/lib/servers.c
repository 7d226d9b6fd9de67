#include "tests/lib/servers_kind.h"

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "tests/lib/port.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_ATTEMPTS 5 /* a free port may be taken before the server binds it */
#define STOP_MS        20000

/* ---- failing ---- */

static void log_path(const struct server *s, char ret_path[SERVER_PATH_MAX])
{
    snprintf(ret_path, SERVER_PATH_MAX, "%s/log", s->dir.path);
}

static void print_log(const struct server *s)
{
    char path[SERVER_PATH_MAX], text[4097];
    FILE *f;
    size_t len;

    log_path(s, path);
    f = fopen(path, "re");
    if (!f)
        return;
    if (fseek(f, -4096, SEEK_END) != 0)
        rewind(f);
    len = fread(text, 1, sizeof(text) - 1, f);
    fprintf(stderr, "---- the end of its log ----\n%.*s\n", (int)len, text);
    fclose(f);
}

void server_die(const struct server *s, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "servers: %s: ", s ? s->kind->name : "test");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (s)
        print_log(s);
    abort();
}

/* ---- processes ---- */

static const struct passwd *user_of(const struct server *s)
{
    const struct passwd *user;

    if (!s->kind->user || geteuid() != 0)
        return NULL;
    user = getpwnam(s->kind->user);
    if (!user)
        server_die(s, "there is no user %s to run it as", s->kind->user);
    return user;
}

void server_own(const struct server *s, const char *path)
{
    const struct passwd *user = user_of(s);

    if (user && chown(path, user->pw_uid, user->pw_gid) != 0)
        server_die(s, "chown %s: %s", path, strerror(errno));
}

/* In the child: output into the log, its own process group (a Ctrl-C is the test's), the user, and
 * death with the parent. The last comes after the user: a change of user clears it. */
static void become(const struct server *s, const struct passwd *user, pid_t parent)
{
    char path[SERVER_PATH_MAX];
    int log, null = open("/dev/null", O_RDWR | O_CLOEXEC);

    log_path(s, path);
    log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0 || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 ||
        setpgid(0, 0) != 0)
        _exit(126);
    if (user && (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(126);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(126);
    if (chdir(s->dir.path) != 0)
        _exit(126);
}

void server_run(const struct server *s, char *const argv[])
{
    const struct passwd *user = user_of(s);
    pid_t parent = getpid(), pid = fork();
    int status = 0;

    if (pid == 0) {
        become(s, user, parent);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0)
        server_die(s, "%s failed", argv[0]);
}

static void spawn(struct server *s)
{
    const struct passwd *user = user_of(s);
    pid_t parent = getpid();

    s->pid = fork();
    if (s->pid < 0)
        server_die(s, "fork: %s", strerror(errno));
    if (s->pid == 0) {
        become(s, user, parent);
        s->kind->exec(s);
        perror("exec");
        _exit(127);
    }
    setpgid(s->pid, s->pid); /* in both, so that neither has to wait for the other */
}

static bool is_gone(struct server *s)
{
    if (waitpid(s->pid, NULL, WNOHANG) != s->pid)
        return false;
    s->pid = 0;
    return true;
}

/* False when it died. */
static bool wait_ready(struct server *s)
{
    int64_t end_ns = clock_mono_ns(&clock_system) + s->kind->ready_ms * INT64_C(1000000);

    while (!s->kind->ready(s)) {
        if (is_gone(s))
            return false;
        if (clock_mono_ns(&clock_system) > end_ns)
            server_die(s, "not ready after %d ms", s->kind->ready_ms);
        poll(NULL, 0, 10);
    }
    return !is_gone(s); /* another's server may have answered on the port */
}

/* ---- the janitor: waits for the end of its input, which is the end of the test however it ends,
 * then kills what works in the directory (PostgreSQL's backends, perhaps stopped, outlive it
 * otherwise) and removes it, with PostgreSQL's shared memory (the kernel has 4,096 for all) ---- */

static const char janitor_script[] =
    "cat >/dev/null\n"
    "for p in /proc/[0-9]*; do\n"
    "    case $(readlink \"$p/cwd\") in \"$1\" | \"$1\"/*) kill -9 \"${p#/proc/}\" ;; esac\n"
    "done 2>/dev/null\n"
    "set -- \"$1\" $(sed -n 7p \"$1/data/postmaster.pid\" 2>/dev/null)\n"
    "[ -z \"$3\" ] || ipcrm -m \"$3\" 2>/dev/null\n"
    "rm -rf \"$1\" 2>/dev/null || rm -rf \"$1\"\n";

static void janitor_start(struct server *s)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        server_die(s, "pipe: %s", strerror(errno));
    s->janitor = fork();
    if (s->janitor < 0)
        server_die(s, "fork: %s", strerror(errno));
    if (s->janitor == 0) {
        if (setsid() < 0 || dup2(ends[0], 0) < 0 || chdir("/") != 0)
            _exit(126);
        execl("/bin/sh", "sh", "-c", janitor_script, "janitor", s->dir.path, (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
    s->janitor_pipe = ends[1];
}

static void janitor_dismiss(struct server *s)
{
    kill(-s->janitor, SIGKILL); /* with its cat; the group is there once exec has run */
    kill(s->janitor, SIGKILL);
    waitpid(s->janitor, NULL, 0);
    close(s->janitor_pipe);
}

struct server *server_new(const struct server_kind *kind, bool durable)
{
    struct server *s = mem_alloc(sizeof(*s));

    s->kind = kind;
    s->durable = durable;
    s->dir = temp_dir_new();
    server_own(s, s->dir.path);
    janitor_start(s);
    for (int i = 0; i < START_ATTEMPTS; i++) {
        s->port = port_free();
        kind->prepare(s);
        spawn(s);
        if (wait_ready(s))
            return s;
    }
    server_die(s, "it does not start");
}

/* ---- a server and its children: the backends of PostgreSQL leave its process group, so they are
 * looked up ---- */

#define CHILDREN_MAX 256

static size_t children_of(pid_t pid, pid_t ret_children[CHILDREN_MAX])
{
    char path[64];
    size_t count = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    f = fopen(path, "re");
    while (f && count < CHILDREN_MAX && fscanf(f, "%d", &ret_children[count]) == 1)
        count++;
    if (f)
        fclose(f);
    return count;
}

static void signal_all(const struct server *s, int signal)
{
    pid_t children[CHILDREN_MAX];

    kill(s->pid, signal); /* first, so that it makes no more of them */
    for (size_t i = 0, n = children_of(s->pid, children); i < n; i++)
        kill(children[i], signal);
}

/* A zombie that nobody collects is gone too. */
static bool is_running(pid_t pid)
{
    char path[64], state = 'Z';
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return false;
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(f);
    return state != 'Z' && state != 'X';
}

/* Stopped first: a list of children that can grow no more. */
void server_kill9(struct server *s)
{
    pid_t children[CHILDREN_MAX];
    size_t count;

    if (!s->pid)
        return;
    kill(s->pid, SIGSTOP);
    count = children_of(s->pid, children);
    kill(s->pid, SIGKILL);
    for (size_t i = 0; i < count; i++)
        kill(children[i], SIGKILL);
    waitpid(s->pid, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        while (is_running(children[i]))
            poll(NULL, 0, 1);
    }
    s->pid = 0;
}

static void stop_in_order(struct server *s)
{
    int64_t end_ns = clock_mono_ns(&clock_system) + STOP_MS * INT64_C(1000000);

    kill(s->pid, s->kind->stop_signal);
    while (!is_gone(s)) {
        if (clock_mono_ns(&clock_system) > end_ns)
            server_die(s, "it does not stop");
        poll(NULL, 0, 5);
    }
}

void server_restart(struct server *s)
{
    if (s->pid)
        stop_in_order(s);
    s->kind->prepare(s);
    spawn(s);
    if (!wait_ready(s))
        server_die(s, "it does not start again");
}

void server_pause(struct server *s)
{
    signal_all(s, SIGSTOP);
}

void server_resume(struct server *s)
{
    signal_all(s, SIGCONT);
}

void server_stop(struct server *s)
{
    if (!s)
        return;
    janitor_dismiss(s);
    server_kill9(s);
    if (s->kind->forget)
        s->kind->forget(s);
    temp_dir_free(&s->dir);
    mem_free(s);
}
