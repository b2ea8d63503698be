// SPDX-License-Identifier: GPL-2.0
/* Any names in any order through the registry: whatever they are, the text is lines of samples that
 * are well formed, none twice, and the labelled sum is that of the whole. */
#include "fuzz.h"

#include <stdbool.h>

#include "base/table.h"
#include "export/accept.h"
#include "export/metrics.h"

#define NAME 40

struct reader {
	const uint8_t *at;
	size_t left;
};

static uint8_t next(struct reader *r)
{
	if (!r->left)
		return 0;
	r->left--;
	return *r->at++;
}

static const char *name(struct reader *r, char to[NAME + 1])
{
	size_t len = next(r) % NAME;

	for (size_t i = 0; i < len; i++)
		to[i] = (char)next(r);
	to[len] = '\0';
	return to[0] ? to : NULL;
}

static void add(struct metrics *m, struct reader *r)
{
	char a[NAME + 1], b[NAME + 1], c[NAME + 1];
	struct tws_event ev = { .action = next(r), .error = next(r), .time_ns = next(r) };
	struct record rec = { .event = &ev };

	ev.conn.side = next(r);
	ev.conn.cause = next(r);
	ev.conn.flags = next(r);
	ev.conn.open_ns = next(r);
	ev.conn.cgroup_id = next(r) % 4;
	for (size_t i = 0; i < TWS_COMM_LEN; i++)
		ev.conn.comm[i] = ev.conn.opener_comm[i] = (char)next(r);
	rec.workload.container_name = name(r, a);
	rec.workload.pod_namespace = name(r, b);
	rec.workload.pod_container = name(r, c);
	rec.workload.container_id = next(r) % 2 ? "id" : NULL;
	metrics__add(m, &rec);
}

/* What stands before the value of one line. */
static size_t check_sample(const char *line, size_t len)
{
	bool quoted = false;
	size_t i;

	CHECK(!strncmp(line, "twsnoop_", 8));
	for (i = 8; i < len && (quoted || line[i] != ' '); i++) {
		CHECK((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
		if (quoted && line[i] == '\\') {
			i++;
			CHECK(i < len && (line[i] == '\\' || line[i] == '"'));
		} else if (line[i] == '"') {
			quoted = !quoted;
		}
	}
	CHECK(!quoted && i < len && i + 1 < len);
	CHECK(strspn(line + i + 1, "0123456789.") == len - i - 1);
	return i;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_text(const struct metrics *m, bool openmetrics)
{
	char *lines[METRICS_SERIES_MIN + 1];
	struct outbuf text;
	uint64_t closes = 0;
	size_t num = 0;
	const char *at;

	CHECK(!outbuf__init(&text, 1 << 16));
	metrics__write(m, openmetrics, &text);
	CHECK(!text.failed);
	for (at = outbuf__terminate(&text); *at; at = strchr(at, '\n') + 1) {
		size_t len = strcspn(at, "\n"), end;

		CHECK(at[len] == '\n');
		if (at[0] == '#')
			continue;
		end = check_sample(at, len);
		CHECK(num < METRICS_SERIES_MIN);
		lines[num++] = fuzz__string(at, end);
		if (!strncmp(at, "twsnoop_closes_total{", 21))
			closes += strtoull(at + end + 1, NULL, 10);
	}
	CHECK(closes == metrics__time_waits(m));
	qsort(lines, num, sizeof(lines[0]), compare);
	for (size_t i = 0; i < num; i++) {
		CHECK(!i || strcmp(lines[i - 1], lines[i]) != 0);
		if (i)
			free(lines[i - 1]);
	}
	free(lines[num - 1]);
	outbuf__free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct metrics_options opts = {
		.max_series = METRICS_SERIES_MIN, .version = "1", .all = true, .seed = 1,
	};
	struct reader r = { data, size };
	char *accept = fuzz__string(data, size);
	struct metrics *m;

	accept__openmetrics(accept);
	free(accept);
	CHECK(!metrics__new(&m, &opts));
	metrics__tick(m, 1);
	while (r.left)
		add(m, &r);
	check_text(m, false);
	check_text(m, true);
	metrics__cgroup_gone(m, false, 1);
	metrics__tick(m, 2 * METRICS_GONE_NS);
	metrics__free(m);
	return 0;
}
