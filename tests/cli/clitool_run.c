// SPDX-License-Identifier: GPL-2.0
#include "clitool.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/xattr.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const struct {
	const char *name;
	int cap;
} cap_names[] = {
	{ "bpf", CAP_BPF },
	{ "perfmon", CAP_PERFMON },
	{ "sys_admin", CAP_SYS_ADMIN },
	{ "sys_ptrace", CAP_SYS_PTRACE },
	{ "sys_resource", CAP_SYS_RESOURCE },
	{ "dac_read_search", CAP_DAC_READ_SEARCH },
};

static uint64_t parse_caps(char *list)
{
	uint64_t mask = 0;
	char *save;

	if (!strcmp(list, "none"))
		return 0;
	for (char *word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		uint64_t before = mask;

		for (size_t i = 0; i < sizeof(cap_names) / sizeof(cap_names[0]); i++)
			if (!strcmp(word, cap_names[i].name))
				mask |= 1ULL << cap_names[i].cap;
		errno = 0;
		if (mask == before)
			die(word);
	}
	return mask;
}

static int run(char **argv)
{
	execvp(argv[0], argv);
	die(argv[0]);
}

/* The alarm outlives exec: a program that hangs is killed. */
int tool__limit(int argc, char **argv)
{
	if (argc < 1)
		die("limit PROGRAM...");
	alarm(DEADLINE_S);
	return run(argv);
}

int tool__on_cpu(int argc, char **argv)
{
	cpu_set_t cpus;

	if (argc < 2)
		die("on-cpu N PROGRAM...");
	CPU_ZERO(&cpus);
	CPU_SET(number(argv[0]), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		return 77;
	return run(argv + 1);
}

int tool__netns(int argc, char **argv)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (argc < 1)
		die("netns PROGRAM...");
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("unshare");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		die("lo");
	return run(argv);
}

/* How old the younger of the two clocks is, which no shift may bring below 0. */
static long clock_age_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long)ts.tv_sec;
}

static pid_t shifted;

static void pass_on(int signal)
{
	kill(shifted, signal);
}

static void wait_for_shifted(void)
{
	int status;

	while (waitpid(shifted, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Only children are in the new namespace; they end with this process. */
int tool__time_shift(int argc, char **argv)
{
	sigset_t set, before;
	long shift_s;
	FILE *f;

	if (argc < 2)
		die("time-shift SECONDS|young PROGRAM...");
	shift_s = strcmp(argv[0], "young") ? (long)number(argv[0]) : 1 - clock_age_s();
	if (access("/proc/self/timens_offsets", F_OK) || unshare(CLONE_NEWTIME))
		return 77;
	f = fopen("/proc/self/timens_offsets", "we");
	if (!f || fprintf(f, "monotonic %ld 0\nboottime %ld 0\n", shift_s, shift_s) < 0 || fclose(f))
		die("timens_offsets");
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	shifted = fork();
	if (shifted < 0)
		die("fork");
	if (shifted) {
		signal(SIGINT, pass_on);
		signal(SIGTERM, pass_on);
		signal(SIGUSR1, pass_on);
		sigprocmask(SIG_SETMASK, &before, NULL);
		wait_for_shifted();
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return run(argv + 1);
}

static void set_caps(uint64_t mask)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted = data[i].inheritable =
			(uint32_t)(mask >> (32 * i));
	if (syscall(SYS_capset, &header, data))
		die("capset");
}

/* Root's program would get all capabilities of the bounding set, another
 * user's just the ambient ones. */
int tool__drop(int argc, char **argv)
{
	unsigned long uid;
	uint64_t mask;

	if (argc < 3)
		die("drop UID CAPS PROGRAM...");
	uid = number(argv[0]);
	mask = parse_caps(argv[1]);
	for (int cap = 0; cap < 64; cap++)
		if (!(mask >> cap & 1) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			die("bounding set");
	if (uid) {
		prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
		if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
			die("setresuid");
	}
	set_caps(mask);
	for (int cap = 0; uid && cap < 64; cap++)
		if (mask >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0))
			die("ambient set");
	return run(argv + 2);
}

/* Another user, who has no capabilities, but may get some of the program's file. */
int tool__drop_uid(int argc, char **argv)
{
	unsigned long uid;

	if (argc < 2)
		die("drop-uid UID PROGRAM...");
	uid = number(argv[0]);
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		die("setresuid");
	return run(argv + 1);
}

/* In a mount namespace of its own: nothing there, or a file that is none. */
int tool__hide_btf(int argc, char **argv)
{
	static const char dir[] = "/sys/kernel/btf", file[] = "/sys/kernel/btf/vmlinux";
	int fd;

	if (argc < 2)
		die("hide-btf missing|empty|garbage PROGRAM...");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("mount namespace");
	if (mount("tmpfs", dir, "tmpfs", 0, NULL))
		die(dir);
	if (strcmp(argv[0], "missing")) {
		fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
		if (fd < 0 || (!strcmp(argv[0], "garbage") && write(fd, "no BTF", 6) != 6))
			die(file);
		close(fd);
	}
	return run(argv + 1);
}

/* A machine whose init has mounted no more than it must. */
int tool__bare_sys(int argc, char **argv)
{
	if (argc < 1)
		die("bare-sys PROGRAM...");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL))
		die("/sys");
	return run(argv);
}

int tool__setcap(int argc, char **argv)
{
	struct vfs_cap_data data = { .magic_etc = htole32(VFS_CAP_REVISION_2 |
							  VFS_CAP_FLAGS_EFFECTIVE) };
	uint64_t mask;

	if (argc < 2)
		die("setcap FILE CAPS");
	mask = parse_caps(argv[1]);
	for (int i = 0; i < 2; i++)
		data.data[i].permitted = htole32((uint32_t)(mask >> (32 * i)));
	if (!setxattr(argv[0], XATTR_NAME_CAPS, &data, XATTR_CAPS_SZ_2, 0))
		return 0;
	if (errno == EOPNOTSUPP)
		return 77;
	die(argv[0]);
}
