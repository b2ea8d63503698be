// SPDX-License-Identifier: GPL-2.0
#include "output/spans.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define WAYS 4

struct slot {
	struct span_key key;
	struct span span;
	uint32_t room;
};

/* Where keys of some hashes are. */
struct set {
	uint64_t hashes[WAYS]; /* 0: nothing was kept yet */
	uint64_t missed; /* that of what was looked for here last, and was not there */
	uint64_t turn;	 /* of who gives way */
};

struct spans {
	size_t mask; /* sets, less one */
	uint64_t seed;
	struct set *sets;
	struct slot *slots; /* WAYS for each set */
};

int spans__new(struct spans **spansp, size_t num)
{
	struct spans *spans = calloc(1, sizeof(*spans));

	if (!spans)
		return -ENOMEM;
	spans->mask = num / WAYS - 1;
	spans->sets = calloc(num / WAYS, sizeof(*spans->sets));
	spans->slots = calloc(num, sizeof(*spans->slots));
	if (!spans->sets || !spans->slots) {
		spans__free(spans);
		return -ENOMEM;
	}
	spans->seed = hash__random_seed();
	*spansp = spans;
	return 0;
}

void spans__free(struct spans *spans)
{
	if (!spans)
		return;
	for (size_t i = 0; spans->slots && i < (spans->mask + 1) * WAYS; i++)
		free((char *)spans->slots[i].span.text);
	free(spans->slots);
	free(spans->sets);
	free(spans);
}

/* The words at once, not one after the other; never 0. */
static uint64_t hash_key(const struct spans *spans, const struct span_key *key)
{
	const uint64_t *w = key->words;
	uint64_t seed = spans->seed;

	_Static_assert(SPANS_KEY_WORDS == 12, "all of them");
	return (hash__mix(w[0] ^ seed, w[1] ^ 0x9e3779b97f4a7c15ULL) ^
		hash__mix(w[2] ^ 0xd1342543de82ef95ULL, w[3] ^ seed) ^
		hash__mix(w[4] ^ seed, w[5] ^ 0xbf58476d1ce4e5b9ULL) ^
		hash__mix(w[6] ^ 0x94d049bb133111ebULL, w[7] ^ seed) ^
		hash__mix(w[8] ^ seed, w[9] ^ 0xa0761d6478bd642fULL) ^
		hash__mix(w[10] ^ 0xe7037ed1a0b428dbULL, w[11] ^ seed)) | 1;
}

static bool is_key(const struct span_key *a, const struct span_key *b)
{
	uint64_t differ = 0;

	for (size_t i = 0; i < SPANS_KEY_WORDS; i++)
		differ |= a->words[i] ^ b->words[i];
	return !differ;
}

const struct span *spans__find(struct spans *spans, const struct span_key *key, uint64_t *wanted)
{
	uint64_t hash = hash_key(spans, key);
	size_t at = hash >> 32 & spans->mask;
	struct set *set = &spans->sets[at];

	for (size_t i = 0; i < WAYS; i++)
		if (set->hashes[i] == hash && is_key(&spans->slots[at * WAYS + i].key, key))
			return &spans->slots[at * WAYS + i].span;
	*wanted = set->missed == hash ? hash : 0;
	set->missed = hash;
	return NULL;
}

void spans__keep(struct spans *spans, uint64_t wanted, const struct span_key *key,
		 const struct span *span)
{
	size_t at = wanted >> 32 & spans->mask, way = spans->sets[at].turn % WAYS;
	struct slot *slot = &spans->slots[at * WAYS + way];
	char *text = (char *)slot->span.text;

	if (span->len > SPANS_LEN_MAX)
		return;
	if (!text || slot->room < span->len) {
		char *more = realloc(text, span->len ?: 1);

		if (!more)
			return;
		text = more;
		slot->room = span->len;
	}
	memcpy(text, span->text, span->len);
	spans->sets[at].hashes[way] = wanted;
	spans->sets[at].turn++;
	slot->key = *key;
	slot->span = *span;
	slot->span.text = text;
}
