/* Leaks as failures. Criterion lets a test pass whose process leaks; so a suite ends every test
 * with this check:
 *
 *   TestSuite(buf, .fini = assert_no_leaks);
 *
 * Nothing is checked in a build without AddressSanitizer. */
#ifndef HOLDFAST_TESTS_LEAKS_H
#define HOLDFAST_TESTS_LEAKS_H

/* Prints the leaks and aborts when there are any. */
void assert_no_leaks(void);

#endif
