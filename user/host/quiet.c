// SPDX-License-Identifier: GPL-2.0
#include "host/quiet.h"

#include <stdlib.h>

int quiet__print(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

libbpf_print_fn_t quiet__begin(void)
{
	libbpf_print_fn_t print = libbpf_set_print(quiet__print);

	if (getenv("TWSNOOP_LIBBPF_DEBUG"))
		libbpf_set_print(print);
	return print;
}
