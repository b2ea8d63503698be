// SPDX-License-Identifier: GPL-2.0
#include "host/first_line.h"

#include <stdio.h>
#include <string.h>

void first_line__read(const char *path, char *to, size_t size)
{
	FILE *file = fopen(path, "re");

	to[0] = '\0';
	if (!file)
		return;
	if (!fgets(to, (int)size, file))
		to[0] = '\0';
	to[strcspn(to, "\n")] = '\0';
	fclose(file);
}
