// SPDX-License-Identifier: GPL-2.0
#include "host/pid_numbers.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define MAX_PROCESSES (1U << 22) /* PID_MAX_LIMIT, include/linux/threads.h */

/* Two copies in the two orders. */
struct list {
	struct tws_process *by_pid, *by_host_pid;
	uint32_t num, room;
};

struct pid_numbers {
	pid_numbers_list_fn list;
	void *ctx;
	struct list now;
};

static void fini(struct list *list)
{
	free(list->by_pid);
	free(list->by_host_pid);
}

static int put(void *to, const struct tws_process *process)
{
	struct list *list = to;
	struct tws_process *more;

	if (list->num == list->room) {
		uint32_t room = list->room ? 2 * list->room : 256;

		if (list->num >= MAX_PROCESSES)
			return -E2BIG;
		more = realloc(list->by_pid, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		list->by_pid = more;
		list->room = room;
	}
	list->by_pid[list->num++] = *process;
	return 0;
}

static int compare_pid(const void *a, const void *b)
{
	const struct tws_process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static int compare_host_pid(const void *a, const void *b)
{
	const struct tws_process *x = a, *y = b;

	return (x->host_pid > y->host_pid) - (x->host_pid < y->host_pid);
}

int pid_numbers__refresh(struct pid_numbers *numbers)
{
	struct list list = { 0 };
	int err = numbers->list(numbers->ctx, put, &list);

	if (err)
		goto out;
	list.by_host_pid = malloc((list.num ?: 1) * sizeof(*list.by_host_pid));
	if (!list.by_host_pid) {
		err = -ENOMEM;
		goto out;
	}
	for (uint32_t i = 0; i < list.num; i++)
		list.by_host_pid[i] = list.by_pid[i];
	if (list.num) {
		qsort(list.by_pid, list.num, sizeof(*list.by_pid), compare_pid);
		qsort(list.by_host_pid, list.num, sizeof(*list.by_host_pid), compare_host_pid);
	}
	fini(&numbers->now);
	numbers->now = list;
	return 0;
out:
	fini(&list);
	return err;
}

int pid_numbers__new(struct pid_numbers **numbersp, pid_numbers_list_fn list, void *ctx)
{
	struct pid_numbers *numbers = calloc(1, sizeof(*numbers));
	int err;

	if (!numbers)
		return -ENOMEM;
	numbers->list = list;
	numbers->ctx = ctx;
	err = pid_numbers__refresh(numbers);
	if (err) {
		pid_numbers__free(numbers);
		return err;
	}
	*numbersp = numbers;
	return 0;
}

void pid_numbers__free(struct pid_numbers *numbers)
{
	if (!numbers)
		return;
	fini(&numbers->now);
	free(numbers);
}

static const struct tws_process *find(const struct pid_numbers *numbers,
				      const struct tws_process *key, bool by_host_pid)
{
	const struct list *now = &numbers->now;

	if (!now->num)
		return NULL;
	return by_host_pid ?
		bsearch(key, now->by_host_pid, now->num, sizeof(*key), compare_host_pid) :
		bsearch(key, now->by_pid, now->num, sizeof(*key), compare_pid);
}

static const struct tws_process *find_again(struct pid_numbers *numbers,
					    const struct tws_process *key, bool by_host_pid)
{
	const struct tws_process *found = find(numbers, key, by_host_pid);

	if (!found && !pid_numbers__refresh(numbers))
		found = find(numbers, key, by_host_pid);
	return found;
}

const struct tws_process *pid_numbers__find(struct pid_numbers *numbers, uint32_t pid)
{
	return find_again(numbers, &(struct tws_process){ .pid = pid }, false);
}

const struct tws_process *pid_numbers__find_host(struct pid_numbers *numbers, uint32_t host_pid)
{
	return find_again(numbers, &(struct tws_process){ .host_pid = host_pid }, true);
}
