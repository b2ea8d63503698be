// SPDX-License-Identifier: GPL-2.0
/* What makes a record of an event is put together from a stream's options. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "events/naming.h"
#include "tests/unit/support.h"

static const char *arguments(struct source *source, const struct tws_event *ev, size_t *len);

static const struct source_ops ops = { .arguments = arguments };
static struct source events = { .ops = &ops };

/* Of the dead process 812 alone. */
static const char *arguments(struct source *source, const struct tws_event *ev, size_t *len)
{
	static const char args[] = "nginx\0-g";

	assert_ptr_equal(source, &events);
	*len = sizeof(args);
	return ev->conn.tgid == 812 ? args : NULL;
}

static char root[PATH_MAX]; /* an empty /proc */
static const char *const no_dirs[] = { NULL };
static const struct netns_places places = { root, no_dirs };
static const struct sockets_source sockets = { &places, NULL, false, NULL };
static const struct kernel kernel = { .v1_subsys = -1 };
static struct listeners *listeners;
static struct naming naming;

static struct stream_options options(void)
{
	return (struct stream_options){
		.kernel = &kernel, .events = &events, .source = &sockets, .proc_root = root,
		.no_names = true,
	};
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(root, sizeof(root), "%s/twsnoop-naming-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root))
		return -1;
	memset(&naming, 0, sizeof(naming));
	return listeners__new(&listeners, 16);
}

static int teardown(void **state)
{
	(void)state;
	naming__free(&naming);
	naming__free(&naming); /* nothing is left */
	listeners__free(listeners);
	return rmdir(root);
}

/* The options may be gone by then: not what they point to. */
static void make(void)
{
	struct stream_options opts = options();

	assert_int_equal(naming__new(&naming, &opts, listeners), 0);
	memset(&opts, 0xff, sizeof(opts));
}

/* Who closed is gone from /proc: the source has noted how it was started. */
static void test_arguments(void **state)
{
	struct tws_event ev;
	struct record rec;

	(void)state;
	make();
	support__event(&ev);
	ev.conn.cgroup_id = 0;
	attributor__record(naming.attributor, &ev, &rec);
	assert_string_equal(rec.command_line, "nginx -g");
	ev.conn.tgid = 813;
	attributor__record(naming.attributor, &ev, &rec);
	assert_null(rec.command_line);
}

/* Who is noted among the listeners later than that counts. */
static void test_listeners(void **state)
{
	const struct listener server = { .cookie = 5, .netns = 4026531840U, .tgid = 42,
					 .port = 43768, .family = AF_INET };
	struct tws_event ev;
	struct record rec;

	(void)state;
	make();
	support__event(&ev);
	ev.conn.cgroup_id = 0;
	ev.conn.side = TWS_SIDE_SERVER;
	ev.conn.flags = TWS_F_CLOSER;
	attributor__record(naming.attributor, &ev, &rec);
	assert_int_equal(rec.event->conn.flags, TWS_F_CLOSER);
	assert_int_equal(listeners__add(listeners, &server), 0);
	attributor__record(naming.attributor, &ev, &rec);
	assert_int_equal(rec.event->conn.flags, TWS_F_CLOSER | TWS_F_OPENER);
	assert_int_equal(rec.event->conn.opener_tgid, 42);
}

/* Without a place where sockets are listed the host's own is meant. */
static void test_no_source(void **state)
{
	struct stream_options opts = options();

	(void)state;
	opts.source = NULL;
	assert_int_equal(naming__new(&naming, &opts, listeners), 0);
	assert_non_null(naming.attributor);
	assert_false(containers__any(naming.containers));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_arguments), TEST(test_listeners), TEST(test_no_source),
	};

	return cmocka_run_group_tests_name("naming", tests, NULL, NULL);
}
