// SPDX-License-Identifier: GPL-2.0
#include "model/decode.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_ERRNO 4095 /* include/linux/err.h */

static bool conn_is_sound(const struct tws_conn *c)
{
	if (c->side >= TWS_SIDE_END || c->cause >= TWS_CAUSE_END)
		return false;
	if (c->comm[TWS_COMM_LEN - 1] || c->thread_comm[TWS_COMM_LEN - 1] ||
	    c->opener_comm[TWS_COMM_LEN - 1])
		return false;
	if ((c->flags & TWS_F_CLOSER) && (!c->tgid || !c->tid))
		return false;
	return !(c->flags & TWS_F_OPENER) || c->opener_tgid;
}

/* The actions that need no more than an id. */
static bool is_short(uint8_t action)
{
	return action == TWS_ENTERED || action == TWS_GONE || action == TWS_BYTES;
}

void decode__forget_opening(struct tws_event *ev)
{
	struct tws_conn *conn = &ev->conn;

	conn->open_ns = 0;
	conn->side = TWS_SIDE_UNKNOWN;
	conn->flags &= ~TWS_F_OPENER;
	conn->opener_tgid = 0;
	memset(conn->opener_comm, 0, sizeof(conn->opener_comm));
	if (ev->action == TWS_FIN) /* a SYN more, or less */
		conn->flags |= TWS_F_NO_BYTES;
}

int decode__event(const void *data, size_t len, const struct tws_event **ev)
{
	const struct tws_event *e = data;

	if (len != sizeof(*e) || (uintptr_t)data % _Alignof(struct tws_event))
		return -EBADMSG;
	if (e->action == 0 || e->action >= TWS_ACTION_END || is_short(e->action))
		return -EBADMSG;
	if (e->family != AF_INET && e->family != AF_INET6)
		return -EBADMSG;
	if (e->end >= TWS_END_END || (e->end && e->action != TWS_TIME_WAIT_END))
		return -EBADMSG;
	if (e->pad || e->error > MAX_ERRNO || !conn_is_sound(&e->conn))
		return -EBADMSG;
	*ev = e;
	return 0;
}

int decode__ending(const void *data, size_t len, const struct tws_ending **ending)
{
	const struct tws_ending *e = data;

	if (len != sizeof(*e) || (uintptr_t)data % _Alignof(struct tws_ending))
		return -EBADMSG;
	if (!e->id || e->error > MAX_ERRNO)
		return -EBADMSG;
	if (!is_short(e->action) && (e->action == 0 || e->action >= TWS_LISTEN ||
				     e->action == TWS_TIME_WAIT_END ||
				     e->action == TWS_BIND_FAILED))
		return -EBADMSG;
	*ending = e;
	return 0;
}

int decode__cgroup(const void *data, size_t len, const struct tws_cgroup **cgroup)
{
	const struct tws_cgroup *c = data;
	unsigned int pad = 0;

	if (len != sizeof(*c) || (uintptr_t)data % _Alignof(struct tws_cgroup))
		return -EBADMSG;
	if (c->action < TWS_CGROUP_ADDED || c->action >= TWS_CGROUP_ACTION_END || !c->id)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(c->pad); i++)
		pad |= c->pad[i];
	if (pad || !memchr(c->path, '\0', sizeof(c->path)))
		return -EBADMSG;
	if (c->path[0] && (c->path[0] != '/' || strchr(c->path, '\n')))
		return -EBADMSG;
	*cgroup = c;
	return 0;
}
