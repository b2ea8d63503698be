// SPDX-License-Identifier: GPL-2.0
#include "host/time_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/parse.h"

#define NS_PER_S 1000000000
#define MAX_SHIFT_S (1ULL << 33) /* the kernel allows less: KTIME_SEC_MAX / 2 */
#define INITIAL_INODE 0xeffffffaU /* PROC_TIME_INIT_INO */

static int read_file(const char *proc, const char *name, char *text, size_t size)
{
	char path[4096];
	ssize_t len;
	int fd;

	if (snprintf(path, sizeof(path), "%s/self/%s", proc, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	close(fd);
	if (len < 0)
		return -EIO;
	text[len] = '\0';
	return 0;
}

static uint32_t inode_of(const char *proc, const char *name)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/self/ns/%s", proc, name) >= (int)sizeof(path) ||
	    stat(path, &st))
		return 0;
	return (uint32_t)st.st_ino;
}

/* The next word of *@text, which goes on behind it. */
static const char *next_word(char **text)
{
	return strsep(text, " \t") ?: "";
}

static const char *skip_blanks(char **text)
{
	const char *word = next_word(text);

	while (!*word && *text)
		word = next_word(text);
	return word;
}

/* "-3600 500000000" are 3,599.5 seconds less. */
static int parse_shift(char *text, int64_t *shift_ns)
{
	const char *seconds = skip_blanks(&text), *fraction = skip_blanks(&text);
	bool negative = *seconds == '-';
	uint64_t s, ns;

	if (parse__u64(seconds + negative, 0, MAX_SHIFT_S, &s) ||
	    parse__u64(fraction, 0, NS_PER_S - 1, &ns))
		return -EPROTO;
	*shift_ns = (negative ? -(int64_t)s : (int64_t)s) * NS_PER_S + (int64_t)ns;
	return 0;
}

static int parse_shifts(char *text, struct time_shift *shift)
{
	struct time_shift found = {};
	char *line;
	int err = 0;

	while (!err && (line = strsep(&text, "\n"))) {
		const char *clock = skip_blanks(&line);

		if (!strcmp(clock, "monotonic"))
			err = parse_shift(line, &found.monotonic_ns);
		else if (!strcmp(clock, "boottime"))
			err = parse_shift(line, &found.boottime_ns);
	}
	if (!err)
		*shift = found;
	return err;
}

/* The file tells of the namespace that children will be in. */
int time_namespace__shift(const char *proc, struct time_shift *shift)
{
	uint32_t own = inode_of(proc, "time"), children = inode_of(proc, "time_for_children");
	char text[256];
	int err;

	if (!own || own == INITIAL_INODE) {
		*shift = (struct time_shift){};
		return 0;
	}
	if (own != children)
		return -EXDEV;
	err = read_file(proc, "timens_offsets", text, sizeof(text));
	return err ?: parse_shifts(text, shift);
}
