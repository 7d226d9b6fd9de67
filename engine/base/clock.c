#include "engine/base/clock.h"

#include <time.h>

static int64_t system_wall_ms(const struct clock *clock)
{
    struct timespec t;

    (void)clock;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t system_mono_ns(const struct clock *clock)
{
    struct timespec t;

    (void)clock;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

const struct clock clock_system = {.wall_ms = system_wall_ms, .mono_ns = system_mono_ns};

#define DAY_MS 86400000LL
/* 0000-01-01 and 10000-01-01 as days since 1970-01-01: what four digits of a year can say. */
#define FIRST_DAY (-719528LL)
#define END_DAY   2932897LL

struct date {
    int64_t year;
    unsigned month, day; /* from 1 */
};

/* Both after Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in March,
 * so that the leap day is last; an era is 400 years or 146,097 days. */
static int64_t days_from_date(struct date d)
{
    int64_t year = d.year - (d.month <= 2), era = (year >= 0 ? year : year - 399) / 400;
    unsigned year_of_era = (unsigned)(year - era * 400);
    unsigned day_of_year = (153 * (d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + d.day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + (int64_t)day_of_era - 719468;
}

static struct date date_from_days(int64_t days)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned day_of_era = (unsigned)(z - era * 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned march_month = (5 * day_of_year + 2) / 153;
    unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;

    return (struct date){.year = (int64_t)year_of_era + era * 400 + (month <= 2),
                         .month = month,
                         .day = day_of_year - (153 * march_month + 2) / 5 + 1};
}

static unsigned days_in_month(int64_t year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

static char *write_number(char *at, uint64_t value, unsigned digits, char after)
{
    for (unsigned i = digits; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    at[digits] = after;
    return at + digits + 1;
}

void clock_format(int64_t wall_ms, char ret_text[CLOCK_TEXT_SIZE])
{
    int64_t day, ms;
    struct date date;
    char *at = ret_text;

    if (wall_ms < FIRST_DAY * DAY_MS)
        wall_ms = FIRST_DAY * DAY_MS;
    if (wall_ms >= END_DAY * DAY_MS)
        wall_ms = END_DAY * DAY_MS - 1;
    day = (wall_ms - FIRST_DAY * DAY_MS) / DAY_MS + FIRST_DAY;
    ms = wall_ms - day * DAY_MS;
    date = date_from_days(day);
    at = write_number(at, (uint64_t)date.year, 4, '-');
    at = write_number(at, date.month, 2, '-');
    at = write_number(at, date.day, 2, 'T');
    at = write_number(at, (uint64_t)ms / 3600000, 2, ':');
    at = write_number(at, (uint64_t)ms / 60000 % 60, 2, ':');
    at = write_number(at, (uint64_t)ms / 1000 % 60, 2, '.');
    at = write_number(at, (uint64_t)ms % 1000, 3, 'Z');
    *at = '\0';
}

/* Takes `digits` digits off the front of *s. */
static bool take_number(struct slice *s, size_t digits, unsigned *ret_value)
{
    uint64_t value;

    if (s->len < digits || !slice_to_u64(slice_of(s->at, digits), &value))
        return false;
    s->at += digits;
    s->len -= digits;
    *ret_value = (unsigned)value;
    return true;
}

static bool take_char(struct slice *s, char c)
{
    if (s->len == 0 || s->at[0] != c)
        return false;
    s->at++;
    s->len--;
    return true;
}

static bool take_date(struct slice *s, int64_t *ret_days)
{
    unsigned year, month, day;

    if (!take_number(s, 4, &year) || !take_char(s, '-') || !take_number(s, 2, &month) ||
        !take_char(s, '-') || !take_number(s, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *ret_days = days_from_date((struct date){.year = year, .month = month, .day = day});
    return true;
}

/* Digits beyond the third are dropped. */
static bool take_fraction(struct slice *s, unsigned *ret_ms)
{
    unsigned digit, digits = 0;

    *ret_ms = 0;
    if (!take_char(s, '.'))
        return true;
    while (take_number(s, 1, &digit)) {
        if (digits < 3)
            *ret_ms = *ret_ms * 10 + digit;
        digits++;
    }
    for (unsigned i = digits; i < 3; i++)
        *ret_ms *= 10;
    return digits > 0;
}

/* A leap second (60) is read as the first instant of the next minute. */
static bool take_time(struct slice *s, int64_t *ret_ms)
{
    unsigned hour, minute, second, ms;

    if (!take_number(s, 2, &hour) || !take_char(s, ':') || !take_number(s, 2, &minute) ||
        !take_char(s, ':') || !take_number(s, 2, &second) || !take_fraction(s, &ms))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    *ret_ms = ((hour * 60LL + minute) * 60 + second) * 1000 + (second < 60 ? ms : 0);
    return true;
}

static bool take_offset(struct slice *s, int64_t *ret_ms)
{
    unsigned hour, minute;
    bool west;

    *ret_ms = 0;
    if (take_char(s, 'Z') || take_char(s, 'z'))
        return true;
    west = take_char(s, '-');
    if (!west && !take_char(s, '+'))
        return false;
    if (!take_number(s, 2, &hour) || !take_char(s, ':') || !take_number(s, 2, &minute) ||
        hour > 23 || minute > 59)
        return false;
    *ret_ms = (hour * 60LL + minute) * 60000 * (west ? -1 : 1);
    return true;
}

bool clock_parse(struct slice text, int64_t *ret_wall_ms)
{
    int64_t days, ms, offset_ms;

    if (!take_date(&text, &days) || !(take_char(&text, 'T') || take_char(&text, 't')) ||
        !take_time(&text, &ms) || !take_offset(&text, &offset_ms) || text.len > 0)
        return false;
    *ret_wall_ms = days * DAY_MS + ms - offset_ms;
    return true;
}
