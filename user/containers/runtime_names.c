// SPDX-License-Identifier: GPL-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "containers/runtime_names.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/libcurl.h"
#include "base/privileges.h"
#include "base/table.h"
#include "base/thread.h"

#define NSEC_PER_SEC 1000000000ULL
#define QUEUE_LEN 256 /* questions on their way; more wait for a later call */
#define STOP_MS 500 /* what is being asked may take to end */

enum state {
	UNASKED,
	ASKED,
	ANSWERED, /* names is NULL: nobody knew, or who may know gave no answer */
};

/* A container's ID, where no user could have made it up; else that user's. Of entries the key:
 * no padding. */
struct asked_for {
	char id[(CGROUP_ID_SIZE + 7) / 8 * 8];
	uint32_t owner_uid;
	uint32_t user_owned;
};

struct entry {
	struct asked_for who;
	enum state state;
	bool nobody_knows; /* and all have said so */
	unsigned int failures;
	uint64_t retry_ns;
	struct runtime_names_of *names;
};

struct answer {
	struct asked_for who;
	int err;
	struct runtime_names_of *names;
};

struct runtime_names {
	/* the caller's alone */
	struct table *entries; /* struct entry */
	size_t on_the_way; /* questions without their answer collected */
	uint64_t changes;

	/* shared, under lock; on_the_way bounds both queues */
	pthread_mutex_t lock;
	pthread_cond_t asked;
	struct cgroup_identity questions[QUEUE_LEN];
	struct answer answers[QUEUE_LEN];
	size_t first_question, num_questions, num_answers;
	bool stop;
	atomic_bool has_answers;

	struct runtime_source *source; /* the helper's; cancel from anywhere */
	pthread_t helper;
	bool has_helper;
	int event_fd;
	struct runtime_names *next_abandoned;
};

/* ---- the helper ---- */

/* false: to stop */
static bool next_question(struct runtime_names *names, struct cgroup_identity *question)
{
	bool stop;

	pthread_mutex_lock(&names->lock);
	while (!names->stop && names->num_questions == 0)
		pthread_cond_wait(&names->asked, &names->lock);
	stop = names->stop;
	if (!stop) {
		*question = names->questions[names->first_question];
		names->first_question = (names->first_question + 1) % QUEUE_LEN;
		names->num_questions--;
	}
	pthread_mutex_unlock(&names->lock);
	return !stop;
}

static void give_answer(struct runtime_names *names, const struct answer *answer)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&names->lock);
	names->answers[names->num_answers++] = *answer;
	atomic_store(&names->has_answers, true);
	pthread_mutex_unlock(&names->lock);
	/* full (never) or interrupted (signals are blocked): it is readable anyway */
	if (write(names->event_fd, &one, sizeof(one)) < 0)
		return;
}

static struct asked_for asked_for(const struct cgroup_identity *identity)
{
	struct asked_for who = { .owner_uid = identity->owner_uid,
				 .user_owned = identity->user_owned };

	memcpy(who.id, identity->host_id, strnlen(identity->host_id, CGROUP_ID_SIZE - 1));
	return who;
}

static void *help(void *arg)
{
	struct runtime_names *names = arg;
	struct runtime_names_of found;
	struct cgroup_identity question;
	struct answer answer;

	privileges__of_thread(PRIVILEGES_TO_FILES);
	while (next_question(names, &question)) {
		answer = (struct answer){ .who = asked_for(&question) };
		answer.err = runtime_source__ask(names->source, &question, &found);
		if (!answer.err) {
			answer.names = malloc(sizeof(found));
			if (answer.names)
				*answer.names = found;
		}
		give_answer(names, &answer);
	}
	return NULL;
}

/* Signals stay the calling thread's matter. */
static int start_helper(struct runtime_names *names)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	err = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (err)
		return -err;
	err = pthread_create(&names->helper, NULL, help, names);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	names->has_helper = !err;
	return -err;
}

/* ---- the cache ---- */

static struct entry *find(const struct runtime_names *names,
			  const struct cgroup_identity *identity)
{
	struct asked_for who = asked_for(identity);

	return table__find(names->entries, &who);
}

static void on_evict(void *ctx, void *entry)
{
	struct runtime_names *names = ctx;

	names->changes++;
	free(((struct entry *)entry)->names);
}

/* ---- questions and answers ---- */

static atomic_uint_fast64_t last_number; /* of all answers with names */

static void ask(struct runtime_names *names, struct entry *entry,
		const struct cgroup_identity *identity)
{
	if (names->on_the_way == QUEUE_LEN)
		return;
	/* Here, not in the helper, which is left behind where it hangs: a process cannot end while
	 * one of its threads loads a library. Without it the state on disk is asked alone. */
	libcurl__load();
	pthread_mutex_lock(&names->lock);
	names->questions[(names->first_question + names->num_questions++) % QUEUE_LEN] = *identity;
	pthread_cond_signal(&names->asked);
	pthread_mutex_unlock(&names->lock);
	names->on_the_way++;
	entry->state = ASKED;
}

static void take_answer(struct runtime_names *names, const struct answer *answer, uint64_t now_ns)
{
	static const uint64_t pauses_s[] = { 1, 4, 16, 60 };
	struct entry *entry = table__find(names->entries, &answer->who);

	names->on_the_way--;
	if (!entry || entry->state != ASKED) {
		free(answer->names); /* it gave way meanwhile */
		return;
	}
	entry->state = ANSWERED;
	entry->names = answer->names;
	if (entry->names) {
		entry->names->number = ++last_number;
		names->changes++;
	}
	entry->nobody_knows = answer->err == -ENOENT || answer->err == -EINVAL;
	entry->retry_ns = now_ns + pauses_s[entry->failures] * NSEC_PER_SEC;
	if (entry->failures < 3)
		entry->failures++;
}

static void take_answers(struct runtime_names *names, uint64_t now_ns)
{
	size_t i;

	if (!atomic_load_explicit(&names->has_answers, memory_order_relaxed))
		return;
	pthread_mutex_lock(&names->lock);
	for (i = 0; i < names->num_answers; i++)
		take_answer(names, &names->answers[i], now_ns);
	names->num_answers = 0;
	atomic_store(&names->has_answers, false);
	pthread_mutex_unlock(&names->lock);
}

static bool is_due(const struct entry *entry, uint64_t now_ns)
{
	return entry->state == UNASKED ||
	       (entry->state == ANSWERED && !entry->names && now_ns >= entry->retry_ns);
}

const struct runtime_names_of *runtime_names__get(struct runtime_names *names,
						  const struct cgroup_identity *identity,
						  uint64_t now_ns)
{
	struct asked_for who;
	struct entry *entry;
	void *place;

	if (!names || !identity->host_id[0])
		return NULL;
	take_answers(names, now_ns);
	who = asked_for(identity);
	if (table__get(names->entries, &who, &place) < 0)
		return NULL;
	entry = place;
	table__touch(names->entries, entry);
	if (is_due(entry, now_ns))
		ask(names, entry, identity);
	return entry->names;
}

uint64_t runtime_names__changes(const struct runtime_names *names)
{
	return names ? names->changes : 0;
}

void runtime_names__retire(struct runtime_names *names, const struct cgroup_identity *identity)
{
	struct entry *entry = names && identity->host_id[0] ? find(names, identity) : NULL;

	if (entry)
		table__retire(names->entries, entry);
}

bool runtime_names__nobody_knows(const struct runtime_names *names,
				 const struct cgroup_identity *identity)
{
	const struct entry *entry = names && identity->host_id[0] ? find(names, identity) : NULL;

	return entry && !entry->names && entry->nobody_knows;
}

const struct runtime_names_of *runtime_names__peek(struct runtime_names *names,
						   const struct cgroup_identity *identity)
{
	const struct entry *entry = NULL;

	if (names && identity->host_id[0])
		entry = find(names, identity);
	return entry ? entry->names : NULL;
}

static void add(const char **member, const char *text)
{
	if (text[0])
		*member = text;
}

/* A pod's names belong to the pod UID that the path tells, if it tells one. */
static bool is_same_pod(const struct cgroup_identity *identity,
			const struct runtime_names_of *found)
{
	if (identity->pod_uid[0] && found->pod_uid[0])
		return strcmp(identity->pod_uid, found->pod_uid) == 0;
	return identity->depth == 1;
}

void runtime_names__apply(const struct runtime_names_of *found,
			  const struct cgroup_identity *identity, struct workload *workload)
{
	if (!found)
		return;
	if (identity->depth == 1) {
		add(&workload->container_name, found->name);
		add(&workload->container_image, found->image);
	}
	if (!is_same_pod(identity, found))
		return;
	add(&workload->pod_name, found->pod_name);
	add(&workload->pod_namespace, found->pod_namespace);
	add(&workload->pod_uid, found->pod_uid);
	if (identity->depth == 1)
		add(&workload->pod_container, found->pod_container);
}

void runtime_names__fill(struct runtime_names *names, const struct cgroup_identity *identity,
			 uint64_t now_ns, struct workload *workload)
{
	runtime_names__apply(runtime_names__get(names, identity, now_ns), identity, workload);
}

int runtime_names__fd(const struct runtime_names *names)
{
	return names ? names->event_fd : -1;
}

void runtime_names__collect(struct runtime_names *names, uint64_t now_ns)
{
	uint64_t count;

	if (!names)
		return;
	/* before taking them in: an answer that comes between is told again */
	if (read(names->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	take_answers(names, now_ns);
}

bool runtime_names__awaited(const struct runtime_names *names)
{
	return names && names->on_the_way;
}

/* ---- its life ---- */

static int make_cache(struct runtime_names *names, size_t entries)
{
	const struct table_options opts = {
		.key_bytes = sizeof(struct asked_for), .entry_bytes = sizeof(struct entry),
		.max = entries, .drop_living = true, .evict = on_evict, .ctx = names,
	};

	return table__new(&names->entries, &opts);
}

int runtime_names__new(struct runtime_names **namesp, const struct runtime_places *places,
		       const struct runtime_limits *limits, size_t entries)
{
	struct runtime_names *names;
	int err;

	if (entries > TABLE_MAX)
		return -ENOMEM;
	names = calloc(1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	pthread_mutex_init(&names->lock, NULL);
	pthread_cond_init(&names->asked, NULL);
	atomic_init(&names->has_answers, false);
	names->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = names->event_fd < 0 ? -errno : 0;
	if (!err)
		err = make_cache(names, entries ? entries : RUNTIME_NAMES_DEFAULT);
	if (!err)
		err = runtime_source__new(&names->source, places, limits);
	if (!err)
		err = start_helper(names);
	if (err) {
		runtime_names__free(names);
		return err;
	}
	*namesp = names;
	return 0;
}

/* False: it hangs in a system call that nothing ends, as in a file system that is gone. */
static bool stop_helper(struct runtime_names *names)
{
	if (!names->has_helper)
		return true;
	pthread_mutex_lock(&names->lock);
	names->stop = true;
	pthread_cond_signal(&names->asked);
	pthread_mutex_unlock(&names->lock);
	runtime_source__cancel(names->source);
	return thread__join(names->helper, STOP_MS);
}

/* What a helper that did not end may still use: a list of all of it, so that it does not look
 * forgotten. */
static struct runtime_names *abandoned;

bool runtime_names__free(struct runtime_names *names)
{
	struct entry *entry = NULL;
	size_t i;

	if (!names)
		return true;
	if (!stop_helper(names)) {
		pthread_detach(names->helper);
		names->next_abandoned = abandoned;
		abandoned = names;
		return false;
	}
	for (i = 0; i < names->num_answers; i++)
		free(names->answers[i].names);
	while (names->entries && (entry = table__next(names->entries, entry)))
		free(entry->names);
	runtime_source__free(names->source);
	table__free(names->entries);
	if (names->event_fd >= 0)
		close(names->event_fd);
	pthread_cond_destroy(&names->asked);
	pthread_mutex_destroy(&names->lock);
	free(names);
	return true;
}
