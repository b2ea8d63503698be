/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's types that bpf/ needs, for x86_64. Generated, not to be edited:
 * add what is missing to vmlinux/types.txt and run vmlinux/update.sh, or
 *     vmlinux/generate.py --arch x86_64 --btf FILE
 * with any kernel's BTF. Structs have only the fields that types.txt lists, and
 * sizeof and offsets are not the kernel's: CO-RE puts each access right.
 *
 * BTF: linux-image-6.1.0-50-cloud-amd64 6.1.176-1
 * types.txt: 780a451296444157
 * text: 6af68ab6152692f0
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_iter_meta;
struct cgroup;
struct cgroup_root;
struct cgroup_subsys_state;
struct cred;
struct css_set;
struct fdtable;
struct file;
struct files_struct;
struct hlist_node;
struct hlist_nulls_node;
struct inet_bind_hashbucket;
struct inet_ehash_bucket;
struct inet_hashinfo;
struct inode;
struct kernfs_node;
struct mm_struct;
struct net;
struct net_device;
struct nsproxy;
struct pid;
struct pid_namespace;
struct proto;
struct request_sock;
struct seq_file;
struct sock;
struct sock_common;
struct socket;
struct task_struct;
struct tcp_fastopen_request;

enum bpf_map_type {
	BPF_MAP_TYPE_UNSPEC = 0,
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_STACK_TRACE = 7,
	BPF_MAP_TYPE_CGROUP_ARRAY = 8,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LRU_PERCPU_HASH = 10,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_HASH_OF_MAPS = 13,
	BPF_MAP_TYPE_DEVMAP = 14,
	BPF_MAP_TYPE_SOCKMAP = 15,
	BPF_MAP_TYPE_CPUMAP = 16,
	BPF_MAP_TYPE_XSKMAP = 17,
	BPF_MAP_TYPE_SOCKHASH = 18,
	BPF_MAP_TYPE_CGROUP_STORAGE = 19,
	BPF_MAP_TYPE_REUSEPORT_SOCKARRAY = 20,
	BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE = 21,
	BPF_MAP_TYPE_QUEUE = 22,
	BPF_MAP_TYPE_STACK = 23,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_DEVMAP_HASH = 25,
	BPF_MAP_TYPE_STRUCT_OPS = 26,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_INODE_STORAGE = 28,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
	BPF_MAP_TYPE_BLOOM_FILTER = 30,
	BPF_MAP_TYPE_USER_RINGBUF = 31,
};

enum sock_flags {
	SOCK_DEAD = 0,
	SOCK_DONE = 1,
	SOCK_LINGER = 4,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_EXIST = 2,
	BPF_F_LOCK = 4,
};

enum {
	BPF_F_INDEX_MASK = 4294967295,
	BPF_F_CURRENT_CPU = 4294967295,
	BPF_F_CTXLEN_MASK = 4503595332403200,
};

enum {
	BPF_F_NO_PREALLOC = 1,
	BPF_F_NO_COMMON_LRU = 2,
	BPF_F_NUMA_NODE = 4,
	BPF_F_RDONLY = 8,
	BPF_F_WRONLY = 16,
	BPF_F_STACK_BUILD_ID = 32,
	BPF_F_ZERO_SEED = 64,
	BPF_F_RDONLY_PROG = 128,
	BPF_F_WRONLY_PROG = 256,
	BPF_F_CLONE = 512,
	BPF_F_MMAPABLE = 1024,
	BPF_F_PRESERVE_ELEMS = 2048,
	BPF_F_INNER_MAP = 4096,
};

enum {
	BPF_RB_AVAIL_DATA = 0,
	BPF_RB_RING_SIZE = 1,
	BPF_RB_CONS_POS = 2,
	BPF_RB_PROD_POS = 3,
};

enum {
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
};

enum {
	BPF_RINGBUF_BUSY_BIT = 2147483648,
	BPF_RINGBUF_DISCARD_BIT = 1073741824,
	BPF_RINGBUF_HDR_SZ = 8,
};

enum {
	BPF_TCP_ESTABLISHED = 1,
	BPF_TCP_SYN_SENT = 2,
	BPF_TCP_SYN_RECV = 3,
	BPF_TCP_FIN_WAIT1 = 4,
	BPF_TCP_FIN_WAIT2 = 5,
	BPF_TCP_TIME_WAIT = 6,
	BPF_TCP_CLOSE = 7,
	BPF_TCP_CLOSE_WAIT = 8,
	BPF_TCP_LAST_ACK = 9,
	BPF_TCP_LISTEN = 10,
	BPF_TCP_CLOSING = 11,
	BPF_TCP_NEW_SYN_RECV = 12,
	BPF_TCP_MAX_STATES = 13,
};

enum {
	false = 0,
	true = 1,
};

typedef short unsigned int __u16;
typedef __u16 __be16;
typedef unsigned int __u32;
typedef __u32 __be32;
typedef long long unsigned int __u64;
typedef __u64 __be64;
typedef short int __s16;
typedef int __s32;
typedef long long int __s64;
typedef signed char __s8;
typedef __u16 __sum16;
typedef unsigned char __u8;
typedef __u32 __wsum;
typedef __s64 s64;

typedef struct {
	s64 counter;
} atomic64_t;

typedef struct {
	int counter;
} atomic_t;

typedef _Bool bool;
typedef unsigned int __kernel_uid32_t;
typedef __kernel_uid32_t uid_t;

typedef struct {
	uid_t val;
} kuid_t;

typedef struct {
	struct net *net;
} possible_net_t;

struct refcount_struct {
	atomic_t refs;
};

typedef struct refcount_struct refcount_t;
typedef __s16 s16;
typedef __s32 s32;
typedef __s8 s8;
typedef long unsigned int __kernel_ulong_t;
typedef __kernel_ulong_t __kernel_size_t;
typedef __kernel_size_t size_t;

typedef struct {
	int owned;
} socket_lock_t;

typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __u8 u8;

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
	uid_t uid;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct cred {
	kuid_t uid;
};

struct css_set {
	struct cgroup_subsys_state *subsys[14];
	struct cgroup *dfl_cgrp;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct file {
	struct inode *f_inode;
	void *private_data;
};

struct files_struct {
	struct fdtable *fdt;
};

struct hlist_head {
	struct hlist_node *first;
};
_Static_assert(sizeof(struct hlist_head) == 8, "struct hlist_head");

struct hlist_node {
	struct hlist_node *next;
	struct hlist_node **pprev;
};
_Static_assert(sizeof(struct hlist_node) == 16, "struct hlist_node");

struct hlist_nulls_head {
	struct hlist_nulls_node *first;
};
_Static_assert(sizeof(struct hlist_nulls_head) == 8, "struct hlist_nulls_head");

struct hlist_nulls_node {
	struct hlist_nulls_node *next;
	struct hlist_nulls_node **pprev;
};
_Static_assert(sizeof(struct hlist_nulls_node) == 16, "struct hlist_nulls_node");

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be16 u6_addr16[8];
		__be32 u6_addr32[4];
	} in6_u;
};

struct inet_bind_bucket {
	possible_net_t ib_net;
	int l3mdev;
	short unsigned int port;
	signed char fastreuse;
	signed char fastreuseport;
	struct hlist_node node;
	struct hlist_head owners;
};

struct inet_bind_hashbucket {
	struct hlist_head chain;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	unsigned int skc_hash;
	__be16 skc_dport;
	__u16 skc_num;
	short unsigned int skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_ipv6only: 1;
	int skc_bound_dev_if;
	struct hlist_node skc_bind_node;
	struct proto *skc_prot;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	long unsigned int skc_flags;
	struct hlist_nulls_node skc_nulls_node;
};

struct sk_buff_head {
	__u32 qlen;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	struct sk_buff_head sk_write_queue;
	u16 sk_type;
	u16 sk_protocol;
	long unsigned int sk_lingertime;
	int sk_err;
	int sk_err_soft;
	u32 sk_max_ack_backlog;
	kuid_t sk_uid;
	u8 sk_shutdown;
	struct socket *sk_socket;
	struct sock_cgroup_data sk_cgrp_data;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct inet_ehash_bucket {
	struct hlist_nulls_head chain;
};
_Static_assert(sizeof(struct inet_ehash_bucket) == 8, "struct inet_ehash_bucket");

struct inet_hashinfo {
	struct inet_ehash_bucket *ehash;
	unsigned int ehash_mask;
	struct inet_bind_hashbucket *bhash;
	unsigned int bhash_size;
};

struct inet_timewait_death_row {
	refcount_t tw_refcount;
	struct inet_hashinfo *hashinfo;
	int sysctl_max_tw_buckets;
};

struct timer_list {
	long unsigned int expires;
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
	volatile unsigned char tw_substate;
	struct timer_list tw_timer;
};

typedef short unsigned int umode_t;

struct inode {
	umode_t i_mode;
	long unsigned int i_ino;
};

struct iphdr {
	__u8 ihl: 4;
	__u8 version: 4;
	__u8 tos;
	__be16 tot_len;
	__be16 id;
	__be16 frag_off;
	__u8 ttl;
	__u8 protocol;
	__sum16 check;
	union {
		struct {
			__be32 saddr;
			__be32 daddr;
		};
		struct {
			__be32 saddr;
			__be32 daddr;
		} addrs;
	};
};
_Static_assert(sizeof(struct iphdr) == 20, "struct iphdr");

struct ipv6hdr {
	__u8 priority: 4;
	__u8 version: 4;
	__u8 flow_lbl[3];
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	union {
		struct {
			struct in6_addr saddr;
			struct in6_addr daddr;
		};
		struct {
			struct in6_addr saddr;
			struct in6_addr daddr;
		} addrs;
	};
};
_Static_assert(sizeof(struct ipv6hdr) == 40, "struct ipv6hdr");

struct kernfs_node {
	u64 id;
};

struct mm_struct {
	long unsigned int arg_start;
	long unsigned int arg_end;
};

struct ns_common {
	unsigned int inum;
};

struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row;
};

struct net {
	struct ns_common ns;
	u32 hash_mix;
	struct netns_ipv4 ipv4;
	u64 net_cookie;
};

struct net_device {
	possible_net_t nd_net;
};

struct nsproxy {
	struct net *net_ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};
_Static_assert(sizeof(struct upid) == 16, "struct upid");

struct pid {
	unsigned int level;
	struct upid numbers[0];
};

struct pid_namespace {
	struct ns_common ns;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned int len;
	int skb_iif;
	__be16 protocol;
	__u16 transport_header;
	__u16 network_header;
	unsigned char *head;
	unsigned char *data;
};

struct socket {
	struct file *file;
	struct sock *sk;
};

typedef int __kernel_pid_t;
typedef __kernel_pid_t pid_t;

struct task_struct {
	unsigned int flags;
	struct mm_struct *mm;
	int exit_code;
	pid_t pid;
	pid_t tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	u64 start_boottime;
	const struct cred *cred;
	char comm[16];
	struct files_struct *files;
	struct nsproxy *nsproxy;
	u64 self_exec_id;
	struct css_set *cgroups;
};

struct tcp_request_sock {
	u64 snt_synack;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u64 bytes_received;
	u32 rcv_nxt;
	u32 snd_nxt;
	u32 segs_out;
	u64 bytes_sent;
	u64 bytes_acked;
	u32 snd_una;
	u32 snd_wl1;
	u64 tcp_clock_cache;
	u32 packets_out;
	u32 write_seq;
	u64 bytes_retrans;
	int linger2;
	struct tcp_fastopen_request *fastopen_req;
	struct request_sock *fastopen_rsk;
};

struct tcphdr {
	__be16 source;
	__be16 dest;
	__be32 seq;
	__be32 ack_seq;
	__u16 res1: 4;
	__u16 doff: 4;
	__u16 fin: 1;
	__u16 syn: 1;
	__u16 rst: 1;
	__u16 psh: 1;
	__u16 ack: 1;
	__u16 urg: 1;
	__u16 ece: 1;
	__u16 cwr: 1;
	__be16 window;
	__sum16 check;
	__be16 urg_ptr;
};
_Static_assert(sizeof(struct tcphdr) == 20, "struct tcphdr");

struct trace_event_raw_sys_enter {
	long unsigned int args[6];
};

struct trace_event_raw_sys_exit {
	long int ret;
};

#pragma clang attribute pop

#endif
