// SPDX-License-Identifier: GPL-2.0
#include "commands/recording_of.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/privileges.h"
#include "commands/filter_words.h"
#include "commands/state_dir.h"
#include "host/first_line.h"
#include "recording/port_sample.h"
#include "sockets/sockiter.h"
#include "sockets/sockstat.h"

#define AWAIT_MS 100 /* how often it is asked whether it hurries, while the disk is waited for */

/* ---- what is told of the host ---- */

/* The default place is ours to make, and no other. */
static void prepare(const char *path)
{
	if (!strcmp(path, STATE_DIR_RECORDING))
		mkdir(STATE_DIR, 0750);
}

/* "Europe/Berlin", as TZ or the link says, else the offset. */
static const char *zone_name(char *to, size_t size)
{
	const char *tz = getenv("TZ"), *part;
	time_t now = time(NULL);
	struct tm tm;
	ssize_t len;

	if (tz && tz[0])
		return tz[0] == ':' ? tz + 1 : tz;
	len = readlink("/etc/localtime", to, size - 1);
	if (len > 0) {
		to[len] = '\0';
		part = strstr(to, "/zoneinfo/");
		if (part)
			return part + strlen("/zoneinfo/");
	}
	if (!localtime_r(&now, &tm) || !strftime(to, size, "%z", &tm))
		return "UTC";
	return to;
}

/* ---- its life ---- */

static void fill_run(struct held_run *run, const struct recording_of_options *opts)
{
	/* The recorder tells them again whenever it makes the file anew. */
	static char host[256], zone[256], boot_id[64];

	*run = (struct held_run){
		.version = TWSNOOP_VERSION,
		.kernel = opts->kernel,
		.host = host,
		.zone = zone_name(zone, sizeof(zone)),
		.all = opts->all,
		.calls = opts->calls,
		.filter = opts->filter,
	};
	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	first_line__read("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	snprintf(run->boot_id, sizeof(run->boot_id), "%.36s", boot_id);
	run->since_ns = run->until_ns = opts->begin_ns + (uint64_t)clock__wall_offset_ns();
}

static void complain(const struct recording_of_options *opts, int err,
		     const struct store_failure *failure)
{
	char line[sizeof(failure->text) + 32];

	snprintf(line, sizeof(line), "cannot record: %s",
		 failure->text[0] ? failure->text : strerror(-err));
	opts->say(opts->ctx, line);
}

int recording_of__open(struct recorder **recorderp, const struct recording_of_options *opts)
{
	struct recorder_options recorder = {
		.path = opts->path,
		.recording = opts->recording,
		.source = opts->source,
		.filter = opts->wanted,
		.take_ports = port_sample__take,
		.wants_reach = opts->wants_reach,
		.prepare = prepare,
		.account = opts->account,
		.say = opts->say,
		.ctx = opts->ctx,
	};
	struct store_failure failure = { "" };
	int err;

	fill_run(&recorder.run, opts);
	prepare(opts->path);
	err = recorder__open(recorderp, &recorder, &failure);
	if (err)
		complain(opts, err, &failure);
	return err;
}

/* The file and its folder belong to whom they belong: where what is left would not do to write
 * there, one more is kept. */
uint64_t recording_of__privileges(const char *path, uint64_t mask)
{
	char dir[4096];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	bool can_write;

	if (len >= sizeof(dir))
		return 0;
	memcpy(dir, path, len);
	snprintf(dir + len, sizeof(dir) - len, "%s", !slash ? "." : len ? "" : "/");
	if (privileges__use(mask))
		return 0;
	can_write = !faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) &&
		    !faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS);
	return can_write ? 0 : PRIVILEGE(CAP_DAC_OVERRIDE);
}

void recording_of__end(struct recorder *recorder, bool (*hurries)(void *ctx), void *ctx)
{
	struct clock_moment now = clock_moment__now();
	bool waits = true;

	recorder__end(recorder, &now);
	while (!recorder__await(recorder, AWAIT_MS)) {
		if (!hurries(ctx) || !waits)
			continue;
		recorder__end(recorder, &now);
		waits = false;
	}
}

/* ---- sockets from two threads ---- */

/* There is one iterator, which one thread may use at a time: see sockiter.h. */
static int dump_by_turns(int netns_fd, uint32_t states, sockdiag_fn fn, void *ctx,
			 unsigned int *flags)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int err;

	pthread_mutex_lock(&lock);
	err = sockiter__dump(netns_fd, states, fn, ctx, flags);
	pthread_mutex_unlock(&lock);
	return err;
}

void recording_of__share(struct sockets_source *source)
{
	if (source->dump == sockiter__dump)
		source->dump = dump_by_turns;
	source->count_minis = sockstat__count_minis;
}

/* ---- filters ---- */

/* The filter that @word is, by its long or its short name; *@has_value: it brings its own. */
static const struct option_spec *filter_of(const char *word, bool *has_value)
{
	const struct option_spec *spec = filter_option_table;
	size_t len;

	for (; word[0] == '-' && spec->long_name; spec++) {
		len = strlen(spec->long_name);
		*has_value = word[1] == '-' ? word[2 + strnlen(word + 2, len)] == '=' : word[2];
		if (word[1] == '-' && !strncmp(word + 2, spec->long_name, len) &&
		    (!word[2 + len] || word[2 + len] == '='))
			return spec;
		if (spec->short_name && word[1] == spec->short_name)
			return spec;
	}
	return NULL;
}

static void append_word(char *words, const char *word)
{
	size_t len = strlen(words);

	if (len)
		words[len++] = ' ';
	memcpy(words + len, word, strlen(word) + 1);
}

char *recording_of__filter_words(int argc, char **argv)
{
	size_t size = 1;
	bool has_value;
	char *words;

	for (int i = 1; i < argc; i++)
		size += strlen(argv[i]) + 1;
	words = calloc(1, size);
	for (int i = 1; words && i < argc; i++) {
		const struct option_spec *spec = filter_of(argv[i], &has_value);

		if (!spec)
			continue;
		append_word(words, argv[i]);
		if (spec->arg_name && !has_value && i + 1 < argc)
			append_word(words, argv[++i]);
	}
	return words;
}
