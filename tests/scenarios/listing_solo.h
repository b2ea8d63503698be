/* SPDX-License-Identifier: GPL-2.0 */
/* What the solo tests of the list share. All of it ends the stage if something is wrong. */
#ifndef SCENARIOS_LISTING_SOLO_H
#define SCENARIOS_LISTING_SOLO_H

#include <jansson.h>

#include "listing.h"

/* ---- running twsnoop ---- */

/* `twsnoop WORD --bpffs …`, which has to succeed. */
void solo__command(struct stage *st, const char *twsnoop, const char *word,
		   const char *const more[]);

/* The same with all of its arguments, but it has to fail with status 1 and say these words. */
void solo__refused(struct stage *st, const char *twsnoop, const char *const args[],
		   const char *words);

/* What is listed of the stage's network namespace; to be freed by rows__free(). */
void solo__take(struct stage *st, const char *twsnoop, struct rows *rows);

/* `ledger` of `twsnoop check --json`; borrowed from *root, which is to be released. Of the default
 * place alone. */
json_t *solo__check(struct stage *st, const char *twsnoop, json_t **root);
bool solo__is_default_place(void);

/* A number of the attached ledger, 0 where it cannot be had. */
unsigned long solo__ledger_number(struct stage *st, const char *twsnoop, const char *key);

/* The sum of the attached programs' skips so far: what may be missing for want of a call. */
unsigned long solo__recursion(struct stage *st, const char *twsnoop);

/* ---- other watchers of this machine ---- */

/* How many are loaded of twsnoop's programs for changes of state, whoever did it. */
unsigned int solo__watchers(void);
bool solo__watchers_become(unsigned int n, int deadline_ms);

/* Where nobody else may record anything; from then on, whether more than @n do. Both skip the test. */
void solo__need_nobody(struct stage *st);
void solo__skip_if_more(struct stage *st, unsigned int n);

/* ---- connections ---- */

struct scene {
	struct stage *st;
	const char *twsnoop;
	struct actor *c, *s, *other;
	long lfd, port;
	struct tuple client; /* of the connection that was opened last, the client's end */
	int cfd, sfd;
	unsigned int ledgers; /* of our own */
};

struct scene scene__begin(struct stage *st, const char *twsnoop, enum fam fam);

/* client connects (from @bind_port, 0: any), and server, who has the listening socket, accepts. */
void scene__open(struct scene *x, struct actor *client, struct actor *server, enum fam fam,
		 int bind_port);

/* Until the kernel's table has it in one of these states. */
void scene__await(struct scene *x, const struct tuple *t, unsigned int mask);

/* Both ends are closed, the one first; that one has the TIME_WAIT then. */
void scene__close(struct scene *x, struct actor *first, int fd, struct actor *then, int then_fd,
		  const struct tuple *t);

/* The same, but the peer vanishes without a FIN. */
void scene__close_half(struct scene *x, struct actor *first, int fd, struct actor *then, int then_fd,
		       const struct tuple *t);

/* Opened by that process, and closed by it first; the client's end. */
struct tuple scene__one_close(struct scene *x, struct actor *client, enum fam fam);

/* ---- what has to be listed ---- */

#define NOT_SEEN (EVIDENCE_INFERRED | EVIDENCE_UNKNOWN)

/* The tuple's row; its evidence is one of these, and its process, if any, this one. */
void scene__expect_row(struct scene *x, const struct tuple *t, unsigned int evidence,
		       const struct actor *who, unsigned int side);
void scene__expect_none(struct scene *x, const struct tuple *t);

/* ---- the tests ---- */

/* listing_churn.c */
void listing__churn(struct stage *st, const char *twsnoop);

/* listing_lives.c */
void listing__reused_by_connect(struct stage *st, const char *twsnoop);
void listing__reused_by_syn(struct stage *st, const char *twsnoop);
void listing__reused_under_a_filter(struct stage *st, const char *twsnoop);
void listing__expired(struct stage *st, const char *twsnoop);
void listing__killed(struct stage *st, const char *twsnoop);
void listing__restarts(struct stage *st, const char *twsnoop);

/* listing_small.c */
void listing__too_small(struct stage *st, const char *twsnoop);

/* listing_inferred.c */
void listing__inferred_server(struct stage *st, const char *twsnoop);
void listing__handed_on(struct stage *st, const char *twsnoop);
void listing__passed_on(struct stage *st, const char *twsnoop);
void listing__inferred_client(struct stage *st, const char *twsnoop);
void listing__open_before(struct stage *st, const char *twsnoop);

/* listing_attach.c */
void listing__attach_twice(struct stage *st, const char *twsnoop);
void listing__attach_killed(struct stage *st, const char *twsnoop);
void listing__no_bpffs(struct stage *st, const char *twsnoop);
void listing__unprivileged(struct stage *st, const char *twsnoop);

/* listing_ports.c */
void listing__all_states(struct stage *st, const char *twsnoop);
void listing__ports_live(struct stage *st, const char *twsnoop);
void listing__ports_bound(struct stage *st, const char *twsnoop);
void listing__ports_holder(struct stage *st, const char *twsnoop);
void listing__ports_own(struct stage *st, const char *twsnoop);
void listing__ports_reusable(struct stage *st, const char *twsnoop);
void listing__ports_unprivileged(struct stage *st, const char *twsnoop);

#endif
