/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The subcommands. Each is one file, cmd_NAME.c, and gets the arguments from
 * its own name on. Returns the exit status: 0 done, 1 it could not run, 2 wrong
 * usage; whatever is to be said was said on stderr.
 */
#ifndef TWSNOOP_COMMAND_H
#define TWSNOOP_COMMAND_H

int cmd_trace(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_diagnose(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_detach(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_report(int argc, char **argv);

#endif
