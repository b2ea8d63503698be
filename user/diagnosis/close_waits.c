// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/close_waits.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/table.h"
#include "model/filter.h"

#define NS_PER_MS 1000000ULL

struct quiet {
	uint64_t cookie;
	uint64_t quiet_ms;
};

struct close_waits {
	struct table *quiet; /* of struct quiet, by cookie */
	const struct tws_filter *filter;
};

static int begin_netns(void *ctx, const struct netns_entry *ns)
{
	const struct close_waits *read = ctx;

	return !filter__passes_netns(read->filter, ns->inode);
}

static int note(void *ctx, const struct sockdiag_socket *sk)
{
	struct close_waits *read = ctx;
	struct quiet *quiet;
	int got;

	if (!sk->cookie || sk->state != SOCKDIAG_CLOSE_WAIT)
		return 0;
	got = table__get(read->quiet, &sk->cookie, (void **)&quiet);
	if (got < 0)
		return got == -ENOSPC ? 0 : got; /* of the others it is not known */
	quiet->quiet_ms = sk->quiet_ms;
	return 0;
}

int close_waits__read(struct close_waits **readp, const struct sockets_source *source,
		      const struct tws_filter *filter, size_t max)
{
	const struct table_options quiet = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct quiet), .max = max ?: 1,
	};
	const struct sockets_visitor visitor = {
		SOCKDIAG_MASK(SOCKDIAG_CLOSE_WAIT), begin_netns, note, NULL,
	};
	struct sockets_source asked = *source;
	struct close_waits *read;
	int err;

	if (source->dump != sockdiag__dump) /* an iterator, which does not tell */
		return -EOPNOTSUPP;
	read = calloc(1, sizeof(*read));
	if (!read)
		return -ENOMEM;
	asked.dump = sockdiag__dump_quiet;
	read->filter = filter;
	err = table__new(&read->quiet, &quiet) ?: sockets__each(&asked, &visitor, read, NULL);
	if (err) {
		close_waits__free(read);
		return err;
	}
	*readp = read;
	return 0;
}

void close_waits__free(struct close_waits *read)
{
	if (!read)
		return;
	table__free(read->quiet);
	free(read);
}

bool close_waits__age(const struct close_waits *read, uint64_t cookie, uint64_t *age_ns)
{
	const struct quiet *quiet = read && cookie ? table__find(read->quiet, &cookie) : NULL;

	if (!quiet)
		return false;
	*age_ns = quiet->quiet_ms * NS_PER_MS;
	return true;
}

uint64_t close_waits__descriptors(const char *proc_root, uint32_t pid)
{
	static const char begin[] = "Max open files";
	char path[PATH_MAX], line[128];
	uint64_t limit = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%u/limits", proc_root, pid);
	file = fopen(path, "re");
	while (file && !limit && fgets(line, sizeof(line), file)) {
		char *word = line + sizeof(begin) - 1;

		if (strncmp(line, begin, sizeof(begin) - 1))
			continue;
		word += strspn(word, " ");
		word[strcspn(word, " \n")] = '\0';
		if (parse__u64(word, 1, UINT32_MAX, &limit))
			break; /* unlimited */
	}
	if (file)
		fclose(file);
	return limit;
}
