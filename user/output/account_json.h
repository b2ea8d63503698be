/* SPDX-License-Identifier: GPL-2.0 */
/* What became of all that was to be told, as a member of JSON: docs/formats.md says what each number means. */
#ifndef TWSNOOP_ACCOUNT_JSON_H
#define TWSNOOP_ACCOUNT_JSON_H

#include "base/outbuf.h"
#include "model/feed.h"

/* account_json__members() - appends what every account has, into the object that is open. */
void account_json__members(struct outbuf *ob, const struct feed_account *account);

/* account_json__write() - appends "account", a member of the object that is open. */
void account_json__write(struct outbuf *ob, const struct feed_account *account);

#endif
