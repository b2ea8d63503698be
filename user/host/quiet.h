/* SPDX-License-Identifier: GPL-2.0 */
/* Keeps libbpf from printing: what it finds is said by the commands, in their own words. */
#ifndef TWSNOOP_QUIET_H
#define TWSNOOP_QUIET_H

#include <stdarg.h>

#include <bpf/libbpf.h>

/* A function for libbpf_set_print() that prints nothing: for probes, which fail by design. */
int quiet__print(enum libbpf_print_level level, const char *format, va_list args);

/* quiet__begin() - silence, unless TWSNOOP_LIBBPF_DEBUG is set in the environment. Returns what
 * libbpf_set_print() gets when it shall end. */
libbpf_print_fn_t quiet__begin(void);

#endif
