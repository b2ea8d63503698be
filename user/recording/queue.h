/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bundles on their way from the threads that make them to the one that writes them. Nobody who
 * puts something in waits: what does not fit in its bytes is refused. What is being written
 * counts until it has been.
 */
#ifndef TWSNOOP_QUEUE_H
#define TWSNOOP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recording/bundle.h"

struct queue;

/* queue__new() - for @max_bytes of bundles. Returns 0 or -ENOMEM. */
int queue__new(struct queue **queuep, size_t max_bytes);
void queue__free(struct queue *queue); /* with what is in it; NULL is allowed */

/* queue__room() - bytes that are free now. It can only grow if there is no other who puts
 * something in. */
size_t queue__room(struct queue *queue);

/* queue__put() - @bundle, which then is the queue's. Returns 0, or -ENOSPC, or -ESHUTDOWN after
 * queue__close(): then it is still the caller's. An empty queue takes whatever comes. */
int queue__put(struct queue *queue, struct bundle *bundle);

/* queue__front() - the oldest bundle, which stays where it is. Waits for it up to @timeout_ms.
 * NULL: there is none, or another thread called queue__wake(). */
struct bundle *queue__front(struct queue *queue, int timeout_ms);

/* queue__pop() - what queue__front() gave has been seen to; frees it. */
void queue__pop(struct queue *queue);

/* queue__move() - the oldest of @from into @to. Returns 0, -ENODATA if there is none, or as
 * queue__put(): then it stays. For who owns @from. */
int queue__move(struct queue *from, struct queue *to);

/* queue__wait() - for @timeout_ms, or until queue__wake(). */
void queue__wait(struct queue *queue, int timeout_ms);
void queue__wake(struct queue *queue);

/* queue__close() - no more is put in; whoever waits is woken. */
void queue__close(struct queue *queue);
bool queue__is_closed(struct queue *queue);

/* queue__rows() - in all that is in it now; and the bytes that this takes. */
uint64_t queue__rows(struct queue *queue);
size_t queue__bytes(struct queue *queue);

#endif
