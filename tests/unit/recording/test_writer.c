// SPDX-License-Identifier: GPL-2.0
/* The thread that writes: a disk that fails and goes on, a file that is removed, the end. */
#include "tests/unit/unit.h"

#include <poll.h>

#include "recording/writer.h"
#include "tests/unit/recording/fake_recording.h"

static struct {
	struct queue *queue;
	struct writer *writer;
} t;

static void set_up(void)
{
	struct writer_options opts = { .path = "/nowhere/fake.db" };
	struct store_failure failure;

	fake_reset();
	assert_int_equal(queue__new(&t.queue, 32 << 20), 0);
	opts.queue = t.queue;
	assert_int_equal(writer__new(&t.writer, &opts, &failure), 0);
	assert_int_equal(writer__start(t.writer), 0);
}

static void tear_down(void)
{
	assert_true(writer__free(t.writer));
	queue__free(t.queue);
}

static void put_rows(uint64_t rows, uint64_t file)
{
	struct bundle *bundle;

	assert_int_equal(bundle__new(&bundle), 0);
	bundle__set_file(bundle, file);
	assert_int_equal(bundle__add_counted(bundle, rows), 0);
	bundle__count_rows(bundle, rows);
	bundle__end_epoch(bundle);
	assert_int_equal(queue__put(t.queue, bundle), 0);
}

static struct writer_status status(void)
{
	struct writer_status status;

	writer__status(t.writer, &status);
	return status;
}

/* A test that waits in vain is ended by who runs it. */
#define AWAIT(condition)                                                                           \
	do {                                                                                       \
		while (!(condition))                                                               \
			poll(NULL, 0, 2);                                                          \
	} while (0)

#define SET(member, value)                                                                         \
	do {                                                                                       \
		pthread_mutex_lock(&fake.lock);                                                    \
		fake.member = (value);                                                             \
		pthread_mutex_unlock(&fake.lock);                                                  \
	} while (0)

static void test_writes(void **state)
{
	struct collector_trouble trouble;

	(void)state;
	set_up();
	put_rows(3, 0);
	AWAIT(status().written_rows == 3);
	assert_int_equal(status().error, 0);
	assert_false(status().epoch_is_over);
	writer__trouble(t.writer, &trouble);
	assert_int_equal(trouble.reason, HELD_GAP_SLOW);
	SET(epoch_is_over, true);
	put_rows(4, 0);
	AWAIT(status().epoch_is_over);
	writer__end(t.writer, 1000);
	AWAIT(writer__await(t.writer, 10));
	assert_int_equal(queue__rows(t.queue), 0);
	assert_int_equal(FAKE_LOCKED(fake_committed.counted), 4);
	tear_down();
	assert_int_equal(fake.closes, 1);
}

/* What fails is written again, as it is, until that succeeds. */
static void test_disk_fails(void **state)
{
	struct collector_trouble trouble;

	(void)state;
	set_up();
	SET(commit_error, -ENOSPC);
	put_rows(3, 0);
	AWAIT(status().error == -ENOSPC);
	writer__trouble(t.writer, &trouble);
	assert_int_equal(trouble.reason, HELD_GAP_DISK);
	assert_string_equal(trouble.detail, "No space left on device");
	SET(commit_error, -EFBIG);
	queue__wake(t.queue);
	AWAIT(status().error == -EFBIG);
	writer__trouble(t.writer, &trouble);
	assert_int_equal(trouble.reason, HELD_GAP_SIZE);
	SET(commit_error, 0);
	queue__wake(t.queue);
	AWAIT(status().written_rows == 3);
	assert_int_equal(status().error, 0);
	tear_down();
}

/* The same if not even a beginning could be made. */
static void test_no_beginning(void **state)
{
	(void)state;
	set_up();
	SET(begin_error, -EIO);
	put_rows(3, 0);
	AWAIT(status().error == -EIO);
	AWAIT(FAKE_LOCKED(fake.failed_commits) == 1);
	queue__wake(t.queue);
	AWAIT(FAKE_LOCKED(fake.failed_commits) == 2);
	SET(begin_error, 0);
	queue__wake(t.queue);
	AWAIT(status().written_rows == 3);
	assert_int_equal(status().error, 0);
	tear_down();
}

/* The end does not wait for a disk that fails. */
static void test_end_without_disk(void **state)
{
	(void)state;
	set_up();
	SET(commit_error, -EIO);
	put_rows(5, 0);
	AWAIT(status().error == -EIO);
	writer__end(t.writer, 100000);
	assert_false(writer__await(t.writer, 1));
	writer__end(t.writer, 0);
	AWAIT(writer__await(t.writer, 10));
	assert_int_equal(queue__rows(t.queue), 5);
	tear_down();
}

/* Another file is begun, for which nothing is good that was meant for the first. */
static void test_removed(void **state)
{
	(void)state;
	set_up();
	put_rows(1, 0);
	AWAIT(status().written_rows == 1);
	pthread_mutex_lock(&fake.lock);
	fake.open_error = -EACCES;
	fake.next.row = 77;
	fake.is_gone = true;
	pthread_mutex_unlock(&fake.lock);
	AWAIT(status().error == -EACCES);
	assert_non_null(strstr(status().why.text, "it is a fake"));
	assert_int_equal(status().restarts, 0);
	put_rows(10, 0);
	SET(open_error, 0);
	AWAIT(status().restarts == 1);
	AWAIT(status().lost_rows == 10);
	assert_int_equal(status().error, 0);
	assert_int_equal(status().next.row, 77);
	put_rows(20, 0); /* of who has not noticed yet */
	AWAIT(status().lost_rows == 30);
	put_rows(2, 1);
	AWAIT(status().written_rows == 3);
	tear_down();
	assert_int_equal(fake.opens, 3);
}

/* A bundle that no file takes holds none of those behind it; a damaged file is moved aside. */
static void test_not_the_disk(void **state)
{
	(void)state;
	set_up();
	SET(commit_error, -EEXIST);
	put_rows(9, 0);
	AWAIT(status().lost_rows == 9);
	SET(commit_error, 0);
	put_rows(1, 0);
	AWAIT(status().written_rows == 1);
	SET(commit_error, -EBADMSG);
	put_rows(2, 0);
	AWAIT(FAKE_LOCKED(fake.failed_commits) == 2);
	SET(commit_error, 0);
	AWAIT(status().restarts == 1);
	assert_true(status().was_damaged);
	AWAIT(status().lost_rows == 11);
	put_rows(3, 1);
	AWAIT(status().written_rows == 4);
	SET(is_gone, true);
	AWAIT(status().restarts == 2);
	assert_false(status().was_damaged);
	tear_down();
}

static void test_refused(void **state)
{
	const struct writer_options opts = { .path = "there" };
	struct store_failure failure = { "" };
	struct writer *writer = NULL;

	(void)state;
	fake_reset();
	fake.open_error = -EBUSY;
	assert_int_equal(writer__new(&writer, &opts, &failure), -EBUSY);
	assert_string_equal(failure.text, "there: it is a fake");
	assert_true(writer__free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_disk_fails),
		cmocka_unit_test(test_no_beginning),
		cmocka_unit_test(test_end_without_disk),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_not_the_disk),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("recording_writer", tests, NULL, NULL);
}
