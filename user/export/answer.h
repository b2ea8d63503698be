/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a store's answer means for a batch: taken, to be sent again, or refused for good. OTLP says
 * which of HTTP's answers are worth another try; ClickHouse's exceptions tell more than HTTP does.
 */
#ifndef TWSNOOP_ANSWER_H
#define TWSNOOP_ANSWER_H

#include <stdint.h>

#include "export/sender.h"

enum answer_kind { ANSWER_TAKEN, ANSWER_RETRY, ANSWER_REFUSED };

struct answer_meaning {
	enum answer_kind kind;
	unsigned int code; /* of ClickHouse's exception, or 0 */
	uint64_t rejected; /* of what was taken: records that the store did not want */
	char why[320];	   /* if anything is not as it should be: for the user, escaped; else "" */
};

/* Each fills @meaning, whatever the answer is; of no answer as well. */
void answer__of_otlp(const struct sender_answer *answer, struct answer_meaning *meaning);
void answer__of_clickhouse(const struct sender_answer *answer, struct answer_meaning *meaning);

#endif
