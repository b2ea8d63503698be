// SPDX-License-Identifier: GPL-2.0
#include "recording/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/thread.h"

struct entry {
	struct entry *next;
	struct bundle *bundle;
	size_t bytes;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct entry *first, **end;
	size_t bytes, max_bytes;
	unsigned int wakes;
	bool closed;
};

int queue__new(struct queue **queuep, size_t max_bytes)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	pthread_condattr_t attr;

	if (!queue)
		return -ENOMEM;
	queue->end = &queue->first;
	queue->max_bytes = max_bytes;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&queue->changed, &attr);
	pthread_condattr_destroy(&attr);
	*queuep = queue;
	return 0;
}

void queue__free(struct queue *queue)
{
	if (!queue)
		return;
	while (queue->first)
		queue__pop(queue);
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

size_t queue__room(struct queue *queue)
{
	size_t room;

	pthread_mutex_lock(&queue->lock);
	room = queue->bytes < queue->max_bytes ? queue->max_bytes - queue->bytes : 0;
	pthread_mutex_unlock(&queue->lock);
	return room;
}

int queue__put(struct queue *queue, struct bundle *bundle)
{
	struct entry *entry = malloc(sizeof(*entry));
	size_t bytes = bundle__bytes(bundle);
	int err = 0;

	if (!entry)
		return -ENOSPC;
	*entry = (struct entry){ .bundle = bundle, .bytes = bytes };
	pthread_mutex_lock(&queue->lock);
	if (queue->closed)
		err = -ESHUTDOWN;
	else if (queue->first && queue->bytes + bytes > queue->max_bytes)
		err = -ENOSPC;
	if (!err) {
		*queue->end = entry;
		queue->end = &entry->next;
		queue->bytes += bytes;
		pthread_cond_broadcast(&queue->changed);
	}
	pthread_mutex_unlock(&queue->lock);
	if (err)
		free(entry);
	return err;
}

struct bundle *queue__front(struct queue *queue, int timeout_ms)
{
	const struct timespec until = thread__in_ms(timeout_ms);
	struct bundle *bundle = NULL;
	unsigned int wakes;

	pthread_mutex_lock(&queue->lock);
	wakes = queue->wakes;
	while (!queue->first && !queue->closed && queue->wakes == wakes)
		if (pthread_cond_timedwait(&queue->changed, &queue->lock, &until))
			break;
	if (queue->first)
		bundle = queue->first->bundle;
	pthread_mutex_unlock(&queue->lock);
	return bundle;
}

static struct entry *take_out(struct queue *queue)
{
	struct entry *entry;

	pthread_mutex_lock(&queue->lock);
	entry = queue->first;
	if (entry) {
		queue->first = entry->next;
		if (!entry->next)
			queue->end = &queue->first;
		queue->bytes -= entry->bytes;
	}
	pthread_mutex_unlock(&queue->lock);
	return entry;
}

void queue__pop(struct queue *queue)
{
	struct entry *entry = take_out(queue);

	if (!entry)
		return;
	bundle__free(entry->bundle);
	free(entry);
}

int queue__move(struct queue *from, struct queue *to)
{
	struct bundle *bundle = queue__front(from, 0);
	int err = bundle ? queue__put(to, bundle) : -ENODATA;

	if (!err)
		free(take_out(from));
	return err;
}

void queue__wait(struct queue *queue, int timeout_ms)
{
	const struct timespec until = thread__in_ms(timeout_ms);
	unsigned int wakes;

	pthread_mutex_lock(&queue->lock);
	wakes = queue->wakes;
	while (queue->wakes == wakes)
		if (pthread_cond_timedwait(&queue->changed, &queue->lock, &until))
			break;
	pthread_mutex_unlock(&queue->lock);
}

void queue__wake(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->wakes++;
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
}

void queue__close(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	queue->wakes++;
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
}

bool queue__is_closed(struct queue *queue)
{
	bool closed;

	pthread_mutex_lock(&queue->lock);
	closed = queue->closed;
	pthread_mutex_unlock(&queue->lock);
	return closed;
}

uint64_t queue__rows(struct queue *queue)
{
	uint64_t rows = 0;

	pthread_mutex_lock(&queue->lock);
	for (const struct entry *entry = queue->first; entry; entry = entry->next)
		rows += bundle__rows(entry->bundle);
	pthread_mutex_unlock(&queue->lock);
	return rows;
}

size_t queue__bytes(struct queue *queue)
{
	size_t bytes;

	pthread_mutex_lock(&queue->lock);
	bytes = queue->bytes;
	pthread_mutex_unlock(&queue->lock);
	return bytes;
}
