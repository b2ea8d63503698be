/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The patterns that `diagnose` knows, as one table: each rule is a pure function from the
 * evidence to a finding. To add one, write the function, give it a row in rules.c, and two
 * tests: a situation in which it must speak, and a near miss in which it must not.
 */
#ifndef TWSNOOP_RULES_H
#define TWSNOOP_RULES_H

#include <stddef.h>

#include "diagnosis/finding.h"

#define RULES_OF_A_KIND 3 /* findings with the same id */
#define RULES_FINDINGS 80 /* more than all kinds can have */

struct rules_verdict {
	size_t num;	 /* the worst first */
	struct finding findings[RULES_FINDINGS];
	enum severity severity; /* the worst of them */
};

/*
 * rules__apply() - all rules on finished evidence. There is always a finding: if nothing
 * else, that nothing harmful was seen, or that too little was seen. Two of them never
 * contradict each other: what a graver one explains is left out.
 */
void rules__apply(const struct evidence *e, struct rules_verdict *verdict);

/* The ids, for documents and tests; the last is NULL. */
extern const char *const rules__ids[];

#endif
