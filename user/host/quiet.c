// SPDX-License-Identifier: GPL-2.0
#include "host/quiet.h"

int quiet__print(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}
