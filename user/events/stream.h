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
 *	while (!err && !stopped && !stream__is_complete(stream)) { (see loop.h)
 *		(sleep for stream__pause_ms(stream), or until something else happens)
 *		err = stream__poll(stream);
 *	}
 *	if (!err)
 *		err = stream__finish(stream);
 *	stream__account(stream, &account);
 *	stream__free(stream);
 */
#ifndef TWSNOOP_STREAM_H
#define TWSNOOP_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "capture/source.h"
#include "host/kernel.h"
#include "model/record.h"
#include "sockets/sockets.h"

struct stream;

/*
 * One record; it lives until the callback returns. A negative errno says that it was not
 * taken: it is counted as lost, and the call that gave it ends and returns that.
 */
typedef int (*stream_record_fn)(void *ctx, const struct record *rec);

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
	bool no_names;			     /* ask no container runtime for names */
	const char *runtime_socket;	     /* as containers_options.socket, or NULL */
	uint64_t max_connections;	     /* as in struct tracer_options; 0: the default */
	uint64_t max_records;		     /* none is given after so many; 0: no end */
	/* Of a source that looks back: from when on (CLOCK_MONOTONIC) records are given. And
	 * until when, of any; 0: no end. */
	uint64_t since_ns, until_ns;
	stream_record_fn put;
	void *ctx;
};

/* stream__new() - all the memory that is needed, and nothing in the kernel. Returns 0 and
 * *@streamp, to be freed by stream__free(), -ENOMEM, or as containers__new(). */
int stream__new(struct stream **streamp, const struct stream_options *opts);

/* Why a stream cannot start, or go on: constants, for the user. */
struct stream_failure {
	const char *what; /* "cannot attach the BPF programs" */
	const char *todo; /* what helps; NULL: nobody knows */
};

/*
 * stream__start() - starts the source, and looks at what exists. Once for a stream. No
 * record is given yet.
 * Returns 0, or a negative errno and fills @failure; then only stream__free() is left.
 */
int stream__start(struct stream *stream, struct stream_failure *failure);

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
 * by a program of one thread. stream__poll() comes next. Returns as stream__start().
 */
int stream__begin(struct stream *stream, struct stream_failure *failure);

/*
 * stream__poll() - gives the records that have come, and about once a second sees to
 * what may have been missed, which takes as long as listing all sockets does. Returns 0,
 * the negative errno of the callback, or of the ring. It may be called again after one.
 */
int stream__poll(struct stream *stream);

/* stream__failed() - whether the last stream__poll() or stream__finish() failed by itself, and
 * not because the callback did. Then it fills @failure. */
bool stream__failed(const struct stream *stream, struct stream_failure *failure);

/* stream__pause_ms() - how long to wait at most until the next stream__poll(), for an
 * event to be shown in time and the ring not to fill up: 100, or less after many. */
int stream__pause_ms(const struct stream *stream);

/* stream__is_complete() - max_records of them were given. */
bool stream__is_complete(const struct stream *stream);

/* stream__has_ended() - the source has, and all was given that it had. */
bool stream__has_ended(const struct stream *stream);

/* stream__has_containers() - whether there has been a container since the start. What it
 * says may change between any two records. */
bool stream__has_containers(const struct stream *stream);

/*
 * stream__finish() - stops the source, and gives what is still in the ring and what
 * only the kernel's own table knows, unless the stream is complete. Returns as
 * stream__poll(). After it only stream__account() and stream__free() are left.
 */
int stream__finish(struct stream *stream);

/* stream__lacks_listeners() - the listening sockets of some network namespace could not be
 * read, though it may be entered: its servers' ends have no opener. */
bool stream__lacks_listeners(const struct stream *stream);

/* What became of all that was to be told, so far; of the whole, after stream__finish(). */
struct stream_account {
	uint64_t delivered;    /* records that the callback took */
	uint64_t lost;	       /* made by the kernel, and not given or not taken */
	uint64_t map_full;     /* connections, and listening sockets, that found no room */
	uint64_t recursion;    /* calls of the programs that the kernel skipped, at most */
	uint64_t snapshot;     /* of those delivered: found later in the kernel's table */
	uint64_t unattributed; /* of those delivered: in TIME_WAIT, and nobody knows by whom */
	uint64_t no_end;       /* with all: sockets of which the end will never be told */
};

/* stream__account() - of a stream that was started. */
void stream__account(struct stream *stream, struct stream_account *account);

void stream__free(struct stream *stream); /* NULL is allowed */

#endif
