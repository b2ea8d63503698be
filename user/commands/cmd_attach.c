// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop attach and twsnoop detach: the kernel keeps the owners of closed
 * connections by itself, until told otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "commands/command.h"
#include "base/escape.h"
#include "host/bpffs.h"
#include "host/kernel.h"
#include "host/netlimits.h"
#include "commands/options.h"
#include "commands/said.h"
#include "capture/calls.h"
#include "capture/connections.h"
#include "capture/pins.h"
#include "host/quiet.h"
#include "capture/tracer.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN_OWNERS (1ULL << 14)
#define MAX_OWNERS (1ULL << 22)
#define MAX_RING_BYTES (1ULL << 30) /* the largest power of two that is not cut */
#define MIB (1024.0 * 1024.0)

struct attach_options {
	bool all, syscalls;
	uint64_t size, ring_bytes;
	uint64_t max_connections;
	const char *bpffs; /* NULL: the usual place */
};

static const struct option_spec attach_table[] = {
	{ 'a', "all", NULL, "record every way in which a connection can end", option__flag,
	  offsetof(struct attach_options, all) },
	{ 0, "syscalls", NULL, "with --all: also bind() that fails, and connect() that finds no way\n"
	  "there; every system call of the host takes 40 to 50 ns longer", option__flag,
	  offsetof(struct attach_options, syscalls) },
	{ 0, "size", "N", "closes that are kept, rounded up to a power of two\n"
	  "(default: net.ipv4.tcp_max_tw_buckets)",
	  option__count, offsetof(struct attach_options, size) },
	{ 0, "ring-size", "SIZE", "the same by the memory that their ring takes, a power of two",
	  option__size, offsetof(struct attach_options, ring_bytes) },
	{ 0, "max-connections", "N", "that are watched at once\n"
	  "(default: 262144 to 1048576, by the host's memory)",
	  option__count, offsetof(struct attach_options, max_connections) },
	{ 0, "bpffs", "DIR", "where a bpffs is mounted\n"
	  "(default: " PINS_BPFFS ", and it is mounted there if it is not)",
	  option__string, offsetof(struct attach_options, bpffs) },
	{ 0 },
};

static const struct option_spec detach_table[] = {
	{ 0, "bpffs", "DIR", "where a bpffs is mounted (default " PINS_BPFFS ")", option__string,
	  offsetof(struct attach_options, bpffs) },
	{ 0 },
};

/* ---- what is said ---- */

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line on stderr. */
static void complain(const char *format, ...)
{
	va_list ap;

	fputs("twsnoop: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* One on stdout. Returns the exit status. */
static int say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int say(const char *format, ...)
{
	va_list ap;

	fputs("twsnoop: ", stdout);
	va_start(ap, format);
	vfprintf(stdout, format, ap);
	va_end(ap);
	fputc('\n', stdout);
	return said__flush();
}

/* Why nothing can be done below @bpffs. */
static void complain_of(const char *bpffs, const char *what, int err)
{
	char dir[256];

	escape__quote(dir, sizeof(dir), bpffs);
	if (err == -ENODEV)
		complain("cannot %s: no bpffs is mounted at %s: mount -t bpf bpf %s", what, dir, dir);
	else if (err == -EKEYREJECTED)
		complain("cannot %s: what is at %s/" LEDGER_FOLDER "* is not root's alone, and is "
			 "not trusted: look at it, and remove it", what, dir);
	else if (err == -EBUSY)
		complain("cannot %s: another 'twsnoop attach' is at work", what);
	else if (err == -EPERM || err == -EACCES)
		complain("cannot %s: %s below %s: run as root", what, strerror(-err), dir);
	else
		complain("cannot %s below %s: %s", what, dir, strerror(-err));
}

static void complain_of_another(const struct pins_status *status)
{
	char since[PINS_SINCE_BYTES], version[64];

	escape__quote(version, sizeof(version), status->meta.version);
	pins__since(&status->meta, since);
	if (status->state == PINS_OTHER)
		complain("already attached, by twsnoop %s, whose ledger has another layout: 'twsnoop "
			 "detach', then attach again", version);
	else
		complain("already attached since %s, by twsnoop %s: 'twsnoop detach' ends it", since,
			 version);
}

/* Something else made it: an attach or detach that is interrupted has other names for it. */
static void complain_of_half(const char *bpffs)
{
	char dir[256];

	complain("cannot attach: what is at %s/" LEDGER_FOLDER " is no whole recorder: 'twsnoop "
		 "detach' removes it", escape__quote(dir, sizeof(dir), bpffs));
}

/* ---- attaching ---- */

/* Those of the initial namespace if it may be entered, else of our own. */
static uint64_t timewait_limit(void)
{
	struct netlimits limits;
	int fd = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);
	uint64_t buckets = 0;

	if ((fd >= 0 && !netlimits__read(&limits, fd, "/proc", false)) ||
	    !netlimits__read(&limits, -1, "/proc", false)) {
		buckets = limits.max_tw_buckets;
		netlimits__free(&limits);
	}
	if (fd >= 0)
		close(fd);
	return buckets;
}

static uint64_t owners_for(const struct attach_options *opts)
{
	uint64_t by_bytes = opts->ring_bytes / sizeof(struct tws_record);
	uint64_t wanted, owners = MIN_OWNERS;

	/* Of a size that is asked for no more than it is taken. */
	if (opts->ring_bytes)
		wanted = by_bytes / 2 + 1;
	else
		wanted = opts->size ?: timewait_limit();
	while (owners < wanted && owners < MAX_OWNERS)
		owners *= 2;
	return owners;
}

/* Whether there is room for a new one. @mount: a bpffs that is not there will be mounted. */
static int look_first(const char *bpffs, bool mount)
{
	struct pins_status status;
	int err = pins__status(bpffs, &status);

	if (err == -ENODEV && mount)
		return 0;

	/* Whoever may not even look is told by the kernel's answers what is missing. */
	if (err == -EPERM || err == -EACCES)
		return 0;
	if (err) {
		complain_of(bpffs, "attach", err);
		return err;
	}
	switch (status.state) {
	case PINS_ATTACHED:
	case PINS_OTHER:
		complain_of_another(&status);
		return -EEXIST;
	case PINS_FOREIGN:
		complain_of(bpffs, "attach", -EKEYREJECTED);
		return -EKEYREJECTED;
	case PINS_BUSY:
		complain_of(bpffs, "attach", -EBUSY);
		return -EBUSY;
	default:
		return 0;
	}
}

/* If they were asked for, and something stands in the way, the ledger is not what was wanted. */
static bool complain_of_calls(const struct attach_options *opts, const struct tracer *tracer)
{
	const struct calls_obstacle *obstacle =
		opts->syscalls && tracer ? tracer__calls_obstacle(tracer) : NULL;

	if (obstacle)
		complain("cannot attach with --syscalls: %s: %s", obstacle->what, obstacle->remedy);
	return obstacle;
}

static int load(struct tracer **tracer, const struct attach_options *opts)
{
	static struct kernel kernel;
	const struct tracer_options options = {
		.kernel = &kernel,
		.attached = true,
		.all = opts->all,
		.calls = opts->syscalls,
		.entries = owners_for(opts),
		.max_connections = opts->max_connections,
	};
	const char *why;
	int err;

	kernel__probe(&kernel, "/sys", "/proc");
	why = kernel__why_not(&kernel);
	if (why) {
		complain("cannot attach: %s", why);
		return -EPERM;
	}
	if (geteuid()) {
		complain("cannot attach: a ledger is root's alone: run as root");
		return -EPERM;
	}
	quiet__begin();
	err = tracer__new(tracer, &options);
	if (err)
		complain("cannot load the BPF programs: %s: %s", strerror(-err),
			 kernel__why_not_loaded(&kernel, -err));
	return err ?: complain_of_calls(opts, *tracer) ? -EOPNOTSUPP : 0;
}

/* Half of an attach would be cleaned up by the next; it need not come to that. */
static int pin(const char *bpffs, struct tracer *tracer, const struct attach_options *opts)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	err = pins__attach(bpffs, tracer);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (err == -EEXIST) {
		if (!look_first(bpffs, false))
			complain_of_half(bpffs);
	} else if (err && !complain_of_calls(opts, tracer)) {
		complain_of(bpffs, "attach", err);
	}
	return err;
}

/* On a bare machine: what is to be pinned is loaded already, so that this is not for nothing.
 * Where it is not allowed, pin() says what to do. */
static void mount_bpffs(void)
{
	if (!bpffs__mount())
		complain("no bpffs was mounted: mounted one at " BPFFS_PLACE);
}

static int say_attached(const char *bpffs)
{
	char since[PINS_SINCE_BYTES];
	struct pins_status status;
	int err = pins__status(bpffs, &status);

	if (err || status.state != PINS_ATTACHED) {
		complain_of(bpffs, "look at what was attached", err ?: -ENOENT);
		return 1;
	}
	return say("attached at %s: the owners of the last %" PRIu64 " closes are kept, in %.1f MiB "
		   "of kernel memory", pins__since(&status.meta, since),
		   (uint64_t)status.meta.entries, status.memory_bytes / MIB);
}

int cmd_attach(int argc, char **argv)
{
	struct attach_options opts = {};
	const struct option_part parts[] = { { NULL, attach_table, &opts } };
	const struct command_spec spec = {
		"attach", "[OPTION]...",
		"Let the kernel record closes from now on, with no process of ours running: 'twsnoop\n"
		"list' knows the owners then, and 'twsnoop trace' reads it, any number at once, and\n"
		"looks back in it. 'twsnoop detach' ends it.",
		parts, ARRAY_SIZE(parts),
	};
	int rc = options__parse(&spec, argc, argv, NULL), err;
	const char *bpffs = opts.bpffs ?: PINS_BPFFS;
	struct tracer *tracer = NULL;

	if (rc != OPTIONS_OK)
		return options__exit_status(rc);
	if (opts.size > MAX_OWNERS)
		return options__exit_status(options__complain(
			&spec, "--size: at most %llu", MAX_OWNERS));
	if (opts.syscalls && !opts.all)
		return options__exit_status(options__complain(&spec, "--syscalls: only with --all"));
	if (opts.size && opts.ring_bytes)
		return options__exit_status(options__complain(
			&spec, "--size and --ring-size say the same"));
	if (opts.ring_bytes & (opts.ring_bytes - 1))
		return options__exit_status(options__complain(
			&spec, "--ring-size: not a power of two"));
	if (opts.ring_bytes > MAX_RING_BYTES)
		return options__exit_status(options__complain(
			&spec, "--ring-size: at most %lluG", MAX_RING_BYTES >> 30));
	if (opts.max_connections > CONNECTIONS_MAX)
		return options__exit_status(options__complain(
			&spec, "--max-connections: at most %u", CONNECTIONS_MAX));
	err = look_first(bpffs, !opts.bpffs) ?: load(&tracer, &opts);
	if (!err && !opts.bpffs)
		mount_bpffs();
	err = err ?: pin(bpffs, tracer, &opts);
	tracer__free(tracer);
	return err ? 1 : say_attached(bpffs);
}

/* ---- detaching ---- */

/* What has ended, as far as it could be read. */
static int say_detached(const struct pins_status *was)
{
	char since[PINS_SINCE_BYTES];

	if (was->state != PINS_ATTACHED && was->state != PINS_OTHER)
		return say("removed what an interrupted attach or detach had left");
	return say("detached what was attached since %s", pins__since(&was->meta, since));
}

int cmd_detach(int argc, char **argv)
{
	struct attach_options opts = {};
	const struct option_part parts[] = { { NULL, detach_table, &opts } };
	const struct command_spec spec = {
		"detach", "[OPTION]...",
		"Remove what 'twsnoop attach' has left in the kernel, of whatever version, and what\n"
		"an interrupted one has. No error if there is nothing.",
		parts, ARRAY_SIZE(parts),
	};
	int rc = options__parse(&spec, argc, argv, NULL), err;
	const char *bpffs = opts.bpffs ?: PINS_BPFFS;
	struct pins_status was = {};

	if (rc != OPTIONS_OK)
		return options__exit_status(rc);
	pins__status(bpffs, &was);
	err = pins__detach(bpffs);
	/* Where no bpffs is mounted, and none was asked for, nothing is attached. */
	if (err == -ENOENT || (err == -ENODEV && !opts.bpffs))
		return say("nothing is attached");
	if (!err)
		return say_detached(&was);
	complain_of(bpffs, "detach", err);
	return 1;
}
