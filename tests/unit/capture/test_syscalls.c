// SPDX-License-Identifier: GPL-2.0
/* The numbers of system calls that bpf/syscalls.h has, against those of the kernel's headers here. */
#include "tests/unit/unit.h"

#include <asm/unistd.h>

#ifdef __x86_64__
#define __TARGET_ARCH_x86
#endif

#include "bpf/syscalls.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* fchmodat2, {set,get,list,remove}xattrat, file_{get,set}attr: these headers may be older. */
#define NEWER 452, 463, 464, 465, 466, 468, 469

static const int looks[] = {
#ifdef __NR_open /* newer architectures have those with "at" alone */
	__NR_open, __NR_stat, __NR_lstat, __NR_access, __NR_readlink, __NR_getdents, __NR_unlink, __NR_chmod,
	__NR_chown, __NR_lchown, __NR_epoll_wait,
#endif
	__NR_openat, __NR_openat2, __NR_newfstatat, __NR_statx, __NR_faccessat, __NR_faccessat2,
	__NR_readlinkat, __NR_getdents64, __NR_chdir, __NR_statfs, __NR_getxattr, __NR_lgetxattr,
	__NR_listxattr, __NR_llistxattr, __NR_inotify_add_watch, __NR_name_to_handle_at, __NR_kcmp,
	__NR_pidfd_getfd, __NR_setxattr, __NR_lsetxattr, __NR_removexattr, __NR_lremovexattr, __NR_unlinkat,
	__NR_linkat, __NR_fchmodat, __NR_fchownat, __NR_utimensat, __NR_fanotify_mark, __NR_bpf,
	__NR_open_tree, __NR_epoll_pwait, __NR_epoll_pwait2, NEWER,
};
static const int reads[] = { __NR_read, __NR_readv, __NR_pread64, __NR_preadv, __NR_preadv2 };

static void compare(const unsigned long long words[CALL_WORDS], const int calls[], size_t num)
{
	size_t marked = 0;

	for (size_t i = 0; i < num; i++)
		assert_true(words[calls[i] / 64] >> (calls[i] % 64) & 1);
	for (size_t i = 0; i < CALL_WORDS; i++)
		marked += (size_t)__builtin_popcountll(words[i]);
	assert_int_equal(marked, num);
}

static void test_own(void **state)
{
	const unsigned long long look_words[] = CALL_SET(LOOKS_64), read_words[] = CALL_SET(READS_64);

	(void)state;
	compare(look_words, looks, COUNT(looks));
	compare(read_words, reads, COUNT(reads));
}

#ifdef __x86_64__
#include <asm/unistd_32.h>

static const int looks_i386[] = {
	__NR_open, __NR_stat, __NR_lstat, __NR_stat64, __NR_lstat64, __NR_access, __NR_readlink,
	__NR_getdents, __NR_openat, __NR_openat2, __NR_fstatat64, __NR_statx, __NR_faccessat,
	__NR_faccessat2, __NR_readlinkat, __NR_getdents64, __NR_chdir, __NR_statfs, __NR_statfs64,
	__NR_getxattr, __NR_lgetxattr, __NR_listxattr, __NR_llistxattr, __NR_inotify_add_watch,
	__NR_name_to_handle_at, __NR_kcmp, __NR_pidfd_getfd, __NR_unlink, __NR_chmod, __NR_lchown, __NR_chown,
	__NR_lchown32, __NR_chown32, __NR_setxattr, __NR_lsetxattr, __NR_removexattr, __NR_lremovexattr,
	__NR_fchownat, __NR_unlinkat, __NR_linkat, __NR_fchmodat, __NR_utimensat, __NR_fanotify_mark,
	__NR_bpf, __NR_open_tree, __NR_epoll_wait, __NR_epoll_pwait, __NR_epoll_pwait2, NEWER,
};
static const int reads_i386[] = { __NR_read, __NR_readv, __NR_pread64, __NR_preadv, __NR_preadv2 };

static void test_32_bit(void **state)
{
	const unsigned long long look_words[] = CALL_SET(LOOKS_COMPAT), read_words[] = CALL_SET(READS_COMPAT);

	(void)state;
	compare(look_words, looks_i386, COUNT(looks_i386));
	compare(read_words, reads_i386, COUNT(reads_i386));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
#ifdef __x86_64__
		cmocka_unit_test(test_32_bit),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
