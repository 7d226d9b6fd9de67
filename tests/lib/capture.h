/* What is written to a file descriptor meanwhile: stdout, stderr. */
#ifndef HOLDFAST_TESTS_CAPTURE_H
#define HOLDFAST_TESTS_CAPTURE_H

struct capture {
    int fd;           /* private */
    int saved, store; /* private */
    char text[65536]; /* set by capture_end; ends with NUL, cut when it was more */
};

/* Both abort when the kernel refuses. stdio is flushed. */
void capture_start(struct capture *c, int fd);
const char *capture_end(struct capture *c); /* c->text; the descriptor is what it was before */

#endif
