/* SPDX-License-Identifier: GPL-2.0 */
/* io_uring by its raw system calls: just enough to close sockets in three ways. */
#ifndef SCENARIOS_URING_H
#define SCENARIOS_URING_H

/* For actor__call(): 0 or negative errno (-ENOSYS, -EPERM: the kernel has none). */
long do_uring_probe(long a, long b, long c);
/* IORING_OP_CLOSE of fd; async: by a worker thread of the ring. */
long do_uring_close(long fd, long async, long c);
/* Registers fd as a fixed file and closes the descriptor, so that the ring holds the last one. */
long do_uring_register(long fd, long b, long c);
/* Lets go of the registered file: 0 by unregistering, 1 by closing the ring. */
long do_uring_release(long how, long b, long c);

#endif
