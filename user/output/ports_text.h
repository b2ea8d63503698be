/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The use of local ports as a table.
 */
#ifndef TWSNOOP_PORTS_TEXT_H
#define TWSNOOP_PORTS_TEXT_H

#include "output/list_text.h"
#include "inventory/ports.h"

/* ports_text__write() - returns as tabular__write(). */
int ports_text__write(const struct ports *ports, const struct listing *l,
		      const struct list_style *style, int fd);

#endif
