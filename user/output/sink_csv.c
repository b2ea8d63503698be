// SPDX-License-Identifier: GPL-2.0
/*
 * CSV as RFC 4180 with plain newlines: a heading, then one line a record. The
 * columns have the names of the flattened JSON members; unknown is empty.
 */
#include <string.h>
#include <sys/socket.h>

#include "base/escape.h"
#include "model/names.h"
#include "output/sink_format.h"

#define NETWORK                                                                    \
	"network.transport,network.type,network.local.address,network.local.port," \
	"network.peer.address,network.peer.port,network.netns,network.netns_name,"
#define PROCESS                                                                          \
	"process.pid,process.vpid,process.name,process.thread.id,process.thread.name," \
	"process.command_line,process.user.id,process.killed,"
#define WORKLOAD                                                                 \
	"opener.pid,opener.name,"                                                \
	"container.id,container.name,container.runtime,container.image.name,"    \
	"cgroup.id,cgroup.path,"                                                 \
	"k8s.pod.name,k8s.pod.uid,k8s.namespace.name,k8s.container.name,systemd.unit,"
#define TCP                                                                \
	"tcp.side,tcp.cause,tcp.end,tcp.errno,tcp.cookie,tcp.lifetime_ns," \
	"tcp.tx_bytes,tcp.rx_bytes\n"

static const char heading[] = "timestamp,event.action,event.source," NETWORK PROCESS
	"process.evidence," WORKLOAD TCP;

static const char socket_heading[] = "timestamp," NETWORK PROCESS
	"owner.evidence," WORKLOAD "tcp.state,tcp.expires_ns,tcp.age_ns," TCP;

/* Each of these writes one field and the comma before it. */

static void put_string(struct outbuf *ob, const char *s)
{
	outbuf__char(ob, ',');
	if (s)
		escape__csv(ob, s, strlen(s));
}

static void put_comm(struct outbuf *ob, const char comm[TWS_COMM_LEN])
{
	outbuf__char(ob, ',');
	escape__csv(ob, comm, strnlen(comm, TWS_COMM_LEN));
}

static void put_number(struct outbuf *ob, uint64_t value)
{
	outbuf__char(ob, ',');
	outbuf__u64(ob, value);
}

static void put_known(struct outbuf *ob, uint64_t value)
{
	if (value)
		put_number(ob, value);
	else
		outbuf__char(ob, ',');
}

static void put_word(struct outbuf *ob, const struct word *word)
{
	outbuf__char(ob, ',');
	outbuf__bytes(ob, word->text, word->len);
}

static void put_network(struct outbuf *ob, const struct record *rec)
{
	const struct tws_event *ev = rec->event;

	if (ev->family == AF_INET)
		outbuf__lit(ob, ",tcp,ipv4,");
	else
		outbuf__lit(ob, ",tcp,ipv6,");
	sink_format__addr(ob, ev->family, ev->local_addr);
	put_number(ob, ev->local_port);
	outbuf__char(ob, ',');
	sink_format__addr(ob, ev->family, ev->peer_addr);
	put_number(ob, ev->peer_port);
	put_known(ob, ev->netns);
	put_string(ob, rec->netns_name);
}

static void put_process(struct outbuf *ob, const struct record *rec)
{
	const struct tws_conn *conn = &rec->event->conn;

	if (!(conn->flags & TWS_F_CLOSER)) {
		outbuf__lit(ob, ",,,,,,,,");
		return;
	}
	put_number(ob, conn->tgid);
	put_known(ob, conn->pid_ns ? conn->ns_tgid : 0);
	put_comm(ob, conn->comm);
	put_known(ob, conn->tid);
	if (conn->tid)
		put_comm(ob, conn->thread_comm);
	else
		outbuf__char(ob, ',');
	put_string(ob, rec->command_line);
	put_number(ob, conn->uid);
	put_string(ob, conn->flags & TWS_F_SIGNALED ? "true" : NULL);
}

static void put_opener(struct outbuf *ob, const struct tws_conn *conn)
{
	if (!(conn->flags & TWS_F_OPENER)) {
		outbuf__lit(ob, ",,");
		return;
	}
	put_number(ob, conn->opener_tgid);
	put_comm(ob, conn->opener_comm);
}

static void put_workload(struct outbuf *ob, const struct record *rec)
{
	const struct workload *w = &rec->workload;

	put_string(ob, w->container_id);
	put_string(ob, w->container_name);
	put_string(ob, w->container_runtime);
	put_string(ob, w->container_image);
	put_known(ob, rec->event->conn.cgroup_id);
	put_string(ob, rec->cgroup_path);
	put_string(ob, w->pod_name);
	put_string(ob, w->pod_uid);
	put_string(ob, w->pod_namespace);
	put_string(ob, w->pod_container);
	put_string(ob, w->unit);
}

static void put_tcp(struct outbuf *ob, const struct tws_event *ev)
{
	uint64_t lifetime_ns;

	put_word(ob, names__side(ev->conn.side));
	put_word(ob, names__cause(ev->conn.cause));
	if (ev->action == TWS_TIME_WAIT_END)
		put_word(ob, names__end(ev->end));
	else
		outbuf__char(ob, ',');
	put_known(ob, ev->error);
	put_known(ob, ev->cookie);
	if (sink_format__lifetime(ev, &lifetime_ns))
		put_number(ob, lifetime_ns);
	else
		outbuf__char(ob, ',');
	if (sink_format__has_bytes(ev)) {
		put_number(ob, ev->tx_bytes);
		put_number(ob, ev->rx_bytes);
	} else {
		outbuf__lit(ob, ",,");
	}
}

static void put_heading(struct sink_state *s)
{
	if (s->opts.sockets)
		outbuf__bytes(&s->out, socket_heading, sizeof(socket_heading) - 1);
	else
		outbuf__bytes(&s->out, heading, sizeof(heading) - 1);
}

static void put_record(struct sink_state *s, const struct record *rec)
{
	const struct tws_event *ev = rec->event;
	struct outbuf *ob = &s->out;

	if (rec->wall_ns)
		sink_format__timestamp(s, rec->wall_ns);
	if (!s->opts.sockets) {
		put_word(ob, names__action(ev->action));
		put_string(ob, ev->conn.flags & TWS_F_SNAPSHOT ? "snapshot" : NULL);
	}
	put_network(ob, rec);
	put_process(ob, rec);
	if (s->opts.sockets)
		put_word(ob, names__evidence(rec->evidence));
	else
		outbuf__char(ob, ','); /* reserved */
	put_opener(ob, &ev->conn);
	put_workload(ob, rec);
	if (s->opts.sockets) {
		put_word(ob, names__action(ev->action));
		put_number(ob, rec->expires_ns);
		put_number(ob, rec->age_ns);
	}
	put_tcp(ob, ev);
	outbuf__char(ob, '\n');
}

const struct sink_writer sink_csv = { .heading = put_heading, .put = put_record };
