// SPDX-License-Identifier: GPL-2.0
/* SHA-256 by the examples of FIPS 180-4, and at the edges of blocks. */
#include "tests/unit/unit.h"

#include <string.h>

#include "base/sha256.h"

static void is(const char *data, size_t len, const char *base64)
{
	uint8_t digest[SHA256_BYTES];
	char text[SHA256_BASE64_LEN + 1];

	sha256__of(data, len, digest);
	sha256__base64(digest, text);
	assert_string_equal(text, base64);
}

static void test_examples(void **state)
{
	static char many[1000000];

	(void)state;
	is("", 0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
	is("abc", 3, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
	is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
	   "JI1qYdIGOLjlwCaTDD5gOaM85Flk/yFn9uzt1BnbBsE=");
	memset(many, 'a', sizeof(many));
	is(many, sizeof(many), "zcduXJkU+5KBocfihNc+Z/GAmkiklyAOBG05zMcRLNA=");
	is(many, 55, "n0OQ+NMMLdkuyfCVtl4rmumwqSWlJY4kHJ8ekQ9zQxg=");
	is(many, 64, "/+BU/nrgy23GXDr5th1SCfQ5hR20PQulmXM33xVGaOs=");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_examples) };

	return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
