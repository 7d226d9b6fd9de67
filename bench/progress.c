#include "bench/progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static bool muted, shown;
static int64_t last_ns;

void progress_say(int64_t now_ns, const char *format, ...)
{
    bool terminal = isatty(STDOUT_FILENO);
    va_list args;

    if (muted || (!terminal && last_ns && now_ns - last_ns < INT64_C(5000000000)))
        return;
    last_ns = now_ns;
    va_start(args, format);
    if (terminal)
        fputs("\r\033[K", stdout);
    vprintf(format, args);
    if (!terminal)
        putchar('\n');
    va_end(args);
    fflush(stdout);
    shown = terminal;
}

void progress_end(void)
{
    if (shown)
        putchar('\n');
    shown = false;
    fflush(stdout);
}

void progress_mute(void)
{
    muted = true;
}
