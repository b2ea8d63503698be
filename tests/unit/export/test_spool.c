// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/spool.h"

#define NS_PER_S 1000000000ULL
#define STEP_NS 1000000ULL /* small: a machine may be young */
#define MANY_BYTES (16u << 20)

static char dir[64];
static const char *what;
static uint64_t now_ns;

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/twsnoop-spool-XXXXXX");
	now_ns = clock__now_ns(CLOCK_MONOTONIC);
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static struct spool *open_spool(uint64_t max_bytes)
{
	const struct spool_options opts = { .dir = dir, .max_bytes = max_bytes, .boot = { 7 } };
	struct spool *spool = NULL;

	assert_int_equal(spool__open(&spool, &opts, &what), 0);
	return spool;
}

/* @num events, whose keys begin with @first, @age_ns ago. */
static int add(struct spool *spool, uint64_t first, uint32_t num, uint64_t age_ns, size_t raw_len)
{
	struct batch_info info = {
		.boot = { 7 }, .id = { (uint8_t)first }, .num_events = num,
		.seed = spool__seed(spool), .begin_ns = now_ns - age_ns, .end_ns = now_ns - age_ns,
	};
	uint64_t *keys = calloc(num, sizeof(*keys));
	struct outbuf file = { 0 };
	char *raw = malloc(raw_len);
	int err;

	/* which gzip cannot pack */
	for (size_t i = 0; i < raw_len; i++)
		raw[i] = (char)(rand() >> 7);
	for (uint32_t i = 0; i < num; i++)
		keys[i] = first + i;
	assert_int_equal(batch__encode(&file, &info, keys, raw, raw_len), 0);
	err = spool__add(spool, &file, &info);
	outbuf__free(&file);
	free(keys);
	free(raw);
	return err;
}

static void check_account(const struct spool *spool, uint64_t queued, uint64_t dropped)
{
	struct spool_account account;

	spool__account(spool, &account);
	assert_int_equal(account.queued, queued);
	assert_int_equal(account.dropped, dropped);
	assert_int_equal(spool__is_empty(spool), !queued);
	assert_int_equal(!account.queued_bytes, !queued);
}

/* The first byte of the oldest one's id. */
static int oldest(struct spool *spool)
{
	struct outbuf file = { 0 };
	struct batch_info info;
	int rc = spool__read(spool, &file, &info);

	outbuf__free(&file);
	return rc == 1 ? info.id[0] : rc ? rc : -1;
}

static int sum(void *ctx, uint64_t key)
{
	*(uint64_t *)ctx += key;
	return 0;
}

static uint64_t sum_of_keys(struct spool *spool)
{
	uint64_t total = 0;

	assert_int_equal(spool__keys(spool, sum, &total), 0);
	return total;
}

static unsigned int count_files(const char *suffix)
{
	DIR *folder = opendir(dir);
	unsigned int num = 0;
	const struct dirent *file;

	while ((file = readdir(folder)))
		num += strlen(file->d_name) > strlen(suffix) &&
		       !strcmp(file->d_name + strlen(file->d_name) - strlen(suffix), suffix);
	closedir(folder);
	return num;
}

static void test_order(void **state)
{
	struct spool *spool = open_spool(MANY_BYTES);

	(void)state;
	assert_true(spool__is_empty(spool));
	assert_int_equal(spool__since_ns(spool), 0);
	assert_int_equal(spool__end_ns(spool), 0);
	assert_int_equal(oldest(spool), -1);
	for (unsigned int i = 1; i <= 3; i++)
		assert_int_equal(add(spool, i, 10 * i, (4 - i) * STEP_NS, 100), 0);
	check_account(spool, 60, 0);
	assert_int_equal(oldest(spool), 1);
	assert_int_equal(oldest(spool), 1);
	spool__sent(spool);
	check_account(spool, 50, 0);
	assert_int_equal(oldest(spool), 2);
	spool__drop(spool);
	check_account(spool, 30, 20);
	assert_int_equal(oldest(spool), 3);
	spool__sent(spool);
	check_account(spool, 0, 20);
	assert_int_equal(oldest(spool), -1);
	assert_int_equal(count_files(".sent"), 2);
	assert_int_equal(count_files(".batch"), 0);
	spool__close(spool);
}

/* What another process left: what is to be sent, and the keys of what was. */
static void test_again(void **state)
{
	struct spool *spool = open_spool(MANY_BYTES);
	uint64_t seed = spool__seed(spool);

	(void)state;
	for (unsigned int i = 1; i <= 4; i++)
		add(spool, i * 10, 2, (5 - i) * STEP_NS, 100);
	assert_int_equal(oldest(spool), 10);
	spool__sent(spool);
	spool__close(spool);
	spool = open_spool(MANY_BYTES);
	assert_true(spool__seed(spool) == seed);
	check_account(spool, 6, 0);
	assert_true(spool__since_ns(spool) == now_ns - 4 * STEP_NS);
	assert_true(spool__end_ns(spool) >= spool__since_ns(spool) && spool__end_ns(spool) <= now_ns);
	assert_int_equal(sum_of_keys(spool), 2 * (10 + 20 + 30 + 40) + 4);
	assert_int_equal(oldest(spool), 20);
	spool__drop(spool);
	spool__close(spool);
	/* one is missing in between: what was in it may be given again */
	spool = open_spool(MANY_BYTES);
	assert_true(spool__since_ns(spool) == now_ns - 2 * STEP_NS);
	assert_int_equal(sum_of_keys(spool), 2 * (30 + 40) + 2);
	spool__close(spool);
}

/* Where nothing was given yet, it is known since when it would have been, and until when. */
static void test_mark(void **state)
{
	struct spool *spool = open_spool(MANY_BYTES);

	(void)state;
	assert_int_equal(spool__mark(spool, now_ns - 3 * STEP_NS, now_ns - STEP_NS), 0);
	spool__close(spool);
	spool = open_spool(MANY_BYTES);
	assert_true(spool__since_ns(spool) == now_ns - 3 * STEP_NS);
	assert_true(spool__end_ns(spool) == now_ns - STEP_NS);
	assert_int_equal(sum_of_keys(spool), 0);
	spool__close(spool);
}

static void test_other_boot(void **state)
{
	struct spool_options opts = { .dir = dir, .max_bytes = MANY_BYTES, .boot = { 8 } };
	struct spool *spool = open_spool(MANY_BYTES);

	(void)state;
	add(spool, 1, 1, 0, 100);
	spool__close(spool);
	assert_int_equal(spool__open(&spool, &opts, &what), 0);
	assert_int_equal(spool__since_ns(spool), 0);
	assert_int_equal(sum_of_keys(spool), 0);
	check_account(spool, 1, 0);
	spool__close(spool);
}

static void test_since_is_bounded(void **state)
{
	struct spool *spool;

	(void)state;
	if (now_ns < 2 * SPOOL_KEEP_NS)
		now_ns = 2 * SPOOL_KEEP_NS; /* of a machine that was just started */
	spool = open_spool(MANY_BYTES);
	add(spool, 1, 1, SPOOL_KEEP_NS + 10 * NS_PER_S, 100);
	oldest(spool);
	spool__sent(spool);
	add(spool, 2, 1, SPOOL_KEEP_NS - NS_PER_S, 100);
	oldest(spool);
	spool__sent(spool);
	assert_int_equal(count_files(".sent"), 2);
	add(spool, 3, 1, 0, 100);
	assert_int_equal(count_files(".sent"), 1);
	spool__close(spool);
}

static void test_bound(void **state)
{
	struct spool *spool = open_spool(10 * 4096);
	struct spool_account account;

	(void)state;
	for (unsigned int i = 1; i <= 20; i++) {
		assert_int_equal(add(spool, i, 1, 0, 5000), 0); /* two blocks each */
		spool__account(spool, &account);
		assert_true(account.queued_bytes <= 10 * 4096);
	}
	check_account(spool, 5, 15);
	assert_int_equal(count_files(".batch"), 5);
	/* what is being sent does not give way */
	assert_int_equal(oldest(spool), 16);
	add(spool, 21, 1, 0, 5000);
	assert_int_equal(oldest(spool), 16);
	spool__sent(spool);
	check_account(spool, 4, 16);
	assert_int_equal(oldest(spool), 18);
	spool__release(spool);
	/* one that is larger than all */
	add(spool, 22, 1, 0, 50000);
	check_account(spool, 0, 21);
	assert_int_equal(count_files(".batch"), 0);
	spool__close(spool);
	spool = open_spool(10 * 4096);
	check_account(spool, 0, 0);
	spool__close(spool);
}

static void test_second_process(void **state)
{
	const struct spool_options opts = { .dir = dir, .max_bytes = MANY_BYTES };
	struct spool *spool = open_spool(MANY_BYTES), *other = NULL;

	(void)state;
	assert_int_equal(spool__open(&other, &opts, &what), -EBUSY);
	assert_null(other);
	spool__close(spool);
	assert_int_equal(spool__open(&other, &opts, &what), 0);
	spool__close(other);
}

static void write_file(const char *name, const char *data, size_t len)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void damage(const char *name, off_t at)
{
	char path[128], c;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void test_damage(void **state)
{
	struct spool *spool = open_spool(MANY_BYTES);
	struct spool_account account;
	char path[128];

	(void)state;
	for (unsigned int i = 1; i <= 4; i++)
		add(spool, i, 3, STEP_NS, 100);
	spool__close(spool);
	write_file("new", "x", 1);
	write_file("00000000000000f0.batch", "TWSPOOL", 7);
	write_file("00000000000000f1.sent", "", 0);
	write_file("README", "mine", 4);
	snprintf(path, sizeof(path), "%s/00000000000000f2.batch", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/00000000000000f3.batch", dir);
	assert_int_equal(symlink("/dev/zero", path), 0);
	damage("0000000000000000.batch", 40);			    /* its header */
	damage("0000000000000001.batch", BATCH_HEADER_BYTES + 3); /* its keys */
	damage("0000000000000002.batch", BATCH_HEADER_BYTES + 24 + 50); /* its body */
	spool = open_spool(MANY_BYTES);
	spool__account(spool, &account);
	assert_int_equal(account.damaged, 4);
	check_account(spool, 9, 0);
	/* the keys of the second are of no use, but its body is; the third has none */
	assert_int_equal(sum_of_keys(spool), 3 * 3 + 3 + 3 * 4 + 3);
	assert_int_equal(oldest(spool), 2);
	spool__sent(spool);
	assert_int_equal(oldest(spool), 4);
	check_account(spool, 3, 3);
	spool__close(spool);
	snprintf(path, sizeof(path), "%s/README", dir);
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/new", dir);
	assert_int_equal(access(path, F_OK), -1);
}

/* A process that is killed at any moment leaves whole batches, none twice, and only the last ones
 * may be missing. */
static void test_killed(void **state)
{
	unsigned int num, before = 0;

	(void)state;
	for (unsigned int round = 0; round < 20; round++) {
		int pipes[2];
		struct spool *spool;
		char c;
		pid_t pid;

		assert_int_equal(pipe(pipes), 0);
		pid = fork();
		if (!pid) {
			spool = open_spool(MANY_BYTES);
			for (unsigned int i = 0; i < 1000; i++) {
				add(spool, 1, 1, 0, 3000);
				if (write(pipes[1], "x", 1) != 1)
					_exit(1);
				if (i % 3 == 1 && oldest(spool) == 1)
					spool__sent(spool);
			}
			_exit(0);
		}
		for (unsigned int i = 0; i <= round; i++)
			assert_int_equal(read(pipes[0], &c, 1), 1);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		close(pipes[0]);
		close(pipes[1]);
		num = count_files(".batch") + count_files(".sent");
		assert_true(num >= before + round + 1);
		spool = open_spool(MANY_BYTES);
		assert_int_equal(sum_of_keys(spool), num);
		check_account(spool, count_files(".batch"), 0);
		spool__close(spool);
		before = num;
	}
}

static void test_no_folder(void **state)
{
	struct spool_options opts = { .dir = "/nonexistent/a/b", .max_bytes = MANY_BYTES };
	struct spool *spool = NULL;
	char path[128];

	(void)state;
	assert_int_equal(spool__open(&spool, &opts, &what), -ENOENT);
	opts.dir = "/dev/null";
	assert_int_equal(spool__open(&spool, &opts, &what), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/made", dir);
	opts.dir = path;
	assert_int_equal(spool__open(&spool, &opts, &what), 0);
	spool__close(spool);
}

static void test_batch(void **state)
{
	struct batch_info info = { .num_events = 2, .begin_ns = 1, .end_ns = 2, .seed = 5 }, got;
	const uint64_t keys[] = { 3, 4 };
	struct outbuf file = { 0 }, raw = { 0 };
	char *text = calloc(1, 100000);
	const void *body, *read_keys;
	size_t len;

	(void)state;
	strcpy(text, "hello");
	assert_int_equal(batch__encode(&file, &info, keys, text, 100000), 0);
	assert_int_equal(batch__decode_header(file.data, file.len, &got), 0);
	assert_int_equal(got.raw_len, 100000);
	assert_true(got.body_len < 1000);
	assert_int_equal(batch__file_bytes(&got), file.len);
	assert_int_equal(batch__decode_keys(file.data, file.len, &got, &read_keys), 0);
	assert_memory_equal(read_keys, keys, sizeof(keys));
	assert_int_equal(batch__decode_body(file.data, file.len, &got, &body, &len), 0);
	assert_int_equal(batch__unpack(&got, body, len, &raw), 0);
	assert_int_equal(raw.len, 100000);
	assert_memory_equal(raw.data, text, 100000);
	for (size_t cut = 0; cut < file.len; cut++)
		assert_int_not_equal(batch__decode_header(file.data, cut, &got) ?:
				     batch__decode_body(file.data, cut, &got, &body, &len), 0);
	/* it says less than there is: a bomb */
	assert_int_equal(batch__decode_header(file.data, file.len, &got), 0);
	got.raw_len = 99999;
	assert_int_equal(batch__unpack(&got, body, len, &raw), -EBADMSG);
	info.num_events = 0;
	assert_int_equal(batch__encode(&file, &info, keys, text, 10), -EINVAL);
	info.num_events = BATCH_MAX_EVENTS + 1;
	assert_int_equal(batch__encode(&file, &info, keys, text, 10), -EINVAL);
	outbuf__free(&file);
	outbuf__free(&raw);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mark, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_boot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_since_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bound, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_second_process, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_folder, set_up, tear_down),
		cmocka_unit_test(test_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
