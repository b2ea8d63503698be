/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What happens to connection ends, from now on, as records: the join of what a source
 * tells in two parts, the search for what was missed, the ends of TIME_WAIT sockets,
 * containers and attribution, as one object that a command polls. It prints nothing,
 * reads no signals and does not wait for events.
 *
 *	kernel__probe(&kernel, "/sys", "/proc");
 *	err = tracer__new(&tracer, &tracer_opts);
 *	opts.events = tracer__source(tracer);
 *	err = stream__new(&stream, &opts) ?: stream__start(stream, &failure) ?:
 *	      stream__privileges(stream, &mask) ?: privileges__keep_only(mask) ?:
 *	      stream__begin(stream, &failure);
 *	feed = stream__feed(stream);
 *	while (!err && !stopped && !feed__is_complete(feed)) { (see loop.h)
 *		(sleep for feed__pause_ms(feed), or until something else happens)
 *		err = feed__poll(feed);
 *	}
 *	if (!err)
 *		err = feed__finish(feed);
 *	feed__account(feed, &account);
 *	stream__free(stream);
 */
#ifndef TWSNOOP_STREAM_H
#define TWSNOOP_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "capture/source.h"
#include "host/kernel.h"
#include "model/feed.h"
#include "sockets/sockets.h"

struct stream;

/* What is pointed to must outlive the stream. */
struct stream_options {
	const struct kernel *kernel;	     /* probed, and nothing against tracing found */
	struct source *events;		     /* not started: stream__start() does that */
	const struct sockets_source *source; /* where the host's sockets can be listed */
	const char *proc_root;		     /* "/proc" */
	struct tws_filter filter;	     /* but by_cgroup: the next two decide that */
	const char *const *containers;	     /* as containers_options.wanted */
	unsigned int num_containers;	     /* 0: no such filter */
	bool all;			     /* every outcome, not only TIME_WAIT */
	bool no_ends;			     /* with all: but not how each TIME_WAIT ended */
	bool ends_may_wait; /* how they ended is told 20 s later, or up to 45: fewer snapshots */
	bool ends_at_once;  /* without a last snapshot, where nothing seems to be missing */
	bool no_names;			     /* ask no container runtime for names */
	const char *runtime_socket;	     /* as containers_options.socket, or NULL */
	uint64_t max_connections;	     /* as in struct tracer_options; 0: the default */
	uint64_t max_records;		     /* none is given after so many; 0: no end */
	/* Of a source that looks back: from when on (CLOCK_MONOTONIC) records are given. And
	 * until when, of any; 0: no end. */
	uint64_t since_ns, until_ns;
	feed_record_fn put;
	void *ctx;
};

/* stream__new() - all the memory that is needed, and nothing in the kernel. Returns 0 and
 * *@streamp, to be freed by stream__free(), -ENOMEM, or as containers__new(). */
int stream__new(struct stream **streamp, const struct stream_options *opts);

/*
 * stream__start() - starts the source, and looks at what exists. Once for a stream. No
 * record is given yet.
 * Returns 0, or a negative errno and fills @failure; then only stream__free() is left.
 */
int stream__start(struct stream *stream, struct feed_failure *failure);

/*
 * stream__privileges() - the capabilities that a started stream still needs, as a mask for
 * privileges.h: CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, and CAP_BPF where this
 * kernel asks for it. To give up all others is the command's decision, once all that it
 * needs itself is open, and before stream__begin(). To find out about CAP_BPF, others are
 * laid down meanwhile, and those not in the mask are not effective afterwards.
 * Returns 0 or a negative errno.
 */
int stream__privileges(struct stream *stream, uint64_t *mask);

/*
 * stream__begin() - starts the thread that asks for containers' names: privileges are given up
 * by a program of one thread. feed__poll() comes next. Returns as stream__start().
 */
int stream__begin(struct stream *stream, struct feed_failure *failure);

/*
 * stream__feed() - what is polled from then on: see feed.h. It lives as long as the stream. About
 * once a second a poll sees to what may have been missed, which takes as long as listing all
 * sockets does; finish gives what is still in the ring and what only the kernel's own table
 * knows. The pause keeps an event from waiting, and the ring from filling up.
 */
struct feed *stream__feed(struct stream *stream);

/* stream__lacks_listeners() - the listening sockets of some network namespace could not be
 * read, though it may be entered: its servers' ends have no opener. */
bool stream__lacks_listeners(const struct stream *stream);

void stream__free(struct stream *stream); /* NULL is allowed */

#endif
