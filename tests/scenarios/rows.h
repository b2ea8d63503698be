/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `twsnoop list --json` says, and what the kernel's table says beside it: both sorted, so
 * that a socket is found by its tuple.
 */
#ifndef SCENARIOS_ROWS_H
#define SCENARIOS_ROWS_H

#include "referee.h"
#include "tracer.h"

#include <stddef.h>

/* ---- running the program to its end ---- */

struct output {
	int status; /* as waitpid() gives it */
	char *out;  /* both end in a NUL */
	size_t out_len;
	char *err;
	size_t err_len;
};

/* Runs PATH with the arguments (NULL at the end) in the caller's namespaces. 0 or -errno. */
int output__run(struct output *o, const char *path, const char *const args[]);
void output__free(struct output *o);

/* ---- the list ---- */

enum { EVIDENCE_SEEN = 1, EVIDENCE_INFERRED = 2, EVIDENCE_UNKNOWN = 4 };

struct row {
	struct event ev; /* its action is ACT_UNKNOWN; begins with the tuple */
	unsigned int state; /* ST_TIME_WAIT or ST_FIN_WAIT2 */
	unsigned int evidence;
	char command_line[512];
	char netns_name[256];
	long expires_ns, age_ns; /* -1: absent */
	bool matched;
};

struct rows {
	struct row *r;
	size_t n;
	/* The account; twsnoop's words in err. */
	unsigned long listed, seen, inferred, unknown, missed;
	char err[2048];
};

/*
 * Takes a list; more arguments (NULL at the end) go after `list --json`. Returns 0, or -1 and
 * *why (size bytes) says what breaks the contract. To be freed in any case.
 */
int rows__take(struct rows *rows, const char *twsnoop, const char *const more[], char *why,
	       size_t size);
void rows__free(struct rows *rows);
struct row *rows__find(const struct rows *rows, const struct tuple *t);

/* Reads one line of the list. 0, or -EINVAL with *why set. */
int row__parse(const char *line, size_t len, struct row *row, const char **why);

/* ---- the kernel's table ---- */

struct mini {
	struct tuple t;
	uint64_t cookie;
	unsigned int state;
};

struct minis {
	struct mini *m;
	size_t n, cap;
	uint64_t netns; /* of those that are being added */
};

/*
 * Adds the mini-sockets of the namespace that this descriptor is of, -1: the caller's. The
 * caller, a process of one thread, goes there and comes back. 0 or -errno.
 */
int minis__add(struct minis *ms, int netns_fd);
/* Once all are added. */
void minis__sort(struct minis *ms);
const struct mini *minis__find(const struct minis *ms, const struct tuple *t);
void minis__free(struct minis *ms);

#endif
