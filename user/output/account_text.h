/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listing's account in words: why owners are not known, and what to do about it.
 */
#ifndef TWSNOOP_ACCOUNT_TEXT_H
#define TWSNOOP_ACCOUNT_TEXT_H

#include <stdio.h>

#include "inventory/list_account.h"

/* account_text__write() - the sentences, each a line, and last the line of numbers.
 * @ledger_flags: LEDGER_*; of what may not be read it says nothing. Moments are in local
 * time. */
void account_text__write(const struct list_account *account, unsigned int ledger_flags,
			 FILE *to);

#endif
