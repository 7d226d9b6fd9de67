#include "paysim/charge.h"
#include "tests/lib/leaks.h"
#include "tests/lib/temp.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

TestSuite(charge, .timeout = 10, .fini = assert_no_leaks);

static struct charge_book book;
static struct temp_dir dir;
static char path[200], why[300];

static void setup(void)
{
    dir = temp_dir_new();
    snprintf(path, sizeof(path), "%s/journal", dir.path);
    cr_assert_eq(charge_book_open(&book, path, why, sizeof(why)), STATUS_OK, "%s", why);
}

static void reopen(void)
{
    charge_book_close(&book);
    cr_assert_eq(charge_book_open(&book, path, why, sizeof(why)), STATUS_OK, "%s", why);
}

static void teardown(void)
{
    charge_book_close(&book);
    temp_dir_free(&dir);
}

static struct charge *create(const char *reference, int64_t amount, enum charge_state first,
                             enum charge_outcome expected)
{
    struct charge *c;

    cr_assert_eq(charge_create(&book, slice_str(reference), slice_str("tok_visa"), amount,
                               slice_str("EUR"), first, &c),
                 expected);
    return c;
}

Test(charge, is_made_once_a_reference)
{
    struct charge *c;

    setup();
    c = create("a", 100, CHARGE_AUTHORIZED, CHARGE_OK);
    cr_assert_eq(create("a", 100, CHARGE_AUTHORIZED, CHARGE_OK), c);
    create("a", 101, CHARGE_AUTHORIZED, CHARGE_KEY_MISMATCH);
    cr_assert_eq(book.count, 1);
    teardown();
}

Test(charge, one_that_is_not_to_be_confirmed_keeps_its_reference_from_any_other)
{
    struct charge *c;

    setup();
    c = create("a", 100, CHARGE_VOIDED, CHARGE_OK);
    cr_assert_eq(create("a", 100, CHARGE_AUTHORIZED, CHARGE_OK), c);
    cr_assert(c->state == CHARGE_VOIDED && charge_capture(&book, c) == CHARGE_CONFLICT);
    c = create("b", 100, CHARGE_AUTHORIZED, CHARGE_OK);
    cr_assert(create("b", 100, CHARGE_VOIDED, CHARGE_OK) == c && c->state == CHARGE_AUTHORIZED);
    reopen();
    cr_assert_eq(create("a", 100, CHARGE_AUTHORIZED, CHARGE_OK)->state, CHARGE_VOIDED);
    teardown();
}

Test(charge, captures_once_and_only_what_is_authorised)
{
    struct charge *c;

    setup();
    c = create("a", 100, CHARGE_PENDING, CHARGE_OK);
    cr_assert_eq(charge_capture(&book, c), CHARGE_CONFLICT);
    cr_assert_eq(charge_authorize(&book, c), CHARGE_OK);
    cr_assert_eq(charge_capture(&book, c), CHARGE_OK);
    cr_assert_eq(charge_capture(&book, c), CHARGE_OK);
    cr_assert(c->captured == 100 && charge_void(&book, c) == CHARGE_CONFLICT);
    c = create("b", 100, CHARGE_AUTHORIZED, CHARGE_OK);
    cr_assert_eq(charge_void(&book, c), CHARGE_OK);
    cr_assert_eq(charge_capture(&book, c), CHARGE_CONFLICT);
    teardown();
}

Test(charge, refunds_once_a_key_and_never_more_than_was_captured)
{
    struct charge *c;

    setup();
    c = create("a", 100, CHARGE_AUTHORIZED, CHARGE_OK);
    cr_assert_eq(charge_refund(&book, c, slice_str("k1"), 60), CHARGE_CONFLICT);
    cr_assert_eq(charge_capture(&book, c), CHARGE_OK);
    cr_assert_eq(charge_refund(&book, c, slice_str("k1"), 60), CHARGE_OK);
    cr_assert_eq(charge_refund(&book, c, slice_str("k1"), 60), CHARGE_OK);
    cr_assert_eq(charge_refund(&book, c, slice_str("k1"), 61), CHARGE_KEY_MISMATCH);
    cr_assert_eq(charge_refund(&book, c, slice_str("k2"), 41), CHARGE_CONFLICT);
    cr_assert_eq(c->refunded, 60);
    teardown();
}

Test(charge, the_journal_brings_everything_back_and_cuts_a_torn_line)
{
    struct charge *c;
    int fd;

    setup();
    c = create("a", 100, CHARGE_AUTHORIZED, CHARGE_OK);
    charge_capture(&book, c);
    charge_refund(&book, c, slice_str("k1"), 60);
    create("b", 50, CHARGE_DECLINED, CHARGE_OK);
    reopen();
    fd = open(path, O_WRONLY | O_APPEND);
    cr_assert_eq(write(fd, "{\"id\":\"ch_3\",\"refer", 19), 19); /* killed in mid-write */
    close(fd);
    reopen();
    cr_assert_eq(book.count, 2);
    c = charge_by_reference(&book, slice_str("a"));
    cr_assert(c->state == CHARGE_CAPTURED && c->captured == 100 && c->refunded == 60 &&
              charge_by_id(&book, slice_str("ch_1")) == c);
    cr_assert_eq(charge_refund(&book, c, slice_str("k1"), 60), CHARGE_OK);
    cr_assert_eq(c->refunded, 60);
    create("c", 10, CHARGE_AUTHORIZED, CHARGE_OK);
    reopen();
    cr_assert_eq(book.count, 3);
    teardown();
}

Test(charge, a_journal_that_is_none_is_refused)
{
    int fd;

    setup();
    charge_book_close(&book);
    fd = open(path, O_WRONLY | O_APPEND);
    cr_assert_eq(write(fd, "hello\n", 6), 6);
    close(fd);
    cr_assert_eq(charge_book_open(&book, path, why, sizeof(why)), STATUS_MALFORMED);
    teardown();
}
