/* The progress line: rewritten in place on a terminal, a line every five seconds elsewhere. */
#ifndef HOLDFAST_BENCH_PROGRESS_H
#define HOLDFAST_BENCH_PROGRESS_H

#include <stdint.h>

/* Says where the run is; called a few times a second with the whole text. */
void progress_say(int64_t now_ns, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the line, so that something else can be printed. */
void progress_end(void);
void progress_mute(void);

#endif
