/* SPDX-License-Identifier: GPL-2.0 */
/* What every unit test includes first: cmocka wants these before its header. */
#ifndef TWSNOOP_TESTS_UNIT_H
#define TWSNOOP_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
