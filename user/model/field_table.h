/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rows of the table of fields, and their readers: here a field is added. See field.h
 * for what there is to say of one. They stand in a header so that the writers of the hot
 * path (sink_json.c, sink_csv.c) are made of them at compile time, each reader inlined;
 * everybody else reads field__table.
 */
#ifndef TWSNOOP_FIELD_TABLE_H
#define TWSNOOP_FIELD_TABLE_H

#include <string.h>
#include <sys/socket.h>

#include "base/outbuf.h"
#include "model/field.h"
#include "model/names.h"

/* ---- readers ---- */

static inline bool number(struct field_value *v, uint64_t value)
{
	v->number = value;
	return true;
}

/* A number that is 0 where it is not known. */
static inline bool known(struct field_value *v, uint64_t value)
{
	v->number = value;
	return value != 0;
}

static inline bool word(struct field_value *v, const struct word *word)
{
	v->text = word->text;
	v->len = word->len;
	return true;
}

#define LITERAL(v, literal) ((v)->text = (literal), (v)->len = sizeof(literal) - 1, true)

static inline bool string(struct field_value *v, const char *s)
{
	if (!s)
		return false;
	v->text = s;
	v->len = strlen(s);
	return true;
}

static inline bool comm(struct field_value *v, const char name[TWS_COMM_LEN])
{
	v->text = name;
	v->len = strnlen(name, TWS_COMM_LEN);
	return true;
}

static inline bool address(struct field_value *v, const struct tws_event *ev,
			   const uint8_t *addr)
{
	v->family = ev->family;
	v->addr = addr;
	v->scope = NULL;
	return true;
}

/* fe80::/10 */
static inline bool is_link_local(const struct tws_event *ev, const uint8_t *addr)
{
	return ev->family == AF_INET6 && addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

/* A name of a device may hold almost any byte: one with others is not put behind an address. */
static inline bool is_plain(const char *name)
{
	for (; *name; name++)
		if (*name <= ' ' || *name > '~' || *name == '\\')
			return false;
	return true;
}

static inline void add_scope(const struct record *rec, struct field_value *v)
{
	if (rec->interface && is_plain(rec->interface))
		v->scope = rec->interface;
}

static inline bool read_nothing(const struct record *rec, struct field_value *v)
{
	(void)rec, (void)v;
	return false;
}

static inline bool read_timestamp(const struct record *rec, struct field_value *v)
{
	return known(v, rec->wall_ns);
}

static inline bool read_action(const struct record *rec, struct field_value *v)
{
	return word(v, names__action(rec->event->action));
}

static inline bool read_source(const struct record *rec, struct field_value *v)
{
	return rec->event->conn.flags & TWS_F_SNAPSHOT && LITERAL(v, "snapshot");
}

static inline bool read_transport(const struct record *rec, struct field_value *v)
{
	(void)rec;
	return LITERAL(v, "tcp");
}

static inline bool read_type(const struct record *rec, struct field_value *v)
{
	if (rec->event->family == AF_INET)
		return LITERAL(v, "ipv4");
	return LITERAL(v, "ipv6");
}

/* Whether an end is known: connect() may have failed before it had an address of its own, and
 * bind() has no peer. */
static inline bool has_end(const uint8_t addr[16], uint16_t port)
{
	static const uint8_t none[16];

	return port || memcmp(addr, none, sizeof(none)) != 0;
}

static inline bool has_local(const struct record *rec)
{
	return has_end(rec->event->local_addr, rec->event->local_port);
}

static inline bool has_peer(const struct record *rec)
{
	return has_end(rec->event->peer_addr, rec->event->peer_port);
}

static inline bool read_local_address(const struct record *rec, struct field_value *v)
{
	return has_local(rec) && address(v, rec->event, rec->event->local_addr);
}

static inline bool read_local_port(const struct record *rec, struct field_value *v)
{
	return has_local(rec) && number(v, rec->event->local_port);
}

static inline bool read_local(const struct record *rec, struct field_value *v)
{
	if (!read_local_address(rec, v))
		return false;
	add_scope(rec, v);
	return read_local_port(rec, v);
}

static inline bool read_peer_address(const struct record *rec, struct field_value *v)
{
	return has_peer(rec) && address(v, rec->event, rec->event->peer_addr);
}

static inline bool read_peer_port(const struct record *rec, struct field_value *v)
{
	return has_peer(rec) && number(v, rec->event->peer_port);
}

static inline bool read_peer(const struct record *rec, struct field_value *v)
{
	if (!read_peer_address(rec, v))
		return false;
	if (is_link_local(rec->event, rec->event->peer_addr))
		add_scope(rec, v);
	return read_peer_port(rec, v);
}

static inline bool read_interface_name(const struct record *rec, struct field_value *v)
{
	return string(v, rec->interface);
}

static inline bool read_interface_index(const struct record *rec, struct field_value *v)
{
	return known(v, rec->event->conn.ifindex);
}

static inline bool read_netns(const struct record *rec, struct field_value *v)
{
	return known(v, rec->event->netns);
}

static inline bool read_netns_name(const struct record *rec, struct field_value *v)
{
	return string(v, rec->netns_name);
}

/* Its name, else its number. */
static inline bool read_netns_text(const struct record *rec, struct field_value *v)
{
	struct outbuf ob;

	if (string(v, rec->netns_name))
		return true;
	outbuf__init_fixed(&ob, v->own, sizeof(v->own));
	outbuf__u64(&ob, rec->event->netns);
	v->text = v->own;
	v->len = ob.len;
	return true;
}

static inline bool has_process(const struct record *rec)
{
	return rec->event->conn.flags & TWS_F_CLOSER;
}

static inline bool read_pid(const struct record *rec, struct field_value *v)
{
	return has_process(rec) && number(v, rec->event->conn.tgid);
}

static inline bool read_vpid(const struct record *rec, struct field_value *v)
{
	return has_process(rec) && rec->event->conn.pid_ns &&
	       number(v, rec->event->conn.ns_tgid);
}

static inline bool read_name(const struct record *rec, struct field_value *v)
{
	v->guessed = rec->evidence == OWNER_INFERRED;
	return has_process(rec) && comm(v, rec->event->conn.comm);
}

static inline bool read_thread_id(const struct record *rec, struct field_value *v)
{
	return has_process(rec) && known(v, rec->event->conn.tid);
}

static inline bool read_thread_name(const struct record *rec, struct field_value *v)
{
	return has_process(rec) && rec->event->conn.tid &&
	       comm(v, rec->event->conn.thread_comm);
}

static inline bool read_command_line(const struct record *rec, struct field_value *v)
{
	return has_process(rec) && string(v, rec->command_line);
}

static inline bool read_uid(const struct record *rec, struct field_value *v)
{
	return has_process(rec) && number(v, rec->event->conn.uid);
}

static inline bool read_killed(const struct record *rec, struct field_value *v)
{
	(void)v;
	return has_process(rec) && rec->event->conn.flags & TWS_F_SIGNALED;
}

static inline bool read_evidence(const struct record *rec, struct field_value *v)
{
	return word(v, names__evidence(rec->evidence));
}

static inline bool read_shared(const struct record *rec, struct field_value *v)
{
	(void)v;
	return rec->shared;
}

static inline bool read_opener_pid(const struct record *rec, struct field_value *v)
{
	return rec->event->conn.flags & TWS_F_OPENER && number(v, rec->event->conn.opener_tgid);
}

static inline bool read_opener_name(const struct record *rec, struct field_value *v)
{
	return rec->event->conn.flags & TWS_F_OPENER && comm(v, rec->event->conn.opener_comm);
}

static inline bool read_container_id(const struct record *rec, struct field_value *v)
{
	return string(v, rec->workload.container_id);
}

static inline bool read_container_name(const struct record *rec, struct field_value *v)
{
	return string(v, rec->workload.container_name);
}

static inline bool read_container_runtime(const struct record *rec, struct field_value *v)
{
	return string(v, rec->workload.container_runtime);
}

static inline bool read_container_image(const struct record *rec, struct field_value *v)
{
	return string(v, rec->workload.container_image);
}

static inline bool read_cgroup_id(const struct record *rec, struct field_value *v)
{
	return known(v, rec->event->conn.cgroup_id);
}

static inline bool read_cgroup_path(const struct record *rec, struct field_value *v)
{
	return string(v, rec->cgroup_path);
}

static inline bool read_pod_name(const struct record *rec, struct field_value *v)
{
	return string(v, rec->workload.pod_name);
}

static inline bool read_pod_uid(const struct record *rec, struct field_value *v)
{
	return string(v, rec->workload.pod_uid);
}

static inline bool read_pod_namespace(const struct record *rec, struct field_value *v)
{
	return string(v, rec->workload.pod_namespace);
}

static inline bool read_pod_container(const struct record *rec, struct field_value *v)
{
	return string(v, rec->workload.pod_container);
}

static inline bool read_unit(const struct record *rec, struct field_value *v)
{
	return string(v, rec->workload.unit);
}

static inline bool read_workload(const struct record *rec, struct field_value *v)
{
	if (string(v, rec->label))
		return true;
	v->text = record__label(&rec->workload, v->own, &v->len);
	return v->text;
}

/* namespace/pod */
static inline bool read_pod(const struct record *rec, struct field_value *v)
{
	const struct workload *w = &rec->workload;
	struct outbuf ob;

	if (!w->pod_name)
		return false;
	outbuf__init_fixed(&ob, v->own, sizeof(v->own));
	if (w->pod_namespace) {
		outbuf__text(&ob, w->pod_namespace);
		outbuf__char(&ob, '/');
	}
	outbuf__text(&ob, w->pod_name);
	v->text = v->own;
	v->len = ob.len;
	return true;
}

/* Sorted as the kernel numbers them: FIN_WAIT2 before TIME_WAIT. */
static inline bool read_state(const struct record *rec, struct field_value *v)
{
	v->number = rec->state;
	if (rec->state)
		return word(v, names__state(rec->state));
	return word(v, names__action(rec->event->action));
}

static inline bool read_expires(const struct record *rec, struct field_value *v)
{
	return !rec->is_open && number(v, rec->expires_ns);
}

static inline bool read_age(const struct record *rec, struct field_value *v)
{
	return !rec->is_open && number(v, rec->age_ns);
}

static inline bool read_side(const struct record *rec, struct field_value *v)
{
	unsigned int side = rec->event->conn.side;

	v->number = side;
	v->vague = side == TWS_SIDE_UNKNOWN;
	v->color = side == TWS_SIDE_CLIENT ? FIELD_CYAN : FIELD_YELLOW;
	return word(v, names__side(side));
}

static inline bool read_cause(const struct record *rec, struct field_value *v)
{
	v->number = rec->event->conn.cause;
	v->vague = rec->event->conn.cause == TWS_CAUSE_UNKNOWN;
	return word(v, names__cause(rec->event->conn.cause));
}

static inline bool read_end(const struct record *rec, struct field_value *v)
{
	return rec->event->action == TWS_TIME_WAIT_END && word(v, names__end(rec->event->end));
}

static inline bool read_errno(const struct record *rec, struct field_value *v)
{
	return known(v, rec->event->error);
}

static inline bool read_cookie(const struct record *rec, struct field_value *v)
{
	return known(v, rec->event->cookie);
}

/* Unknown if it was opened before tracing, or if the two times do not fit together. */
static inline bool read_lifetime(const struct record *rec, struct field_value *v)
{
	const struct tws_event *ev = rec->event;

	return ev->conn.open_ns && ev->time_ns >= ev->conn.open_ns &&
	       number(v, ev->time_ns - ev->conn.open_ns);
}

static inline bool read_tx(const struct record *rec, struct field_value *v)
{
	return !(rec->event->conn.flags & TWS_F_NO_BYTES) && number(v, rec->event->tx_bytes);
}

static inline bool read_rx(const struct record *rec, struct field_value *v)
{
	return !(rec->event->conn.flags & TWS_F_NO_BYTES) && number(v, rec->event->rx_bytes);
}

/* The action, and after colons what is known of it: time_wait_end:expired. */
static inline bool read_what(const struct record *rec, struct field_value *v)
{
	const struct tws_event *ev = rec->event;
	const char *error = names__errno(ev->error);
	const struct word *action = names__action(ev->action);
	struct outbuf ob;

	outbuf__init_fixed(&ob, v->own, sizeof(v->own));
	outbuf__bytes(&ob, action->text, action->len);
	if (read_end(rec, v)) {
		outbuf__char(&ob, ':');
		outbuf__bytes(&ob, v->text, v->len);
	}
	if (ev->error) {
		outbuf__char(&ob, ':');
		if (error)
			outbuf__text(&ob, error);
		else
			outbuf__u64(&ob, ev->error);
	}
	if (ev->conn.flags & TWS_F_SNAPSHOT)
		outbuf__lit(&ob, ":snapshot");
	v->text = v->own;
	v->len = ob.len;
	return true;
}

/* ---- the table ---- */

/*
 * X(name, reader, type, unit, in, column): the members of struct field; a row without a
 * column is not in text. The order is that of JSON and CSV.
 *
 * Of .keep 1 to 3 are the name and the addresses. A value that is too long for its
 * column of trace shifts the rest of its line, but only as far as a terminal is wide.
 */
#define FIELD_TABLE(X) \
	X("timestamp", read_timestamp, FIELD_TIME, 0, FIELD_IN_BOTH, \
	  "TIME", .trace = 10, .width = 12, .keep = 6) \
	X("event.action", read_action, FIELD_WORD, 0, FIELD_IN_EVENTS) \
	X("event.source", read_source, FIELD_WORD, 0, FIELD_IN_EVENTS) \
	X("event", read_what, FIELD_WORD, 0, 0, \
	  "EVENT", .trace = 110, .width = 14, .least = 12, .keep = 4, .when = FIELD_WHEN_ALL) \
	X("network.transport", read_transport, FIELD_WORD, 0, FIELD_IN_BOTH) \
	X("network.type", read_type, FIELD_WORD, 0, FIELD_IN_BOTH) \
	X("network.local.address", read_local_address, FIELD_ADDRESS, 0, FIELD_IN_BOTH, \
	  "LOCAL", .least = 12, .keep = 3) \
	X("network.local.port", read_local_port, FIELD_NUMBER, 0, FIELD_IN_BOTH, \
	  "LPORT", .keep = 3, .right = true) \
	X("network.peer.address", read_peer_address, FIELD_ADDRESS, 0, FIELD_IN_BOTH, \
	  "PEER", .least = 12, .keep = 2) \
	X("network.peer.port", read_peer_port, FIELD_NUMBER, 0, FIELD_IN_BOTH, \
	  "PPORT", .keep = 2, .right = true) \
	X("network.netns", read_netns, FIELD_NUMBER, 0, FIELD_IN_BOTH) \
	X("network.netns_name", read_netns_name, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("network.interface.name", read_interface_name, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("network.interface.index", read_interface_index, FIELD_NUMBER, 0, FIELD_IN_BOTH) \
	X("local", read_local, FIELD_ENDPOINT, 0, 0, \
	  "LOCAL", .trace = 50, .list = 30, .width = 21, .least = 21, .keep = 3) \
	X("peer", read_peer, FIELD_ENDPOINT, 0, 0, \
	  "PEER", .trace = 60, .list = 40, .width = 21, .least = 21, .keep = 2) \
	X("netns", read_netns_text, FIELD_NAME, 0, 0, \
	  "NETNS", .list = 50, .width = 12, .least = 6, .keep = 8, .when = FIELD_WHEN_NETNS) \
	X("process.pid", read_pid, FIELD_NUMBER, 0, FIELD_IN_BOTH, \
	  "PID", .trace = 20, .list = 60, .width = 7, .keep = 5, .right = true) \
	X("process.vpid", read_vpid, FIELD_NUMBER, 0, FIELD_IN_BOTH) \
	X("process.name", read_name, FIELD_NAME, 0, FIELD_IN_BOTH, \
	  "PROCESS", .trace = 30, .list = 70, .width = 16, .least = 15, .keep = 1) \
	X("process.thread.id", read_thread_id, FIELD_NUMBER, 0, FIELD_IN_BOTH) \
	X("process.thread.name", read_thread_name, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("process.command_line", read_command_line, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("process.user.id", read_uid, FIELD_NUMBER, 0, FIELD_IN_BOTH, \
	  "UID", .keep = 5, .right = true) \
	X("process.killed", read_killed, FIELD_TRUE, 0, FIELD_IN_BOTH) \
	X("process.evidence", read_nothing, FIELD_WORD, 0, FIELD_IN_EVENTS) /* reserved */ \
	X("owner.evidence", read_evidence, FIELD_WORD, 0, FIELD_IN_SOCKETS) \
	X("owner.shared", read_shared, FIELD_TRUE, 0, FIELD_IN_SOCKETS) \
	X("opener.pid", read_opener_pid, FIELD_NUMBER, 0, FIELD_IN_BOTH) \
	X("opener.name", read_opener_name, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("container.id", read_container_id, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("container.name", read_container_name, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("container.runtime", read_container_runtime, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("container.image.name", read_container_image, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("cgroup.id", read_cgroup_id, FIELD_NUMBER, 0, FIELD_IN_BOTH) \
	X("cgroup.path", read_cgroup_path, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("k8s.pod.name", read_pod_name, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("k8s.pod.uid", read_pod_uid, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("k8s.namespace.name", read_pod_namespace, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("k8s.container.name", read_pod_container, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("systemd.unit", read_unit, FIELD_NAME, 0, FIELD_IN_BOTH) \
	X("container", read_workload, FIELD_NAME, 0, 0, \
	  "CONTAINER", .trace = 120, .list = 110, .least = 12, .keep = 7, \
	  .when = FIELD_WHEN_CONTAINERS) \
	X("pod", read_pod, FIELD_NAME, 0, 0, "POD", .least = 12, .keep = 7) \
	X("tcp.state", read_state, FIELD_WORD, 0, FIELD_IN_SOCKETS, \
	  "STATE", .list = 10, .keep = 6) \
	X("tcp.expires_ns", read_expires, FIELD_NUMBER, FIELD_NS, FIELD_IN_SOCKETS, \
	  "LEFT", .list = 20, .keep = 9, .right = true) \
	X("tcp.age_ns", read_age, FIELD_NUMBER, FIELD_NS, FIELD_IN_SOCKETS, \
	  "AGE", .list = 100, .keep = 10, .right = true) \
	X("tcp.side", read_side, FIELD_WORD, 0, FIELD_IN_BOTH, \
	  "SIDE", .trace = 40, .list = 80, .width = 6, .keep = 9) \
	X("tcp.cause", read_cause, FIELD_WORD, 0, FIELD_IN_BOTH, \
	  "CAUSE", .trace = 70, .list = 90, .width = 8, .keep = 11) \
	X("tcp.end", read_end, FIELD_WORD, 0, FIELD_IN_BOTH) \
	X("tcp.errno", read_errno, FIELD_NUMBER, 0, FIELD_IN_BOTH) \
	X("tcp.cookie", read_cookie, FIELD_NUMBER, 0, FIELD_IN_BOTH) \
	X("tcp.lifetime_ns", read_lifetime, FIELD_NUMBER, FIELD_NS, FIELD_IN_BOTH, \
	  "LIFETIME", .trace = 80, .width = 8, .keep = 12, .right = true) \
	X("tcp.tx_bytes", read_tx, FIELD_NUMBER, FIELD_BYTES, FIELD_IN_BOTH, \
	  "TX", .trace = 90, .width = 6, .keep = 13, .right = true) \
	X("tcp.rx_bytes", read_rx, FIELD_NUMBER, FIELD_BYTES, FIELD_IN_BOTH, \
	  "RX", .trace = 100, .width = 6, .keep = 14, .right = true)

/* The place of a row in the table, by its reader: each reader has one row. */
#define FIELD_PLACE(name, read, ...) AT_##read,
enum field_place { FIELD_TABLE(FIELD_PLACE) };

#endif
