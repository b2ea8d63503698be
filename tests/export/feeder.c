// SPDX-License-Identifier: GPL-2.0
/*
 * An exporter with made-up events and no kernel: event number n happens at BASE + n * PERIOD
 * (CLOCK_MONOTONIC, ns), and is all that n says, in whichever run it is given. So this is a recorder
 * that keeps everything: a run that goes on from a spool is given again what happened since the time
 * that the spool names. BASE 0 is now, and is told. Runs until SIGTERM, or until so many events have happened and were sent.
 * Usage: feeder otlp|clickhouse URL SPOOL SPOOL_BYTES BASE PERIOD COUNT [hostile|finish=MS]...
 * It prints its account as a line of JSON every 100 ms, and at its end; what is said goes to stderr.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/exporter.h"

#define SHOW_NS 100000000ULL

struct feeder {
	struct exporter *exporter;
	uint64_t base_ns, period_ns, count;
	bool hostile;
	uint64_t finish_ms;
};

static const char *const hostile_names[] = {
	"a\"b\\c", "new\nline", "tab\t\x01\x1f", "\xff\xfe", "\xe2\x80\xae" "gnp.exe", "{}[],:",
	"'); DROP--", "\xf0\x9f\x98\x80 smile",
};

static void make_event(const struct feeder *f, uint64_t n, struct tws_event *ev)
{
	*ev = (struct tws_event){
		.action = n % 10 == 3 ? TWS_CONNECT_FAILED : n % 10 == 7 ? TWS_PASSIVE_CLOSE :
									    TWS_TIME_WAIT,
		.family = n % 2 ? AF_INET : AF_INET6,
		.time_ns = f->base_ns + n * f->period_ns,
		.cookie = n + 1,
		.netns = 4026531840u,
		.tx_bytes = n * 1000,
		.rx_bytes = n,
		.local_port = (uint16_t)(n % 50000 + 1),
		.peer_port = 443,
		.local_addr = { 10, 0, 0, 1 },
		.peer_addr = { 10, 0, (uint8_t)(n >> 8), (uint8_t)n },
		.conn = {
			.flags = TWS_F_ACTIVE | TWS_F_CLOSER | TWS_F_OPENER,
			.tgid = (uint32_t)(n % 1000 + 1), .tid = (uint32_t)(n % 1000 + 1),
			.uid = n % 3 ? 33 : 0, .opener_tgid = 1, .opener_comm = "systemd",
			.side = n % 2 ? TWS_SIDE_CLIENT : TWS_SIDE_SERVER,
			.cause = TWS_CAUSE_CLOSE, .cgroup_id = 1234, .thread_comm = "worker",
		},
	};
	if (n % 4 == 1) {
		ev->peer_addr[2] = 9;
		ev->peer_addr[3] = 9;
	}
	ev->error = ev->action == TWS_CONNECT_FAILED ? ECONNREFUSED : 0;
	ev->conn.open_ns = ev->time_ns - 1500000;
	snprintf(ev->conn.comm, sizeof(ev->conn.comm), "%s",
		 f->hostile ? hostile_names[n % 8] : n % 4 ? "checkout" : "nginx");
}

static void give(struct feeder *f, uint64_t n)
{
	struct tws_event ev;
	struct record rec = { .event = &ev, .command_line = f->hostile ? hostile_names[n % 8] :
									 "/usr/bin/checkout --all" };

	make_event(f, n, &ev);
	rec.wall_ns = ev.time_ns + (uint64_t)clock__wall_offset_ns();
	if (n % 5 == 0)
		rec.workload = (struct workload){ .container_id = "0123456789abcdef",
						  .container_name = "shop",
						  .pod_name = "shop-0", .pod_namespace = "prod" };
	exporter__put(f->exporter, &rec);
}

static void show(struct feeder *f, uint64_t given, bool is_end)
{
	char line[EXPORTER_LINE_BYTES];
	struct exporter_account a;

	while (exporter__say(f->exporter, line))
		fprintf(stderr, "%s\n", line);
	exporter__account(f->exporter, &a);
	printf("{\"base\":%" PRIu64 ",\"given\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"queued\":%" PRIu64
	       ",\"queued_bytes\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"failed\":%" PRIu64
	       ",\"damaged\":%" PRIu64 ",\"repeated\":%" PRIu64 ",\"end\":%s}\n",
	       f->base_ns, given, a.sent, a.queued, a.queued_bytes, a.dropped, a.failed, a.damaged,
	       a.repeated, is_end ? "true" : "false");
	fflush(stdout);
}

/* The number of the first event that has not happened yet. */
static uint64_t happened(const struct feeder *f)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);
	uint64_t n = now_ns < f->base_ns ? 0 : (now_ns - f->base_ns) / f->period_ns + 1;

	return n < f->count ? n : f->count;
}

static void feed(struct feeder *f, int signals)
{
	struct pollfd pfd = { .fd = signals, .events = POLLIN };
	uint64_t since_ns = exporter__since_ns(f->exporter), next = 0, shown_ns = 0;
	struct exporter_account account;

	if (since_ns > f->base_ns)
		next = (since_ns - f->base_ns + f->period_ns - 1) / f->period_ns;
	do {
		uint64_t until = happened(f);

		while (next < until)
			give(f, next++);
		if (clock__now_ns(CLOCK_MONOTONIC) >= shown_ns) {
			show(f, next, false);
			shown_ns = clock__now_ns(CLOCK_MONOTONIC) + SHOW_NS;
		}
		exporter__account(f->exporter, &account);
		if (next == f->count && !account.queued)
			break;
	} while (poll(&pfd, 1, 10) <= 0);
	exporter__finish(f->exporter, clock__now_ns(CLOCK_MONOTONIC) + f->finish_ms * 1000000);
	show(f, next, true);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void read_host(struct encoder_host *host)
{
	char text[64] = "";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || !fgets(text, sizeof(text), file) || identity__parse_boot(text, host->boot))
		abort();
	fclose(file);
	strcpy(host->name, "feeder-host");
	strcpy(host->kernel, "6.18");
}

int main(int argc, char **argv)
{
	struct feeder f = { .finish_ms = 5000 };
	struct exporter_options opts = { 0 };
	struct exporter_failure failure;
	int signals;

	if (argc < 8)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	opts.kind = !strcmp(argv[1], "otlp") ? EXPORTER_OTLP : EXPORTER_CLICKHOUSE;
	opts.url = argv[2];
	opts.spool_dir = argv[3];
	opts.spool_bytes = strtoull(argv[4], NULL, 10);
	opts.headers = getenv("OTEL_EXPORTER_OTLP_HEADERS");
	opts.user = getenv("CLICKHOUSE_USER");
	opts.password = getenv("CLICKHOUSE_PASSWORD");
	read_host(&opts.host);
	f.base_ns = strtoull(argv[5], NULL, 10);
	f.period_ns = strtoull(argv[6], NULL, 10);
	f.count = strtoull(argv[7], NULL, 10);
	for (int i = 8; i < argc; i++) {
		f.hostile |= !strcmp(argv[i], "hostile");
		if (!strncmp(argv[i], "finish=", 7))
			f.finish_ms = strtoull(argv[i] + 7, NULL, 10);
	}
	signals = open_signals();
	if (exporter__new(&f.exporter, &opts, &failure)) {
		fprintf(stderr, "%s\n", failure.text);
		return 1;
	}
	if (!f.base_ns)
		f.base_ns = clock__now_ns(CLOCK_MONOTONIC);
	if (exporter__start(f.exporter))
		return 1;
	feed(&f, signals);
	exporter__free(f.exporter);
	return 0;
}
