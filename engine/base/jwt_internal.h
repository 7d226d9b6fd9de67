/* What jwt.c (tokens) and jwt_keys.c (key sets) share. */
#ifndef HOLDFAST_BASE_JWT_INTERNAL_H
#define HOLDFAST_BASE_JWT_INTERNAL_H

#include "engine/base/jwt.h"
#include "engine/base/token.h"

#include <openssl/evp.h>

#define JWT_KEY_SIZE       32
#define JWT_SIGNATURE_SIZE 64
#define JWT_X_SIZE         (BASE64URL_LEN(JWT_KEY_SIZE) + 1) /* text of 32 bytes, with the NUL */

/* Borrowed; NULL: unknown. */
EVP_PKEY *jwt_keys_find(const struct jwt_keys *k, const char *kid);

#endif
