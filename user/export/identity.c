// SPDX-License-Identifier: GPL-2.0
#include "export/identity.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/fmt.h"
#include "base/hash.h"
#include "base/sha256.h"

static int digit_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int identity__parse_boot(const char *text, uint8_t boot[IDENTITY_BOOT_BYTES])
{
	uint8_t bytes[IDENTITY_BOOT_BYTES] = { 0 };
	unsigned int num = 0;

	for (; *text && *text != '\n'; text++) {
		int digit = digit_of(*text);

		if (*text == '-')
			continue;
		if (digit < 0 || num == 2 * IDENTITY_BOOT_BYTES)
			return -EINVAL;
		bytes[num / 2] = (uint8_t)(bytes[num / 2] << 4 | digit);
		num++;
	}
	if (num != 2 * IDENTITY_BOOT_BYTES)
		return -EINVAL;
	memcpy(boot, bytes, sizeof(bytes));
	return 0;
}

/* Of one connection end. Without padding: all bytes count. */
struct life {
	uint64_t cookie, time_ns;
	uint32_t netns;
	uint16_t local_port, peer_port;
	uint8_t local_addr[16], peer_addr[16];
	uint8_t action, end, family, zero[5];
};

static struct life life_of(const struct tws_event *ev)
{
	struct life life = {
		.cookie = ev->cookie,
		.netns = ev->netns,
		.local_port = ev->local_port,
		.peer_port = ev->peer_port,
		.action = ev->action,
		.family = ev->family,
	};

	memcpy(life.local_addr, ev->local_addr, sizeof(life.local_addr));
	memcpy(life.peer_addr, ev->peer_addr, sizeof(life.peer_addr));
	return life;
}

void identity__uid(const uint8_t boot[IDENTITY_BOOT_BYTES], const struct tws_event *ev,
		   char uid[IDENTITY_UID_LEN])
{
	struct {
		uint8_t boot[IDENTITY_BOOT_BYTES];
		struct life life;
	} all = { .life = life_of(ev) };
	uint8_t digest[SHA256_BYTES];

	all.life.time_ns = ev->time_ns;
	all.life.end = ev->end;
	memcpy(all.boot, boot, sizeof(all.boot));
	sha256__of(&all, sizeof(all), digest);
	fmt__hex(uid, digest, IDENTITY_UID_LEN / 2);
}

/*
 * A socket ends a connection once: its cookie, its addresses and the action say it all. A snapshot
 * reckons other times than the rings tell, and programs of one's own other ones than a recorder's.
 * One that fails to connect may try again, so that there the time counts; and where the kernel
 * gives no cookies, or not to the event, addresses alone would not do.
 */
static bool has_time(const struct tws_event *ev)
{
	if (ev->conn.flags & TWS_F_SNAPSHOT || ev->action == TWS_TIME_WAIT_END)
		return false;
	return !ev->cookie || ev->action == TWS_CONNECT_FAILED || ev->action == TWS_BIND_FAILED;
}

uint64_t identity__key(uint64_t seed, const struct tws_event *ev)
{
	struct life life = life_of(ev);

	if (has_time(ev))
		life.time_ns = ev->time_ns;
	return hash__bytes(seed, &life, sizeof(life));
}
