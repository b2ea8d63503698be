/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SHA-256 (FIPS 180-4), for hashes that others compute too: of small things, not for speed.
 */
#ifndef TWSNOOP_SHA256_H
#define TWSNOOP_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_BASE64_LEN 44 /* without a NUL */

void sha256__of(const void *data, size_t len, uint8_t digest[SHA256_BYTES]);

/* sha256__base64() - the digest as base64 (RFC 4648) with its padding, and a NUL. */
void sha256__base64(const uint8_t digest[SHA256_BYTES], char text[SHA256_BASE64_LEN + 1]);

#endif
