/* Base64url (RFC 4648 section 5, no padding), base64, hex, and little/big-endian integers. */
#ifndef HOLDFAST_BASE_ENCODE_H
#define HOLDFAST_BASE_ENCODE_H

#include "engine/base/buf.h"

#define BASE64URL_LEN(bytes) (((bytes)*4 + 2) / 3)

/* Writes BASE64URL_LEN(len) characters, no NUL; returns how many. */
size_t base64url_encode(const void *bytes, size_t len, char *ret_text);
/* Strict: only the alphabet, no padding, zero trailing bits. Returns the number of bytes, or -1
 * when malformed or larger than size. */
long base64url_decode(struct slice text, void *ret_bytes, size_t size);
void base64_append(struct buf *b, const void *bytes, size_t len); /* RFC 4648 section 4, padded */
long base64_decode(struct slice text, void *ret_bytes,
                   size_t size); /* as base64url_decode, padded */
void hex_encode(const void *bytes, size_t len,
                char *ret_text); /* 2*len characters, no NUL, lower case */
long hex_decode(struct slice text, void *ret_bytes, size_t size); /* bytes, or -1 */

static inline void put_le16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
}

static inline void put_le32(uint8_t *at, uint32_t v)
{
    put_le16(at, (uint16_t)v);
    put_le16(at + 2, (uint16_t)(v >> 16));
}

static inline void put_le64(uint8_t *at, uint64_t v)
{
    put_le32(at, (uint32_t)v);
    put_le32(at + 4, (uint32_t)(v >> 32));
}

static inline uint16_t get_le16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t get_le32(const uint8_t *at)
{
    return (uint32_t)get_le16(at) | (uint32_t)get_le16(at + 2) << 16;
}

static inline uint64_t get_le64(const uint8_t *at)
{
    return (uint64_t)get_le32(at) | (uint64_t)get_le32(at + 4) << 32;
}

#endif
