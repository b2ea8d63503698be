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

#define NSEC_PER_SEC 1000000000ULL
#define NO_ENTRY UINT32_MAX
#define QUEUE_LEN 256 /* questions on their way; more wait for a later call */

enum state {
	UNASKED,
	ASKED,
	ANSWERED, /* names is NULL: nobody knew */
};

/* A chained hash table over a fixed pool; the clock algorithm evicts. */
struct entry {
	char id[CGROUP_ID_SIZE];
	bool user_owned;
	uint32_t owner_uid;
	uint32_t next; /* in its chain, or NO_ENTRY */
	uint32_t turn; /* how often the slot changed hands */
	enum state state;
	bool used; /* since the hand last passed */
	unsigned int failures;
	uint64_t retry_ns;
	struct runtime_names_of *names;
};

struct question {
	uint32_t slot;
	uint32_t turn;
	struct cgroup_identity identity;
};

struct answer {
	uint32_t slot;
	uint32_t turn;
	struct runtime_names_of *names;
};

struct runtime_names {
	/* the caller's alone */
	uint32_t num_entries, num_used, num_chains, hand;
	uint32_t *chains;
	struct entry *entries;
	size_t on_the_way; /* questions without their answer collected */

	/* shared, under lock; on_the_way bounds both queues */
	pthread_mutex_t lock;
	pthread_cond_t asked;
	struct question questions[QUEUE_LEN];
	struct answer answers[QUEUE_LEN];
	size_t first_question, num_questions, num_answers;
	bool stop;
	atomic_bool has_answers;

	struct runtime_source *source; /* the helper's; cancel from anywhere */
	pthread_t helper;
	bool has_helper;
	int event_fd;
};

/* ---- the helper ---- */

/* false: to stop */
static bool next_question(struct runtime_names *names, struct question *question)
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

static void *help(void *arg)
{
	struct runtime_names *names = arg;
	struct runtime_names_of found;
	struct question question;
	struct answer answer;

	while (next_question(names, &question)) {
		answer = (struct answer){ .slot = question.slot, .turn = question.turn };
		if (!runtime_source__ask(names->source, &question.identity, &found)) {
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

/* Eight characters a step: each event asks, and an ID has 64. */
static uint32_t *chain_of(struct runtime_names *names, const char *id)
{
	const uint64_t prime = 0x9e3779b97f4a7c15ULL;
	size_t len = strlen(id);
	uint64_t hash = len, word;

	for (; len >= sizeof(word); id += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, id, sizeof(word));
		hash = (hash ^ word) * prime;
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, id, len);
	hash = (hash ^ word) * prime;
	return &names->chains[(hash >> 32) & (names->num_chains - 1)];
}

static struct entry *find(struct runtime_names *names, const struct cgroup_identity *identity)
{
	struct entry *entry;
	uint32_t slot;

	for (slot = *chain_of(names, identity->host_id); slot != NO_ENTRY; slot = entry->next) {
		entry = &names->entries[slot];
		if (strcmp(entry->id, identity->host_id) == 0 &&
		    entry->user_owned == identity->user_owned &&
		    entry->owner_uid == identity->owner_uid)
			return entry;
	}
	return NULL;
}

static void evict(struct runtime_names *names, uint32_t slot)
{
	struct entry *entry = &names->entries[slot];
	uint32_t *at = chain_of(names, entry->id), turn = entry->turn + 1;

	while (*at != slot)
		at = &names->entries[*at].next;
	*at = entry->next;
	free(entry->names);
	*entry = (struct entry){ .turn = turn };
}

static uint32_t free_slot(struct runtime_names *names)
{
	uint32_t slot;

	if (names->num_used < names->num_entries)
		return names->num_used++;
	while (names->entries[names->hand].used) {
		names->entries[names->hand].used = false;
		names->hand = (names->hand + 1) % names->num_entries;
	}
	slot = names->hand;
	names->hand = (names->hand + 1) % names->num_entries;
	evict(names, slot);
	return slot;
}

static struct entry *insert(struct runtime_names *names, const struct cgroup_identity *identity)
{
	uint32_t slot = free_slot(names), *chain = chain_of(names, identity->host_id);
	struct entry *entry = &names->entries[slot];

	memcpy(entry->id, identity->host_id, sizeof(entry->id));
	entry->user_owned = identity->user_owned;
	entry->owner_uid = identity->owner_uid;
	entry->next = *chain;
	*chain = slot;
	return entry;
}

/* ---- questions and answers ---- */

static void ask(struct runtime_names *names, struct entry *entry,
		const struct cgroup_identity *identity)
{
	struct question *question;

	if (names->on_the_way == QUEUE_LEN)
		return;
	pthread_mutex_lock(&names->lock);
	question = &names->questions[(names->first_question + names->num_questions) % QUEUE_LEN];
	question->slot = (uint32_t)(entry - names->entries);
	question->turn = entry->turn;
	question->identity = *identity;
	names->num_questions++;
	pthread_cond_signal(&names->asked);
	pthread_mutex_unlock(&names->lock);
	names->on_the_way++;
	entry->state = ASKED;
}

static void take_answer(struct runtime_names *names, const struct answer *answer, uint64_t now_ns)
{
	static const uint64_t pauses_s[] = { 1, 4, 16, 60 };
	struct entry *entry = &names->entries[answer->slot];

	names->on_the_way--;
	if (entry->turn != answer->turn || entry->state != ASKED) {
		free(answer->names); /* the slot is another's by now */
		return;
	}
	entry->state = ANSWERED;
	entry->names = answer->names;
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
	struct entry *entry;

	if (!names || !identity->host_id[0])
		return NULL;
	take_answers(names, now_ns);
	entry = find(names, identity);
	if (!entry)
		entry = insert(names, identity);
	entry->used = true;
	if (is_due(entry, now_ns))
		ask(names, entry, identity);
	return entry->names;
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
	uint32_t i;

	names->num_entries = (uint32_t)entries;
	names->num_chains = 1;
	while (names->num_chains < names->num_entries)
		names->num_chains *= 2;
	names->entries = calloc(names->num_entries, sizeof(*names->entries));
	names->chains = calloc(names->num_chains, sizeof(*names->chains));
	if (!names->entries || !names->chains)
		return -ENOMEM;
	for (i = 0; i < names->num_chains; i++)
		names->chains[i] = NO_ENTRY;
	return 0;
}

int runtime_names__new(struct runtime_names **namesp, const struct runtime_places *places,
		       const struct runtime_limits *limits, size_t entries)
{
	struct runtime_names *names;
	int err;

	if (entries > UINT32_MAX / 4)
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

static void stop_helper(struct runtime_names *names)
{
	if (!names->has_helper)
		return;
	pthread_mutex_lock(&names->lock);
	names->stop = true;
	pthread_cond_signal(&names->asked);
	pthread_mutex_unlock(&names->lock);
	runtime_source__cancel(names->source);
	pthread_join(names->helper, NULL);
}

void runtime_names__free(struct runtime_names *names)
{
	size_t i;

	if (!names)
		return;
	stop_helper(names);
	for (i = 0; i < names->num_answers; i++)
		free(names->answers[i].names);
	for (i = 0; i < names->num_used; i++)
		free(names->entries[i].names);
	runtime_source__free(names->source);
	free(names->entries);
	free(names->chains);
	if (names->event_fd >= 0)
		close(names->event_fd);
	pthread_cond_destroy(&names->asked);
	pthread_mutex_destroy(&names->lock);
	free(names);
}
