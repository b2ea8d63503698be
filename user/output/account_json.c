// SPDX-License-Identifier: GPL-2.0
#include "output/account_json.h"

#include "base/json.h"

void account_json__members(struct outbuf *ob, const struct feed_account *account)
{
	json__u64(ob, "delivered", account->delivered);
	json__u64(ob, "lost", account->lost);
	json__u64(ob, "map_full", account->map_full);
	json__u64(ob, "recursion", account->recursion);
	json__u64(ob, "snapshot", account->snapshot);
	json__u64(ob, "unattributed", account->unattributed);
}

void account_json__write(struct outbuf *ob, const struct feed_account *account)
{
	json__open(ob, "account", '{');
	account_json__members(ob, account);
	json__close(ob, '}');
}
