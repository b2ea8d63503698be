/* SPDX-License-Identifier: GPL-2.0 */
/* Which of two forms whoever scrapes would rather have: see RFC 9110, 12.5.1. Pure. */
#ifndef TWSNOOP_ACCEPT_H
#define TWSNOOP_ACCEPT_H

#include <stdbool.h>

/* accept__openmetrics() - whether the header Accept (NULL: there was none) names OpenMetrics, in a
 * version that we write, and likes nothing of plain text more. What is not understood says nothing. */
bool accept__openmetrics(const char *accept);

#endif
