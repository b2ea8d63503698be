/* SPDX-License-Identifier: GPL-2.0 */
/* A print function for libbpf_set_print() that prints nothing. */
#ifndef TWSNOOP_QUIET_H
#define TWSNOOP_QUIET_H

#include <stdarg.h>

#include <bpf/libbpf.h>

int quiet__print(enum libbpf_print_level level, const char *format, va_list args);

#endif
