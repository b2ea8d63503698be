/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The records that cross from the kernel to user space, and the settings that
 * go the other way. Both sides include this file and nothing else of each
 * other. Fixed-width fields, explicit padding, host byte order unless a field
 * says otherwise. tests/unit/capture/test_abi.c compares this layout with the BTF of
 * the compiled BPF object.
 */
#ifndef TWSNOOP_EVENT_H
#define TWSNOOP_EVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define TWS_COMM_LEN 16 /* TASK_COMM_LEN */

/* event.action of the JSON contract. */
enum tws_action {
	TWS_TIME_WAIT = 1,
	TWS_FIN_WAIT2,	   /* a mini-socket that still waits for the peer's FIN */
	TWS_TIME_WAIT_END, /* see enum tws_end */
	TWS_RESET,	   /* the peer's RST, or one that we sent for late data */
	TWS_ABORT,	   /* ended here without the closing handshake */
	TWS_TIMEOUT,	   /* the peer did not answer: retransmissions, probes, keepalive */
	TWS_OVERFLOW,	   /* tcp_max_tw_buckets or memory: no TIME_WAIT was made */
	TWS_PASSIVE_CLOSE, /* the peer closed first */
	TWS_CONNECT_FAILED,
	TWS_BIND_FAILED, /* see bpf/call.h; it has no peer */
	TWS_LISTEN, /* internal: a process began to listen; never printed */
	TWS_UNLISTEN, /* internal: that socket listens no more */
	TWS_OPEN, /* internal, with tws.all: a tuple is in use from now on */
	TWS_FIN, /* internal: who sent the first FIN; struct tws_ending tells what became of it */
	TWS_ENTERED, /* internal, in tws_ending: a FIN_WAIT2 mini-socket is in TIME_WAIT now */
	TWS_GONE, /* internal, in tws_ending: closed, and no mini-socket */
	TWS_BYTES, /* internal, in tws_ending: close() after shutdown(); received until then */
	TWS_ACTION_END,
};

/* The actions of struct tws_cgroup: a record of its own, and internal. */
enum tws_cgroup_action {
	TWS_CGROUP_ADDED = 0x40, /* made, or renamed */
	TWS_CGROUP_REMOVED,
	TWS_CGROUP_ACTION_END,
};

enum tws_side {
	TWS_SIDE_UNKNOWN = 0,
	TWS_SIDE_CLIENT,
	TWS_SIDE_SERVER,
	TWS_SIDE_END,
};

enum tws_cause {
	TWS_CAUSE_UNKNOWN = 0,
	TWS_CAUSE_CLOSE,
	TWS_CAUSE_SHUTDOWN,
	TWS_CAUSE_EXIT,
	TWS_CAUSE_KERNEL,
	TWS_CAUSE_DISCONNECT, /* connect(AF_UNSPEC) on an open connection */
	TWS_CAUSE_DESTROY, /* SOCK_DESTROY, as by ss -K */
	TWS_CAUSE_ICMP, /* an ICMP error, before the connection was established */
	TWS_CAUSE_END,
};

enum tws_end {
	TWS_END_UNKNOWN = 0,
	TWS_END_EXPIRED,
	TWS_END_REUSED_BY_CONNECT,
	TWS_END_REUSED_BY_SYN,
	TWS_END_RESET,
	TWS_END_PURGED,
	TWS_END_END,
};

/* tws_conn.flags, and so tws_event.flags */
#define TWS_F_ACTIVE 0x01    /* our FIN went first: FIN_WAIT1 was seen */
#define TWS_F_PASSIVE 0x02   /* the peer's FIN came first: LAST_ACK was seen */
#define TWS_F_CLOSER 0x04    /* tgid, tid, comm, … of the closer are known */
#define TWS_F_OPENER 0x08    /* opener_tgid and opener_comm are known */
#define TWS_F_SIGNALED 0x10  /* the closer was being killed by a signal */
#define TWS_F_CGROUP_V1 0x20 /* cgroup_id is of a v1 controller's hierarchy */
#define TWS_F_SOCK_CGROUP 0x40 /* cgroup_id is the socket's, not the closer's */
#define TWS_F_SNAPSHOT 0x80  /* user space found it in the kernel's table */
#define TWS_F_NO_BYTES 0x100 /* user space: how many bytes is not known */
#define TWS_F_DEAF 0x200     /* at the FIN: data that come are answered with a reset */
#define TWS_F_FIN_UNCOUNTED 0x400 /* kernel side: bytes_received has all but the peer's FIN */

/*
 * What is kept for one connection between its transitions, and sent on with
 * its event unchanged. Who closed is filled in at FIN_WAIT1 (or LAST_ACK), the
 * only moments when the current task is the closer.
 */
struct tws_conn {
	__u64 open_ns;	      /* CLOCK_MONOTONIC when opened, 0 if before tracing */
	__u64 closer_start_ns; /* the closer's start, CLOCK_BOOTTIME */
	__u64 cgroup_id;      /* 0: unknown */
	__u32 tgid;	      /* the closer, in the initial PID namespace */
	__u32 tid;
	__u32 uid;
	__u32 ns_tgid;	      /* the closer as its own PID namespace sees it */
	__u32 pid_ns;	      /* inode of the closer's PID namespace, 0: the host's */
	__u32 opener_tgid;
	char comm[TWS_COMM_LEN];	/* the closer's group leader */
	char thread_comm[TWS_COMM_LEN]; /* the closing thread */
	char opener_comm[TWS_COMM_LEN];
	__u8 side;  /* enum tws_side */
	__u8 cause; /* enum tws_cause */
	__u16 flags; /* TWS_F_* */
	__u32 ifindex; /* of the device that the socket is bound to, or of the scope of a
			* link-local address: of its network namespace; 0: none */
};

/* What is told of a connection end. */
struct tws_event {
	__u8 action;  /* enum tws_action */
	__u8 family;  /* AF_INET or AF_INET6; a v4-mapped connection is AF_INET */
	__u8 end;     /* enum tws_end, with TWS_TIME_WAIT_END */
	__u8 pad;
	__u32 error;  /* errno: sk_err, or why connect() failed; else 0 */
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 cookie; /* as in sock_diag; 0 where the kernel gives none */
	__u64 tx_bytes; /* payload sent, each byte once; with TWS_FIN what waits included */
	__u64 rx_bytes; /* payload received */
	__u32 netns;  /* inode */
	__u16 local_port; /* host byte order */
	__u16 peer_port;
	__u8 local_addr[16]; /* network byte order; IPv4 in the first four bytes */
	__u8 peer_addr[16];
	struct tws_conn conn;
};

/* Longer paths are rare: Kubernetes' have about 200 bytes, twice that in a nested
 * cluster. User space asks the kernel for what does not fit. */
#define TWS_CGROUP_PATH_LEN 512

/*
 * The ring of events, which is the ledger too: an array of a power of two of
 * these, each of three cache lines. Writers take positions by chunks, so that a
 * CPU has some records for itself; the record of position n stands at n modulo the
 * ring's size, over the oldest one. Nothing else is ever removed, so that what a
 * reader has read is still there for `twsnoop list`. A second ring of the same make
 * has struct tws_ending. (Before Linux 5.12 there is the kernel's ring buffer.)
 */
struct tws_record {
	struct tws_event event;
	__u64 seq; /* position + 1 once it is whole, 0: being written */
};

#define TWS_CHUNK 16 /* positions */

enum tws_ring_index { TWS_RING_EVENTS, TWS_RING_ENDS, TWS_RINGS };

/* Of tws_heads: the two rings', and that of the log of cgroups. */
enum tws_head_index { TWS_HEAD_CGROUPS = TWS_RINGS, TWS_HEADS };

/* The next position that no chunk has, in a line of its own for each ring. That of the log
 * of cgroups, which is written one record at a time: what it stands at is not written yet. */
struct tws_head {
	__u64 next;
	__u64 pad[7];
};

/*
 * Where a program runs that writes: on each CPU one at a time of each kind. TWS_DROP: at
 * another tracepoint, in either. TWS_CALL: at the end of a system call.
 */
enum tws_writer { TWS_PROCESS, TWS_SOFTIRQ, TWS_DROP, TWS_CALL, TWS_WRITERS };

#define TWS_CACHED 8 /* entries */

struct tws_cached_cgroup {
	__u64 of; /* a number for an address */
	__u64 id;
};

/*
 * What each CPU has for itself: where its writers are, and what the programs would
 * else look up in pages that nothing else on their way touches.
 */
struct tws_cpu {
	struct {
		__u64 next; /* in the writer's chunk; at a chunk's begin: it has none */
		__u64 made; /* records so far that tell an outcome: what can be lost */
		__u64 asked_ns; /* when the writer last asked how far the others are, CLOCK_MONOTONIC */
		union {
			__u64 handled; /* TWS_RING_ENDS, TWS_SOFTIRQ: see was_handled() */
			/* TWS_RING_EVENTS, with a filter: TWS_FIN records so far */
			__u64 fins;
		};
	} ring[TWS_RINGS][TWS_WRITERS];
	/* With tws_settings.attached, when the newest record was made that each of them has
	 * written over, CLOCK_MONOTONIC. Everything newer than all of these is still there. */
	__u64 written_over_ns[TWS_RINGS][TWS_WRITERS];
	__u64 noted_process; /* the last one that was: see bpf/process.h */
	__u64 netns[TWS_CACHED]; /* the low half of a namespace's cookie, and its inode */
	__u64 cgroup_epoch; /* of the rest: see bpf/percpu.h */
	struct tws_cached_cgroup cgroups[TWS_CACHED];
	/* TWS_LISTEN and TWS_UNLISTEN records so far, those that are being written included. In
	 * the last line: they are rare. */
	__u64 listens[TWS_WRITERS];
};

/* What a process was started as, for who reads of it when it has gone. */
#define TWS_ARGS_LEN 256

struct tws_proc_key {
	__u64 start_ns; /* as tws_conn.closer_start_ns */
	__u32 tgid;
	__u32 pad;
};

struct tws_proc {
	__u32 len;		 /* of args; 0: could not be read, TWS_ARGS_LEN: perhaps cut */
	__u32 exec_id;		 /* task_struct.self_exec_id: each exec() changes it */
	char comm[TWS_COMM_LEN]; /* when the arguments were read */
	char args[TWS_ARGS_LEN]; /* each ends in a NUL, as in /proc/PID/cmdline */
};

/* What is pinned beside the ledger, so that another twsnoop knows what it is. */
#define TWS_META_MAGIC 0x7265676465737774ULL
#ifndef TWS_LAYOUT /* a test makes a twsnoop of another one */
#define TWS_LAYOUT 6 /* of all that list reads out of the kernel: tests/unit/capture/test_abi.c */
#endif
#define TWS_LAYOUT_ENDED 6 /* since which there is ended_ns, at its place */

/* Until ended_ns it is the same in every layout. */
struct tws_meta {
	__u64 magic;
	__u32 layout;	/* TWS_LAYOUT of who made it */
	__u32 flags;	/* TWS_META_* */
	__u64 wall_ns;	/* when it was attached, since the epoch */
	__u64 time_ns;	/* the same in CLOCK_MONOTONIC; 0: loaded, and not attached yet */
	__u64 entries;	/* of the ring of events, or of tws_owners */
	char version[32]; /* of twsnoop, ends in a NUL */
	__u64 ended_ns;	/* CLOCK_MONOTONIC: when it began to be detached, 0: it was not */
	__u64 endings;	/* of the ring of ends */
	__u32 connections; /* that are watched at once */
	__s32 v1_subsys; /* as in struct tws_settings, -1: cgroups are of v2 */
	__u32 cgroup_hierarchy; /* likewise */
	__u32 pad;
};

#define TWS_META_LEGACY 0x1   /* tws_owners instead of tws_events */
#define TWS_META_ATTACHED 0x2 /* made by `twsnoop attach`: anybody may read */
#define TWS_META_ALL 0x4      /* every outcome is recorded */
#define TWS_META_FILTER 0x8   /* and only what a filter lets pass */
#define TWS_META_RX_SK 0x10   /* kfree_skb names the socket: as in struct tws_settings */
#define TWS_META_CALLS 0x40   /* failures that no transition shows are recorded: bpf/call.h */
#define TWS_META_SKIPS 0x20   /* a transition may be seen by no program: kernel__skips_matter() */

/* A cgroup of the hierarchy that tws_conn.cgroup_id is of came or went. */
struct tws_cgroup {
	__u8 action; /* enum tws_cgroup_action; at the same place as tws_event's */
	__u8 pad[7];
	__u64 id;
	char path[TWS_CGROUP_PATH_LEN]; /* from the root; "" if too long */
};

/* The log of cgroups, a ring like the others but without chunks: the kernel has them come
 * and go one at a time. */
struct tws_cgroup_record {
	struct tws_cgroup cgroup;
	__u64 seq; /* as tws_record.seq */
};

#define TWS_CGROUP_RECORDS 1024

/* The identity of a connection end among all live sockets of the host. */
struct tws_key {
	__u8 local_addr[16]; /* as in struct tws_event */
	__u8 peer_addr[16];
	__u32 netns;
	__u32 ifindex; /* as tws_conn.ifindex: two devices may have the same addresses */
	__u16 local_port;
	__u16 peer_port;
	__u32 pad;
};

/*
 * What became of a connection whose TWS_FIN event was sent: one cache line. Owner and
 * addresses are joined to it in user space, by @id, because the two are told on two
 * CPUs more often than not, and cache lines that come over from the other one are what
 * most of the time goes into. A socket that is connected anew, after connect(AF_UNSPEC),
 * keeps its cookie: the ports and a hash of the peer's address tell its lives apart.
 */
struct tws_ending {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 id;      /* the cookie of the TWS_FIN event */
	__u64 unsent_bytes; /* of the tx_bytes of TWS_FIN: payload that never left this host */
	__u64 rx_bytes;
	__u32 error;
	__u16 local_port; /* host byte order */
	__u16 peer_port;
	__u32 peer_hash; /* see tws_peer_hash() */
	__u8 action; /* enum tws_action: an outcome, TWS_ENTERED or TWS_GONE */
	__u8 pad[11];
	__u64 seq; /* as tws_record.seq */
};

/* Of an address as in struct tws_event, by its words. */
static inline __attribute__((always_inline)) __u32 tws_peer_hash(const __u32 *words)
{
	return words[0] ^ words[1] ^ words[2] ^ words[3];
}

/*
 * What user space prints, or counts as lost; @all as in struct tws_settings. A macro, so
 * that it is read only where it matters: the kernel side's is volatile, and would be
 * loaded for every record.
 */
#define TWS_IS_OUTCOME(action, all)                                            \
	((action) == TWS_TIME_WAIT || (action) == TWS_ENTERED ||               \
	 ((action) == TWS_FIN_WAIT2 && (all)) ||                               \
	 ((action) >= TWS_RESET && (action) <= TWS_BIND_FAILED))

/* A FIN_WAIT2 mini-socket, on kernels whose kfree_skb does not name it. */
struct tws_pending {
	__u64 tw; /* the kernel's address of it: opaque */
	__u64 id; /* as in struct tws_ending */
	__u64 cookie; /* 0: it has none */
	__u64 time_ns;
};

/* Counters, one set per CPU. */
struct tws_counters {
	__u64 event_lost;  /* outcomes that found no room: in the kernel's ring buffer */
	__u64 table_full;     /* connections for which a table had no room */
	__u64 walk_failed;    /* closes of which the hash table did not tell the end */
	__u64 cgroup_lost;    /* struct tws_cgroup records that found the ring full */
	__u64 young_lost;     /* attached: records written over within a minute, by chunks */
};

/* ---- settings, fixed before the programs are loaded ---- */

#define TWS_MAX_FILTER 16 /* entries of each list of a filter, but of */
#define TWS_MAX_PIDS 1024 /* processes */

struct tws_prefix {
	__u8 addr[16]; /* IPv4 in the first four bytes; bits past len are 0 */
	__u8 family;   /* 0: any address, only the port counts */
	__u8 len;      /* prefix length in bits */
	__u16 port;    /* host byte order, 0: any */
	__u16 last_port; /* of the range that begins with it; the same: only that one */
	__u16 pad;
	__u32 ifindex; /* of the device that the socket is bound to, 0: any, or none */
	__u32 netns;   /* with ifindex: where it has that number, 0: in any namespace */
};

/*
 * What an event must match to be sent: all of the criteria that are set. Of each list the
 * first not_… of the num_… entries exclude: what matches one of them does not pass. What
 * matches none passes if it matches one of the others, or there are no others.
 */
struct tws_filter {
	__u32 num_pids, num_comms, num_locals, num_peers, num_netns;
	__u32 not_pids, not_comms, not_locals, not_peers, not_netns;
	__u8 family; /* 0: both */
	__u8 side;   /* 0: all */
	__u8 by_cgroup; /* only cgroups in the map tws_cgroups */
	__u8 pad[5];
	__u32 pids[TWS_MAX_PIDS]; /* for the kernel side also in the map tws_pids */
	__u32 netns[TWS_MAX_FILTER];
	char comms[TWS_MAX_FILTER][TWS_COMM_LEN]; /* zero-padded */
	struct tws_prefix locals[TWS_MAX_FILTER];
	struct tws_prefix peers[TWS_MAX_FILTER];
};

/*
 * Constant once the programs are loaded: the verifier removes the branches
 * that are off, so that they cost nothing and need not be possible on this
 * kernel.
 */
struct tws_settings {
	__u8 all;	   /* every outcome, not only TIME_WAIT */
	__u8 has_task_btf; /* bpf_get_current_task_btf(), 5.11 */
	__u8 has_cookie;   /* bpf_get_socket_cookie() in tracing, 5.12 */
	__u8 has_rx_sk;	   /* kfree_skb names the socket, 6.11 */
	__u8 has_filter;
	__u8 cgroup_v1;	   /* containers are told apart by a v1 controller */
	__u8 v1_subsys;	   /* its index in css_set.subsys[] */
	__u8 attached;	   /* by `twsnoop attach`: it stays, and anybody may read, or nobody. Before
			    * 5.12 nobody can: then only what a ledger needs is recorded */
	__u32 open_mask;   /* entries of the table of connections, less one */
	__u32 end_mask;	   /* records of the ring of ends, less one */
	__u32 cgroup_hierarchy; /* cgroup_root.hierarchy_id of it; v2: 0 */
	__u32 event_mask;  /* records of the ring, less one */
	__u8 sees_rmdir;   /* tws_cgroup_rmdir is attached, before all others */
	__u8 sees_calls;   /* connect() and bind() are looked at: see bpf/call.h */
	__u8 has_task_storage; /* bpf_task_storage_get() in such programs, 5.13; not used for
				* real-time kernels */
	__u8 may_miss;	   /* a transition may be seen by no program (7.0): entries of the table of
			    * connections are not trusted by the socket's address alone */
	__u8 pad[4];
	struct tws_filter filter;
};

#endif
