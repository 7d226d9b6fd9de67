#include "engine/base/encode.h"

static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char alphabet_std[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a character plus one; 0: not in the alphabet. */
#define VALUES_COMMON                                                                              \
    ['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, \
    25, 26, ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45,    \
    46, 47, 48, 49, 50, 51, 52, ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62
static const uint8_t values_url[256] = {VALUES_COMMON, ['-'] = 63, ['_'] = 64};
static const uint8_t values_std[256] = {VALUES_COMMON, ['+'] = 63, ['/'] = 64};

static size_t encode64(const char *alphabet, const uint8_t *in, size_t len, char *out)
{
    char *to = out;
    size_t i;

    for (i = 0; i + 3 <= len; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];

        *to++ = alphabet[v >> 18];
        *to++ = alphabet[v >> 12 & 63];
        *to++ = alphabet[v >> 6 & 63];
        *to++ = alphabet[v & 63];
    }
    if (i < len) {
        uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0);

        *to++ = alphabet[v >> 18];
        *to++ = alphabet[v >> 12 & 63];
        if (i + 1 < len)
            *to++ = alphabet[v >> 6 & 63];
    }
    return (size_t)(to - out);
}

/* Unpadded. A single last character, or bits after the last byte, would give two texts for the same
 * bytes: refused. */
static long decode64(const uint8_t values[256], struct slice text, uint8_t *out, size_t size)
{
    size_t bytes = text.len / 4 * 3 + (text.len % 4 ? text.len % 4 - 1 : 0), done = 0;
    uint32_t bits = 0, count = 0;

    if (text.len % 4 == 1 || bytes > size)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t value = values[(uint8_t)text.at[i]];

        if (value == 0)
            return -1;
        bits = bits << 6 | (value - 1u);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[done++] = (uint8_t)(bits >> count);
            bits &= (1u << count) - 1;
        }
    }
    return bits ? -1 : (long)done;
}

size_t base64url_encode(const void *bytes, size_t len, char *ret_text)
{
    return encode64(alphabet_url, bytes, len, ret_text);
}

long base64url_decode(struct slice text, void *ret_bytes, size_t size)
{
    return decode64(values_url, text, ret_bytes, size);
}

void base64_append(struct buf *b, const void *bytes, size_t len)
{
    size_t chars = (len + 2) / 3 * 4, written;
    char *to = buf_reserve(b, chars);

    if (!to)
        return;
    written = encode64(alphabet_std, bytes, len, to);
    memset(to + written, '=', chars - written);
    buf_commit(b, chars);
}

long base64_decode(struct slice text, void *ret_bytes, size_t size)
{
    if (text.len % 4 != 0)
        return -1;
    for (int i = 0; i < 2 && text.len > 0 && text.at[text.len - 1] == '='; i++)
        text.len--;
    return decode64(values_std, text, ret_bytes, size);
}

void hex_encode(const void *bytes, size_t len, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = bytes;

    for (size_t i = 0; i < len; i++) {
        ret_text[2 * i] = digits[at[i] >> 4];
        ret_text[2 * i + 1] = digits[at[i] & 15];
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

long hex_decode(struct slice text, void *ret_bytes, size_t size)
{
    uint8_t *to = ret_bytes;

    if (text.len % 2 != 0 || text.len / 2 > size)
        return -1;
    for (size_t i = 0; i < text.len / 2; i++) {
        int high = hex_value(text.at[2 * i]), low = hex_value(text.at[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return (long)(text.len / 2);
}
