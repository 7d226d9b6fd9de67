/* Runs the inputs of a fuzz target once: each argument is a file or a directory of files. For
 * compilers without libFuzzer, and for every test run. The input stands against the end of a page.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/lib/guard.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX (1024 * 1024)

static int inputs;

static void run(const char *path)
{
    static char bytes[INPUT_MAX];
    FILE *f = fopen(path, "re");
    struct guard g;
    size_t len;

    if (!f) {
        perror(path);
        exit(2);
    }
    len = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    g = guard_new(bytes, len);
    LLVMFuzzerTestOneInput((const uint8_t *)g.bytes.at, len);
    guard_free(&g);
    inputs++;
}

static int visit(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)walk;
    if (kind == FTW_F)
        run(path);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (nftw(argv[i], visit, 16, FTW_PHYS) != 0) {
            perror(argv[i]);
            return 2;
        }
    }
    printf("%d inputs\n", inputs);
    return inputs > 0 ? 0 : 2;
}
