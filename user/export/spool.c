// SPDX-License-Identifier: GPL-2.0
#include "export/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdwriter.h"
#include "base/hash.h"

#define NAME_DIGITS 16
#define NAME_BYTES (NAME_DIGITS + sizeof(".batch"))
#define BLOCK_BYTES 4096
#define NEW "new"
#define MAX_FILES (1u << 20)

/* One file. */
struct entry {
	uint64_t seq;
	uint64_t bytes; /* of its blocks */
	uint64_t begin_ns, end_ns;
	uint32_t num_events;
	bool is_sent, is_ours; /* the second: of this boot, and of our seed */
};

/* From head on those that were sent, from first on those that are to be; each by its number. */
struct spool {
	int dir_fd, lock_fd;
	struct spool_options opts;
	struct entry *entries;
	size_t num, room, head, first;
	uint64_t next_seq, seed, since_ns, end_ns, used_bytes;
	uint64_t queued, queued_bytes, dropped, damaged;
	size_t oldest_kept; /* while it is opened: the first of those whose keys are read */
	bool is_busy;	    /* the oldest is being sent */
};

static uint64_t blocks(uint64_t bytes)
{
	return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

static void name_of(char name[NAME_BYTES], uint64_t seq, bool is_sent)
{
	snprintf(name, NAME_BYTES, "%016llx.%s", (unsigned long long)seq,
		 is_sent ? "sent" : "batch");
}

/* What is left of a file once it is sent: header and keys. */
static uint64_t kept_bytes(const struct entry *entry)
{
	return batch__sent_bytes(&(struct batch_info){ .num_events = entry->num_events });
}

/* ---- files ---- */

static int read_all(int fd, void *to, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)to + done, len - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

/* Regular, and no larger than a batch can be; *@len is its length. */
static int open_file(const struct spool *s, const char *name, size_t *len)
{
	int fd = openat(s->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    st.st_size > (off_t)(2 * BATCH_MAX_RAW_BYTES)) {
		close(fd);
		return -EBADMSG;
	}
	*len = (size_t)st.st_size;
	return fd;
}

/* The first @max bytes of the file, or all that there are. */
static int load(const struct spool *s, const char *name, size_t max, struct outbuf *file)
{
	size_t len = 0;
	int fd = open_file(s, name, &len), err = -ENOMEM;
	char *to;

	if (fd < 0)
		return fd;
	if (len > max)
		len = max;
	to = len ? outbuf__room(file, len) : NULL;
	if (!len)
		err = -EBADMSG;
	else if (to)
		err = read_all(fd, to, len);
	close(fd);
	if (!err)
		file->len += len;
	return err;
}

static void remove_file(struct spool *s, const char *name)
{
	unlinkat(s->dir_fd, name, 0);
}

/* ---- the list ---- */

static struct entry *append(struct spool *s)
{
	if (s->num == s->room && s->head) {
		memmove(s->entries, s->entries + s->head, (s->num - s->head) * sizeof(*s->entries));
		s->num -= s->head;
		s->first -= s->head;
		s->head = 0;
	}
	if (s->num == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct entry *more = realloc(s->entries, room * sizeof(*more));

		if (!more)
			return NULL;
		s->entries = more;
		s->room = room;
	}
	return &s->entries[s->num++];
}

/* It is to be sent, or is not any more. */
static void queue(struct spool *s, const struct entry *entry)
{
	s->queued += entry->num_events;
	s->queued_bytes += entry->bytes;
}

static void unqueue(struct spool *s, const struct entry *entry)
{
	s->queued -= entry->num_events;
	s->queued_bytes -= entry->bytes;
	s->first++;
}

/* Also its file, which is where it stands in the list. */
static void forget(struct spool *s, size_t index)
{
	struct entry entry = s->entries[index];
	char name[NAME_BYTES];

	name_of(name, entry.seq, entry.is_sent);
	remove_file(s, name);
	s->used_bytes -= entry.bytes;
	if (!entry.is_sent)
		unqueue(s, &entry);
	memmove(s->entries + s->head + 1, s->entries + s->head,
		(index - s->head) * sizeof(*s->entries));
	s->head++;
}

static uint64_t newest_ns(const struct spool *s)
{
	return s->num > s->head ? s->entries[s->num - 1].end_ns : 0;
}

/* No look back will ask for its keys: there are @keys from there on to the newest. */
static bool is_too_old(const struct spool *s, const struct entry *entry, uint64_t keys)
{
	return !entry->is_ours || keys > SPOOL_KEEP_KEYS ||
	       entry->end_ns < clock__before_ns(newest_ns(s), SPOOL_KEEP_NS);
}

static void forget_old_keys(struct spool *s)
{
	size_t keep = s->first;
	uint64_t keys = 0;

	for (size_t i = s->num; i > s->first; i--)
		keys += s->entries[i - 1].num_events;
	while (keep > s->head) {
		const struct entry *entry = &s->entries[keep - 1];

		keys += entry->num_events;
		if (is_too_old(s, entry, keys))
			break;
		keep--;
	}
	while (s->head < keep)
		forget(s, s->head);
}

/* ---- opening ---- */

static bool parse_name(const char *name, uint64_t *seq, bool *is_sent)
{
	const char *end = name + NAME_DIGITS;

	if (strspn(name, "0123456789abcdef") != NAME_DIGITS)
		return false;
	*seq = strtoull(name, NULL, 16);
	*is_sent = !strcmp(end, ".sent");
	return (*is_sent || !strcmp(end, ".batch")) && *seq < UINT64_MAX;
}

/* What is damaged is removed. Returns 0 or -ENOMEM. */
static int note_file(struct spool *s, const char *name)
{
	struct outbuf header = { 0 };
	struct batch_info info;
	struct entry *entry;
	bool is_sent;
	uint64_t seq;
	int err;

	if (!parse_name(name, &seq, &is_sent))
		return 0;
	err = load(s, name, BATCH_HEADER_BYTES, &header) ?:
	      batch__decode_header(header.data, header.len, &info);
	outbuf__free(&header);
	if (!err && !is_sent && !info.num_events)
		err = -EBADMSG;
	if (err == -ENOMEM)
		return err;
	if (err) {
		s->damaged += !is_sent;
		remove_file(s, name);
		return 0;
	}
	entry = append(s);
	if (!entry)
		return -ENOMEM;
	*entry = (struct entry){
		.seq = seq, .is_sent = is_sent, .num_events = info.num_events,
		.begin_ns = info.begin_ns, .end_ns = info.end_ns,
		.bytes = blocks(is_sent ? batch__sent_bytes(&info) : batch__file_bytes(&info)),
		.is_ours = !memcmp(info.boot, s->opts.boot, sizeof(info.boot)) &&
			   info.end_ns <= clock__now_ns(CLOCK_MONOTONIC),
	};
	if (seq >= s->next_seq) {
		s->next_seq = seq + 1;
		s->seed = info.seed;
	}
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->is_sent != y->is_sent)
		return x->is_sent ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int read_folder(struct spool *s)
{
	int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *file;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	remove_file(s, NEW);
	while (!err && s->num < MAX_FILES && (file = readdir(dir)))
		err = note_file(s, file->d_name);
	closedir(dir);
	return err;
}

static void add_up(struct spool *s)
{
	if (s->num)
		qsort(s->entries, s->num, sizeof(*s->entries), by_place);
	while (s->first < s->num && s->entries[s->first].is_sent)
		s->first++;
	for (size_t i = 0; i < s->num; i++) {
		const struct entry *entry = &s->entries[i];

		s->used_bytes += entry->bytes;
		if (!entry->is_sent)
			queue(s, entry);
	}
}

/* Whether the keys of this one can be read. */
static int read_keys(struct spool *s, const struct entry *entry, struct outbuf *file,
		     struct batch_info *info, const void **keys)
{
	char name[NAME_BYTES];

	name_of(name, entry->seq, entry->is_sent);
	file->len = 0;
	return load(s, name, 2 * BATCH_MAX_RAW_BYTES, file) ?:
	       batch__decode_header(file->data, file->len, info) ?:
	       batch__decode_keys(file->data, file->len, info, keys);
}

/*
 * From the newest back, as long as none is missing in between: what is not there may have been given,
 * and nobody would know.
 */
static void find_since(struct spool *s)
{
	struct outbuf file = { 0 };
	struct batch_info info;
	const void *data;
	uint64_t keys = 0;

	s->end_ns = s->num && s->entries[s->num - 1].is_ours ? s->entries[s->num - 1].end_ns : 0;
	s->oldest_kept = s->num;
	while (s->oldest_kept > s->head) {
		struct entry *entry = &s->entries[s->oldest_kept - 1];

		keys += entry->num_events;
		if (is_too_old(s, entry, keys) ||
		    (s->oldest_kept < s->num && entry->seq + 1 != entry[1].seq) ||
		    read_keys(s, entry, &file, &info, &data) || info.seed != s->seed)
			break;
		s->since_ns = entry->begin_ns;
		s->oldest_kept--;
	}
	outbuf__free(&file);
	if (s->since_ns && s->since_ns < clock__before_ns(newest_ns(s), SPOOL_KEEP_NS))
		s->since_ns = newest_ns(s) - SPOOL_KEEP_NS;
}

static int take_folder(struct spool *s, const char **what)
{
	*what = "cannot make the folder";
	if (mkdir(s->opts.dir, 0750) && errno != EEXIST)
		return -errno;
	*what = "cannot open the folder";
	s->dir_fd = open(s->opts.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return -errno;
	*what = "cannot write to the folder";
	s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (s->lock_fd < 0)
		return -errno;
	*what = "another process has the folder";
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

int spool__open(struct spool **spoolp, const struct spool_options *opts, const char **what)
{
	struct spool *s = calloc(1, sizeof(*s));
	int err;

	*what = "cannot start";
	if (!s)
		return -ENOMEM;
	s->opts = *opts;
	s->dir_fd = s->lock_fd = -1;
	s->seed = hash__random_seed();
	err = take_folder(s, what);
	if (!err) {
		*what = "cannot read the folder";
		err = read_folder(s);
	}
	if (err) {
		spool__close(s);
		return err;
	}
	s->opts.dir = NULL;
	add_up(s);
	find_since(s);
	*spoolp = s;
	return 0;
}

void spool__close(struct spool *s)
{
	if (!s)
		return;
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	free(s->entries);
	free(s);
}

uint64_t spool__seed(const struct spool *s)
{
	return s->seed;
}

uint64_t spool__since_ns(const struct spool *s)
{
	return s->since_ns;
}

uint64_t spool__end_ns(const struct spool *s)
{
	return s->end_ns;
}

int spool__keys(struct spool *s, int (*fn)(void *ctx, uint64_t key), void *ctx)
{
	struct outbuf file = { 0 };
	struct batch_info info;
	const void *keys;
	int err = 0;

	for (size_t i = s->oldest_kept; !err && i < s->num; i++) {
		err = read_keys(s, &s->entries[i], &file, &info, &keys);
		for (uint32_t k = 0; !err && k < info.num_events; k++) {
			uint64_t key;

			memcpy(&key, (const char *)keys + k * sizeof(key), sizeof(key));
			err = fn(ctx, key);
		}
	}
	outbuf__free(&file);
	return err;
}

/* ---- adding ---- */

static int sync_fd(int fd)
{
	return fsync(fd) ? -errno : 0;
}

static int write_new(const struct spool *s, const struct outbuf *file)
{
	int fd = openat(s->dir_fd, NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			0640);
	int err;

	if (fd < 0)
		return -errno;
	err = fdwriter__write_all(fd, file->data, file->len) ?: sync_fd(fd);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

static int write_file(struct spool *s, const struct outbuf *file, const char *name)
{
	int err = write_new(s, file);

	if (!err && renameat(s->dir_fd, NEW, s->dir_fd, name))
		err = -errno;
	if (err)
		remove_file(s, NEW);
	else
		fsync(s->dir_fd); /* of what use is it to know that this failed? */
	return err;
}

/* The oldest, but not one that is being sent. */
static bool give_way(struct spool *s)
{
	size_t oldest = s->first + s->is_busy;

	if (s->head < s->first) {
		forget(s, s->head);
		return true;
	}
	if (oldest >= s->num)
		return false;
	s->dropped += s->entries[oldest].num_events;
	forget(s, oldest);
	return true;
}

int spool__add(struct spool *s, const struct outbuf *file, const struct batch_info *info)
{
	uint64_t bytes = blocks(file->len);
	char name[NAME_BYTES];
	struct entry *entry;
	int err;

	while (s->used_bytes + bytes > s->opts.max_bytes && give_way(s))
		;
	if (s->used_bytes + bytes > s->opts.max_bytes) {
		s->dropped += info->num_events;
		s->next_seq++; /* one is missing */
		return 0;
	}
	name_of(name, s->next_seq, false);
	err = write_file(s, file, name);
	if (err)
		return err;
	entry = append(s);
	if (!entry) {
		remove_file(s, name);
		return -ENOMEM;
	}
	*entry = (struct entry){
		.seq = s->next_seq++, .num_events = info->num_events, .bytes = bytes,
		.begin_ns = info->begin_ns, .end_ns = info->end_ns, .is_ours = true,
	};
	s->used_bytes += bytes;
	queue(s, entry);
	forget_old_keys(s);
	return 0;
}

int spool__mark(struct spool *s, uint64_t since_ns, uint64_t now_ns)
{
	struct batch_info info = { .seed = s->seed, .begin_ns = since_ns, .end_ns = now_ns };
	struct outbuf file = { 0 };
	char name[NAME_BYTES];
	int err;

	if (s->since_ns)
		return 0;
	memcpy(info.boot, s->opts.boot, sizeof(info.boot));
	name_of(name, s->next_seq, true);
	err = batch__encode_mark(&file, &info) ?: write_file(s, &file, name);
	outbuf__free(&file);
	if (!err)
		s->next_seq++;
	return err;
}

/* ---- sending ---- */

bool spool__is_empty(const struct spool *s)
{
	return s->first == s->num;
}

int spool__read(struct spool *s, struct outbuf *file, struct batch_info *info)
{
	char name[NAME_BYTES];
	const void *body;
	size_t len;
	int err;

	while (s->first < s->num) {
		name_of(name, s->entries[s->first].seq, false);
		file->len = 0;
		err = load(s, name, 2 * BATCH_MAX_RAW_BYTES, file) ?:
		      batch__decode_header(file->data, file->len, info) ?:
		      batch__decode_body(file->data, file->len, info, &body, &len);
		s->is_busy = !err;
		if (!err)
			return 1;
		if (err != -EBADMSG && err != -ENOENT && err != -ENOTSUP)
			return err;
		spool__drop(s);
	}
	return 0;
}

/* The next one's number shows that it was there; a process that is killed in between sends it again,
 * and the store tells the two apart. */
void spool__sent(struct spool *s)
{
	struct entry *entry = &s->entries[s->first];
	char name[NAME_BYTES], sent[NAME_BYTES];
	uint64_t left = kept_bytes(entry);
	int fd;

	s->is_busy = false;
	name_of(name, entry->seq, false);
	name_of(sent, entry->seq, true);
	if (renameat(s->dir_fd, name, s->dir_fd, sent)) {
		forget(s, s->first);
		return;
	}
	fd = openat(s->dir_fd, sent, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		/* if it fails the file is larger than it need be, for a while */
		if (ftruncate(fd, (off_t)left))
			left = entry->bytes;
		close(fd);
	}
	unqueue(s, entry);
	s->used_bytes -= entry->bytes - blocks(left);
	entry->bytes = blocks(left);
	entry->is_sent = true;
	forget_old_keys(s);
}

void spool__drop(struct spool *s)
{
	s->is_busy = false;
	s->dropped += s->entries[s->first].num_events;
	forget(s, s->first);
}

void spool__release(struct spool *s)
{
	s->is_busy = false;
}

void spool__account(const struct spool *s, struct spool_account *account)
{
	*account = (struct spool_account){
		.queued = s->queued, .queued_bytes = s->queued_bytes, .dropped = s->dropped,
		.damaged = s->damaged,
	};
}
