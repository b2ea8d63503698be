/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What reader is fed with: a busy host of hundreds of processes with command lines, in a /proc
 * of its own, most of them in containers; and closes of theirs, IPv4 and IPv6, of clients and servers. The same in
 * each run. What fails ends the program.
 */
#ifndef TESTS_BENCH_BUSY_HOST_H
#define TESTS_BENCH_BUSY_HOST_H

#include <stdint.h>

#include "bpf/event.h"
#include "containers/containers.h"

#define BUSY_HOST_PROCESSES 400u
#define BUSY_HOST_CONTAINERS 240u
#define BUSY_HOST_SERVICES 40u
#define BUSY_HOST_EVENT_NS 20000u /* from one close to the next */

/* A process by its number, below BUSY_HOST_PROCESSES. */
const char *busy_host__comm(uint32_t process);
uint32_t busy_host__pid(uint32_t process);
uint32_t busy_host__netns(uint32_t process);

/* Their files, below the folder @root in the place of /proc. */
void busy_host__make_processes(const char *root);
void busy_host__remove_processes(const char *root);

void busy_host__add_cgroups(struct containers *containers);

/* busy_host__fill_event() - the FIN of close number @index. */
void busy_host__fill_event(struct tws_event *ev, uint64_t index);

#endif
