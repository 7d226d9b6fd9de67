#include "tests/lib/leaks.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_LSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_LSAN 1
#endif
#endif

#ifdef HAVE_LSAN

#include <sanitizer/lsan_interface.h>
#include <stdlib.h>

void assert_no_leaks(void)
{
    if (__lsan_do_recoverable_leak_check() != 0)
        abort();
}

#else

void assert_no_leaks(void)
{
}

#endif
