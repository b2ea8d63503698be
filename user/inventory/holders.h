/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which process holds each socket of a listing that still has a file.
 */
#ifndef TWSNOOP_HOLDERS_H
#define TWSNOOP_HOLDERS_H

#include "inventory/listing.h"

/*
 * holders__find() - sets the owner of the rows with an inode, with OWNER_HOLDS: of
 * several holders the one of the lowest PID, and shared. Every process's descriptors are
 * read, once, if there is such a row. Returns 0, -ENOMEM, or as
 * procinfo__each_socket().
 */
int holders__find(struct listing *l, const char *proc_root);

#endif
