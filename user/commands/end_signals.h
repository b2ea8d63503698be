/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The signals of a command that runs until it is ended: SIGINT, SIGTERM, and SIGHUP, so that a
 * terminal that was closed ends it in order too, but not under nohup; SIGUSR1 asks for an account.
 */
#ifndef TWSNOOP_END_SIGNALS_H
#define TWSNOOP_END_SIGNALS_H

/*
 * end_signals__open() - a signalfd(2), close-on-exec and not blocking, for all of these and those in
 * @more (0 at its end; NULL: none). Those that end the command, and @more, still act by
 * themselves until they are held: to load the programs takes a while, and leaves nothing.
 * Returns the descriptor, or a negative errno and *@what, "cannot …", a constant.
 */
int end_signals__open(const int *more, const char **what);

/* end_signals__hold() - from now on they come by the descriptor alone. Before there are threads.
 * Returns 0, or a negative errno and *@what. */
int end_signals__hold(const int *more, const char **what);

#endif
