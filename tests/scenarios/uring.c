// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "uring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct uring {
	int fd;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
};

static struct uring held = { .fd = -1 };

static long uring__open(struct uring *u)
{
	memset(&u->p, 0, sizeof(u->p));
	u->fd = (int)syscall(SYS_io_uring_setup, 4, &u->p);
	if (u->fd < 0)
		return -errno;
	u->sq = mmap(NULL, u->p.sq_off.array + u->p.sq_entries * sizeof(uint32_t),
		     PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, IORING_OFF_SQ_RING);
	u->cq = mmap(NULL, u->p.cq_off.cqes + u->p.cq_entries * sizeof(struct io_uring_cqe),
		     PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, IORING_OFF_CQ_RING);
	u->sqes = mmap(NULL, u->p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
		       MAP_SHARED, u->fd, IORING_OFF_SQES);
	if (u->sq == MAP_FAILED || u->cq == MAP_FAILED || u->sqes == MAP_FAILED)
		return -ENOMEM;
	return 0;
}

static uint32_t *field(char *ring, uint32_t off)
{
	return (uint32_t *)(void *)(ring + off);
}

static long uring__one(struct uring *u, const struct io_uring_sqe *sqe)
{
	uint32_t *tail = field(u->sq, u->p.sq_off.tail);
	uint32_t mask = *field(u->sq, u->p.sq_off.ring_mask), slot = *tail & mask;
	uint32_t *head = field(u->cq, u->p.cq_off.head);
	struct io_uring_cqe *cqes = (void *)(u->cq + u->p.cq_off.cqes);
	long res;

	u->sqes[slot] = *sqe;
	field(u->sq, u->p.sq_off.array)[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	if (__atomic_load_n(field(u->cq, u->p.cq_off.tail), __ATOMIC_ACQUIRE) == *head)
		return -EAGAIN;
	res = cqes[*head & *field(u->cq, u->p.cq_off.ring_mask)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return res;
}

long do_uring_probe(long a, long b, long c)
{
	struct uring u;
	long err = uring__open(&u);

	(void)a, (void)b, (void)c;
	if (!err)
		close(u.fd);
	return err;
}

long do_uring_close(long fd, long async, long c)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_CLOSE, .fd = (int)fd };
	struct uring u;
	long err = uring__open(&u);

	(void)c;
	if (err)
		return err;
	if (async)
		sqe.flags |= IOSQE_ASYNC;
	/* The ring stays open until the actor ends: only the CLOSE matters. */
	return uring__one(&u, &sqe);
}

long do_uring_register(long fd, long b, long c)
{
	int32_t fds[1] = { (int32_t)fd };
	long err = uring__open(&held);

	(void)b, (void)c;
	if (err)
		return err;
	if (syscall(SYS_io_uring_register, held.fd, IORING_REGISTER_FILES, fds, 1) < 0)
		return -errno;
	return close((int)fd) ? -errno : 0;
}

long do_uring_release(long how, long b, long c)
{
	(void)b, (void)c;
	if (how == 0)
		return syscall(SYS_io_uring_register, held.fd, IORING_UNREGISTER_FILES, NULL, 0) < 0 ?
			       -errno : 0;
	/* The mappings hold the ring's file, too. */
	munmap(held.sq, held.p.sq_off.array + held.p.sq_entries * sizeof(uint32_t));
	munmap(held.cq, held.p.cq_off.cqes + held.p.cq_entries * sizeof(struct io_uring_cqe));
	munmap(held.sqes, held.p.sq_entries * sizeof(struct io_uring_sqe));
	return close(held.fd) ? -errno : 0;
}
