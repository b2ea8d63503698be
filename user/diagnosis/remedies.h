/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What helps against short connections, in the words of the program that makes them: by its
 * name it is found which settings it has.
 */
#ifndef TWSNOOP_REMEDIES_H
#define TWSNOOP_REMEDIES_H

#include <stdbool.h>

#include "diagnosis/finding.h"

/* remedies__is_proxy() - whether a process of this name stands between others. */
bool remedies__is_proxy(const char *comm);

/* remedies__is_load_generator() - whether it makes connections for the sake of making them. */
bool remedies__is_load_generator(const char *comm);

/* remedies__reuse() - adds how this client is told to keep its connections. */
void remedies__reuse(struct finding *f, const char *comm);

/* remedies__pool() - adds how this client is told to keep more of them. */
void remedies__pool(struct finding *f, const char *comm);

/* remedies__idle_timeout() - adds how long this server keeps idle connections, and where that is
 * set. */
void remedies__idle_timeout(struct finding *f, const char *comm);

#endif
