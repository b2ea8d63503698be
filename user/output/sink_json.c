// SPDX-License-Identifier: GPL-2.0
/* JSON Lines: one object a record, in the order of the contract. */
#include <string.h>
#include <sys/socket.h>

#include "base/escape.h"
#include "model/names.h"
#include "output/sink_format.h"

static void put_word(struct outbuf *ob, const struct word *word)
{
	outbuf__char(ob, '"');
	outbuf__bytes(ob, word->text, word->len);
	outbuf__char(ob, '"');
}

static void put_string(struct outbuf *ob, const char *s)
{
	escape__json(ob, s, strlen(s));
}

static void put_comm(struct outbuf *ob, const char comm[TWS_COMM_LEN])
{
	escape__json(ob, comm, strnlen(comm, TWS_COMM_LEN));
}

/* An object whose members may all be absent: commas come before the second on. */
struct object {
	struct outbuf *ob;
	bool any;
};

static void next_member(struct object *o)
{
	if (o->any)
		outbuf__char(o->ob, ',');
	o->any = true;
}

#define MEMBER(object, key)                                      \
	do {                                                     \
		next_member(object);                             \
		outbuf__lit((object)->ob, "\"" key "\":");       \
	} while (0)

static void put_event(struct outbuf *ob, const struct tws_event *ev)
{
	outbuf__lit(ob, "\"event\":{\"action\":");
	put_word(ob, names__action(ev->action));
	if (ev->conn.flags & TWS_F_SNAPSHOT)
		outbuf__lit(ob, ",\"source\":\"snapshot\"");
	outbuf__char(ob, '}');
}

static void put_network(struct outbuf *ob, const struct record *rec)
{
	const struct tws_event *ev = rec->event;

	if (ev->family == AF_INET)
		outbuf__lit(ob, "\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\","
				"\"local\":{\"address\":\"");
	else
		outbuf__lit(ob, "\"network\":{\"transport\":\"tcp\",\"type\":\"ipv6\","
				"\"local\":{\"address\":\"");
	sink_format__addr(ob, ev->family, ev->local_addr);
	outbuf__lit(ob, "\",\"port\":");
	outbuf__u64(ob, ev->local_port);
	outbuf__lit(ob, "},\"peer\":{\"address\":\"");
	sink_format__addr(ob, ev->family, ev->peer_addr);
	outbuf__lit(ob, "\",\"port\":");
	outbuf__u64(ob, ev->peer_port);
	outbuf__char(ob, '}');
	if (ev->netns) {
		outbuf__lit(ob, ",\"netns\":");
		outbuf__u64(ob, ev->netns);
	}
	if (rec->netns_name) {
		outbuf__lit(ob, ",\"netns_name\":");
		put_string(ob, rec->netns_name);
	}
	outbuf__char(ob, '}');
}

static void put_owner(struct outbuf *ob, enum owner_evidence evidence)
{
	outbuf__lit(ob, ",\"owner\":{\"evidence\":");
	put_word(ob, names__evidence(evidence));
	outbuf__char(ob, '}');
}

static void put_process(struct outbuf *ob, const struct record *rec)
{
	const struct tws_conn *conn = &rec->event->conn;

	if (!(conn->flags & TWS_F_CLOSER))
		return;
	outbuf__lit(ob, ",\"process\":{\"pid\":");
	outbuf__u64(ob, conn->tgid);
	if (conn->pid_ns) {
		outbuf__lit(ob, ",\"vpid\":");
		outbuf__u64(ob, conn->ns_tgid);
	}
	outbuf__lit(ob, ",\"name\":");
	put_comm(ob, conn->comm);
	if (conn->tid) {
		outbuf__lit(ob, ",\"thread\":{\"id\":");
		outbuf__u64(ob, conn->tid);
		outbuf__lit(ob, ",\"name\":");
		put_comm(ob, conn->thread_comm);
		outbuf__char(ob, '}');
	}
	if (rec->command_line) {
		outbuf__lit(ob, ",\"command_line\":");
		put_string(ob, rec->command_line);
	}
	outbuf__lit(ob, ",\"user\":{\"id\":");
	outbuf__u64(ob, conn->uid);
	outbuf__char(ob, '}');
	if (conn->flags & TWS_F_SIGNALED)
		outbuf__lit(ob, ",\"killed\":true");
	outbuf__char(ob, '}');
}

static void put_opener(struct outbuf *ob, const struct tws_conn *conn)
{
	if (!(conn->flags & TWS_F_OPENER))
		return;
	outbuf__lit(ob, ",\"opener\":{\"pid\":");
	outbuf__u64(ob, conn->opener_tgid);
	outbuf__lit(ob, ",\"name\":");
	put_comm(ob, conn->opener_comm);
	outbuf__char(ob, '}');
}

static void put_container(struct outbuf *ob, const struct workload *w)
{
	struct object o = { .ob = ob };

	if (!w->container_id && !w->container_name && !w->container_runtime &&
	    !w->container_image)
		return;
	outbuf__lit(ob, ",\"container\":{");
	if (w->container_id) {
		MEMBER(&o, "id");
		put_string(ob, w->container_id);
	}
	if (w->container_name) {
		MEMBER(&o, "name");
		put_string(ob, w->container_name);
	}
	if (w->container_runtime) {
		MEMBER(&o, "runtime");
		put_string(ob, w->container_runtime);
	}
	if (w->container_image) {
		MEMBER(&o, "image");
		outbuf__lit(ob, "{\"name\":");
		put_string(ob, w->container_image);
		outbuf__char(ob, '}');
	}
	outbuf__char(ob, '}');
}

static void put_cgroup(struct outbuf *ob, uint64_t id, const char *path)
{
	struct object o = { .ob = ob };

	if (!id && !path)
		return;
	outbuf__lit(ob, ",\"cgroup\":{");
	if (id) {
		MEMBER(&o, "id");
		outbuf__u64(ob, id);
	}
	if (path) {
		MEMBER(&o, "path");
		put_string(ob, path);
	}
	outbuf__char(ob, '}');
}

static void put_pod(struct object *k8s, const char *name, const char *uid)
{
	struct object o = { .ob = k8s->ob };

	if (!name && !uid)
		return;
	MEMBER(k8s, "pod");
	outbuf__char(o.ob, '{');
	if (name) {
		MEMBER(&o, "name");
		put_string(o.ob, name);
	}
	if (uid) {
		MEMBER(&o, "uid");
		put_string(o.ob, uid);
	}
	outbuf__char(o.ob, '}');
}

static void put_k8s(struct outbuf *ob, const struct workload *w)
{
	struct object o = { .ob = ob };

	if (!w->pod_name && !w->pod_uid && !w->pod_namespace && !w->pod_container)
		return;
	outbuf__lit(ob, ",\"k8s\":{");
	put_pod(&o, w->pod_name, w->pod_uid);
	if (w->pod_namespace) {
		MEMBER(&o, "namespace");
		outbuf__lit(ob, "{\"name\":");
		put_string(ob, w->pod_namespace);
		outbuf__char(ob, '}');
	}
	if (w->pod_container) {
		MEMBER(&o, "container");
		outbuf__lit(ob, "{\"name\":");
		put_string(ob, w->pod_container);
		outbuf__char(ob, '}');
	}
	outbuf__char(ob, '}');
}

static void put_socket(struct outbuf *ob, const struct record *rec)
{
	outbuf__lit(ob, "\"state\":");
	put_word(ob, names__action(rec->event->action));
	outbuf__lit(ob, ",\"expires_ns\":");
	outbuf__u64(ob, rec->expires_ns);
	outbuf__lit(ob, ",\"age_ns\":");
	outbuf__u64(ob, rec->age_ns);
	outbuf__char(ob, ',');
}

static void put_tcp(struct outbuf *ob, const struct record *rec, bool socket)
{
	const struct tws_event *ev = rec->event;
	uint64_t lifetime_ns;

	outbuf__lit(ob, ",\"tcp\":{");
	if (socket)
		put_socket(ob, rec);
	outbuf__lit(ob, "\"side\":");
	put_word(ob, names__side(ev->conn.side));
	outbuf__lit(ob, ",\"cause\":");
	put_word(ob, names__cause(ev->conn.cause));
	if (ev->action == TWS_TIME_WAIT_END) {
		outbuf__lit(ob, ",\"end\":");
		put_word(ob, names__end(ev->end));
	}
	if (ev->error) {
		outbuf__lit(ob, ",\"errno\":");
		outbuf__u64(ob, ev->error);
	}
	if (ev->cookie) {
		outbuf__lit(ob, ",\"cookie\":");
		outbuf__u64(ob, ev->cookie);
	}
	if (sink_format__lifetime(ev, &lifetime_ns)) {
		outbuf__lit(ob, ",\"lifetime_ns\":");
		outbuf__u64(ob, lifetime_ns);
	}
	if (sink_format__has_bytes(ev)) {
		outbuf__lit(ob, ",\"tx_bytes\":");
		outbuf__u64(ob, ev->tx_bytes);
		outbuf__lit(ob, ",\"rx_bytes\":");
		outbuf__u64(ob, ev->rx_bytes);
	}
	outbuf__char(ob, '}');
}

static void put_record(struct sink_state *s, const struct record *rec)
{
	const struct tws_event *ev = rec->event;
	struct outbuf *ob = &s->out;

	if (rec->wall_ns) {
		outbuf__lit(ob, "{\"timestamp\":\"");
		sink_format__timestamp(s, rec->wall_ns);
		outbuf__lit(ob, "\",");
	} else {
		outbuf__char(ob, '{');
	}
	if (!s->opts.sockets) {
		put_event(ob, ev);
		outbuf__char(ob, ',');
	}
	put_network(ob, rec);
	put_process(ob, rec);
	if (s->opts.sockets)
		put_owner(ob, rec->evidence);
	put_opener(ob, &ev->conn);
	put_container(ob, &rec->workload);
	put_cgroup(ob, ev->conn.cgroup_id, rec->cgroup_path);
	put_k8s(ob, &rec->workload);
	if (rec->workload.unit) {
		outbuf__lit(ob, ",\"systemd\":{\"unit\":");
		put_string(ob, rec->workload.unit);
		outbuf__char(ob, '}');
	}
	put_tcp(ob, rec, s->opts.sockets);
	outbuf__lit(ob, "}\n");
}

const struct sink_writer sink_json = { .put = put_record };
