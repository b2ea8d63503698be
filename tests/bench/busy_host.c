// SPDX-License-Identifier: GPL-2.0
#include "tests/bench/busy_host.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "host/procinfo.h"

#define NS_PER_S 1000000000ULL

static void die(const char *what)
{
	fprintf(stderr, "reader: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The same numbers in each run. */
static uint32_t roll(uint32_t sides)
{
	static uint64_t state = 0x2545f4914f6cdd1dULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * sides >> 32);
}

/* ---- processes ---- */

static const struct {
	const char *comm, *arguments; /* blanks become NULs */
} programs[] = {
	{ "nginx", "nginx:\tworker\tprocess" },
	{ "curl", "curl -fsS --max-time 2 http://10.20.30.40:8080/healthz?probe=readiness" },
	{ "java", "/usr/lib/jvm/java-17-openjdk-amd64/bin/java -Xms2g -Xmx2g -XX:+UseG1GC "
		  "-XX:MaxGCPauseMillis=200 -XX:+HeapDumpOnOutOfMemoryError "
		  "-XX:HeapDumpPath=/var/log/app/heap.hprof -Dserver.port=8080 "
		  "-Dspring.profiles.active=production,eu-central "
		  "-Dlogging.config=/etc/app/logback-spring.xml "
		  "-javaagent:/opt/opentelemetry/opentelemetry-javaagent.jar "
		  "-Dotel.resource.attributes=service.name=checkout -jar /opt/app/app.jar" },
	{ "python3", "/usr/bin/python3 /srv/app/venv/bin/gunicorn --workers 8 --bind "
		     "0.0.0.0:8000 shop.wsgi:application" },
	{ "node", "node --max-old-space-size=1024 /srv/www/server.js" },
	{ "haproxy", "/usr/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid" },
	{ "postgres", "postgres:\tapp\tshop\t10.1.2.3(51034)\tidle" },
	{ "sh", "/bin/sh -c \"until\tnc -z db 5432; do sleep 1; done\"" },
};

const char *busy_host__comm(uint32_t process)
{
	return programs[process % (sizeof(programs) / sizeof(programs[0]))].comm;
}

uint32_t busy_host__pid(uint32_t process)
{
	return 1000 + 7 * process;
}

static uint64_t start_ns_of(uint32_t process)
{
	return (100 + process) * NS_PER_S;
}

static void write_file(const char *dir, const char *name, const char *data, size_t len)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	if (!file || fwrite(data, 1, len, file) != len || fclose(file))
		die(path);
}

static void make_process(const char *root, uint32_t process)
{
	const char *arguments = programs[process % (sizeof(programs) / sizeof(programs[0]))].arguments;
	char dir[128], text[1024];
	size_t len;
	int n;

	snprintf(dir, sizeof(dir), "%s/%u", root, busy_host__pid(process));
	if (mkdir(dir, 0700))
		die(dir);
	n = snprintf(text, sizeof(text), "%u (%s) S 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 %llu",
		     busy_host__pid(process), busy_host__comm(process),
		     (unsigned long long)procinfo__ticks_of_ns(start_ns_of(process)));
	memcpy(text + n, " 0 0\n", 6);
	write_file(dir, "stat", text, (size_t)n + 5);
	n = snprintf(text, sizeof(text), "Name:\t%s\nUid:\t33\t33\t33\t33\n", busy_host__comm(process));
	write_file(dir, "status", text, (size_t)n);
	n = snprintf(text, sizeof(text), "%s\n", busy_host__comm(process));
	write_file(dir, "comm", text, (size_t)n);
	len = strlen(arguments) + 1;
	for (size_t i = 0; i < len; i++)
		text[i] = arguments[i] == ' ' ? '\0' : arguments[i] == '\t' ? ' ' : arguments[i];
	write_file(dir, "cmdline", text, len);
}

static void remove_process(const char *root, uint32_t process)
{
	static const char *const names[] = { "/stat", "/status", "/comm", "/cmdline", "" };
	char path[160];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%u%s", root, busy_host__pid(process), names[i]);
		remove(path);
	}
}

void busy_host__make_processes(const char *root)
{
	for (uint32_t i = 0; i < BUSY_HOST_PROCESSES; i++)
		make_process(root, i);
}

void busy_host__remove_processes(const char *root)
{
	for (uint32_t i = 0; i < BUSY_HOST_PROCESSES; i++)
		remove_process(root, i);
}

uint32_t busy_host__netns(uint32_t process)
{
	return 4026531840u + process % BUSY_HOST_CONTAINERS;
}

/* ---- cgroups ---- */

/* Ids far above those of this host's cgroups. */
static uint64_t cgroup_of(uint32_t index)
{
	return (1ULL << 40) + 17 * index;
}

static void add_cgroup(struct containers *containers, uint32_t index)
{
	struct tws_cgroup cgroup = { .action = TWS_CGROUP_ADDED, .id = cgroup_of(index) };
	unsigned long long id = 0x9e3779b97f4a7c15ULL * (index + 1);

	if (index >= BUSY_HOST_CONTAINERS)
		snprintf(cgroup.path, sizeof(cgroup.path), "/system.slice/worker-%u.service", index);
	else if (index % 2)
		snprintf(cgroup.path, sizeof(cgroup.path),
			 "/system.slice/docker-%016llx%016llx%016llx%016llx.scope", id, ~id,
			 id * 3, id * 5);
	else
		snprintf(cgroup.path, sizeof(cgroup.path),
			 "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"
			 "%08x_1234_4abc_8def_%012llx.slice/cri-containerd-"
			 "%016llx%016llx%016llx%016llx.scope",
			 index, id >> 16, id, ~id, id * 3, id * 5);
	containers__note(containers, &cgroup);
}

void busy_host__add_cgroups(struct containers *containers)
{
	for (uint32_t i = 0; i < BUSY_HOST_CONTAINERS + BUSY_HOST_SERVICES; i++)
		add_cgroup(containers, i);
}

/* ---- events ---- */

static void fill_closer(struct tws_event *ev, uint32_t process)
{
	struct tws_conn *conn = &ev->conn;
	const char *comm = busy_host__comm(process);

	conn->closer_start_ns = start_ns_of(process);
	conn->tgid = busy_host__pid(process);
	conn->tid = conn->tgid + roll(3);
	conn->uid = 33;
	memcpy(conn->comm, comm, strlen(comm));
	memcpy(conn->thread_comm, comm, strlen(comm));
	conn->flags |= TWS_F_CLOSER;
	/* A process is of one container, and most are. */
	if (process % 4) {
		conn->cgroup_id = cgroup_of(process % BUSY_HOST_CONTAINERS);
		conn->pid_ns = 4026532000u + process % BUSY_HOST_CONTAINERS;
		conn->ns_tgid = 1 + process % 40;
	} else {
		conn->cgroup_id = cgroup_of(BUSY_HOST_CONTAINERS + process % BUSY_HOST_SERVICES);
	}
}

static void fill_addresses(struct tws_event *ev)
{
	bool client = ev->conn.side == TWS_SIDE_CLIENT;
	uint16_t port = (uint16_t)(32768 + roll(28232));
	static const uint16_t services[] = { 80, 443, 8080, 5432, 6379, 3306 };
	uint16_t service = services[roll(6)];

	ev->family = roll(10) < 7 ? AF_INET : AF_INET6;
	for (int i = 0; i < 2; i++) {
		uint8_t *addr = i ? ev->peer_addr : ev->local_addr;

		if (ev->family == AF_INET) {
			memcpy(addr, (uint8_t[]){ 10, (uint8_t)(20 + i), (uint8_t)roll(200),
						  (uint8_t)(1 + roll(250)) }, 4);
			continue;
		}
		memcpy(addr, (uint8_t[]){ 0x20, 0x01, 0x0d, 0xb8, 0, (uint8_t)(1 + i) }, 6);
		for (int j = 8; j < 16; j++)
			addr[j] = (uint8_t)(roll(4) ? roll(256) : 0);
	}
	ev->local_port = client ? port : service;
	ev->peer_port = client ? service : port;
}

void busy_host__fill_event(struct tws_event *ev, uint64_t index)
{
	uint32_t process = roll(BUSY_HOST_PROCESSES);
	const char *comm = busy_host__comm(process);

	*ev = (struct tws_event){
		.action = TWS_FIN,
		.time_ns = 1000 * NS_PER_S + index * BUSY_HOST_EVENT_NS,
		.cookie = 1 + 2 * index, /* the other end has one too */
		.tx_bytes = roll(2000),
		.rx_bytes = roll(60000),
		.netns = busy_host__netns(process),
	};
	ev->conn.side = roll(3) ? TWS_SIDE_CLIENT : TWS_SIDE_SERVER;
	ev->conn.cause = TWS_CAUSE_CLOSE;
	ev->conn.flags = TWS_F_ACTIVE;
	ev->conn.open_ns = ev->time_ns - 10000 - roll(50000000);
	fill_closer(ev, process);
	fill_addresses(ev);
	if (ev->conn.side == TWS_SIDE_CLIENT) {
		ev->conn.opener_tgid = ev->conn.tgid;
		memcpy(ev->conn.opener_comm, comm, strlen(comm));
		ev->conn.flags |= TWS_F_OPENER;
	}
}
