// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "counters.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct counters, field)

static const struct counter {
	const char *file, *group, *name;
	size_t at;
} counters[] = {
	{ "netstat", "TcpExt:", "TCPAbortOnData", AT(abort_on_data) },
	{ "netstat", "TcpExt:", "TCPAbortOnClose", AT(abort_on_close) },
	{ "netstat", "TcpExt:", "TCPAbortOnMemory", AT(abort_on_memory) },
	{ "netstat", "TcpExt:", "TCPAbortOnLinger", AT(abort_on_linger) },
	{ "netstat", "TcpExt:", "TCPAbortOnTimeout", AT(abort_on_timeout) },
	{ "netstat", "TcpExt:", "TCPTimeWaitOverflow", AT(overflow) },
	{ "netstat", "TcpExt:", "TW", AT(minis) },
	{ "netstat", "TcpExt:", "TWRecycled", AT(recycled) },
	{ "snmp", "Tcp:", "AttemptFails", AT(attempt_fails) },
	{ "snmp", "Tcp:", "EstabResets", AT(estab_resets) },
};

#define NUM (sizeof(counters) / sizeof(counters[0]))

static void note(const char *file, const char *group, const char *name, const char *value,
		 struct counters *c, unsigned int *found)
{
	for (size_t i = 0; i < NUM; i++) {
		const struct counter *k = &counters[i];

		if (strcmp(k->file, file) || strcmp(k->group, group) || strcmp(k->name, name))
			continue;
		*(unsigned long *)((char *)c + k->at) = strtoul(value, NULL, 10);
		*found |= 1u << i;
	}
}

/* A line of names, and one of values in the same order. */
static void read_pair(const char *file, char *names, char *values, struct counters *c,
		      unsigned int *found)
{
	char *at_name, *at_value;
	const char *group = strtok_r(names, " \n", &at_name), *name, *value;

	if (!group || !strtok_r(values, " \n", &at_value))
		return;
	while ((name = strtok_r(NULL, " \n", &at_name)) &&
	       (value = strtok_r(NULL, " \n", &at_value)))
		note(file, group, name, value, c, found);
}

static void read_file(pid_t pid, const char *file, struct counters *c, unsigned int *found)
{
	char path[64], *names = NULL, *values = NULL;
	size_t names_size = 0, values_size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, file);
	f = fopen(path, "re");
	while (f && getline(&names, &names_size, f) > 0 && getline(&values, &values_size, f) > 0)
		read_pair(file, names, values, c, found);
	if (f)
		fclose(f);
	free(names);
	free(values);
}

void counters__read(pid_t pid, struct counters *c)
{
	unsigned int found = 0;

	*c = (struct counters){ 0 };
	read_file(pid, "netstat", c, &found);
	read_file(pid, "snmp", c, &found);
	c->known = found == (1u << NUM) - 1;
}
