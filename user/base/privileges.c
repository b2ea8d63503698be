// SPDX-License-Identifier: GPL-2.0
#include "base/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS _LINUX_CAPABILITY_U32S_3

static int change(uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[WORDS];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	for (int i = 0; i < WORDS; i++) {
		data[i].permitted &= (uint32_t)(permitted >> (32 * i));
		data[i].effective = data[i].permitted & (uint32_t)(effective >> (32 * i));
		data[i].inheritable &= data[i].permitted;
	}
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int privileges__use(uint64_t mask)
{
	return change(UINT64_MAX, mask);
}

int privileges__keep_only(uint64_t mask)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return -errno;
	return change(mask, mask);
}

void privileges__of_thread(uint64_t mask)
{
	if (privileges__keep_only(mask))
		abort();
}
