/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The system calls by which a process may hold another one's file for a moment, by their numbers on the
 * architecture that is compiled for and for its 32-bit programs (arch/x86/entry/syscalls/syscall_64.tbl and
 * syscall_32.tbl; scripts/syscall.tbl, arch/arm64/tools/syscall_32.tbl). LOOKS: all that /proc is looked at
 * with, or that goes over trees of files, /proc among them, and bpf(), which tells what a descriptor is
 * (BPF_TASK_FD_QUERY), and epoll_wait(), which holds what is ready of its set (epi_fget(), since 6.9), also where
 * another process alone has it open by now; READS: what reads from a descriptor. Each as word @w of a set.
 * tests/unit/capture/test_syscalls.c compares them with the C library's.
 */
#ifndef TWSNOOP_BPF_SYSCALLS_H
#define TWSNOOP_BPF_SYSCALLS_H

#define CALL_WORDS 8
#define IN_WORD(word, nr) ((nr) / 64 == (word) ? 1ULL << ((nr) & 63) : 0)
/* All words of a set, to initialise an array with. */
#define CALL_SET(set) { set(0), set(1), set(2), set(3), set(4), set(5), set(6), set(7) }

/* With the same number everywhere. */
#define LOOKS_EVERYWHERE(w)                                                                        \
	(IN_WORD(w, 428) /* open_tree */ | IN_WORD(w, 437) /* openat2 */ |                         \
	 IN_WORD(w, 438) /* pidfd_getfd */ | IN_WORD(w, 439) /* faccessat2 */ |                    \
	 IN_WORD(w, 441) /* epoll_pwait2 */ | IN_WORD(w, 452) /* fchmodat2 */ |                    \
	 IN_WORD(w, 463) /* setxattrat */ | IN_WORD(w, 464) /* getxattrat */ |                     \
	 IN_WORD(w, 465) /* listxattrat */ | IN_WORD(w, 466) /* removexattrat */ |                 \
	 IN_WORD(w, 468) /* file_getattr */ | IN_WORD(w, 469) /* file_setattr */)

/* arm and i386 have these in common. */
#define LOOKS_32(w)                                                                                \
	(LOOKS_EVERYWHERE(w) | IN_WORD(w, 5) /* open */ | IN_WORD(w, 10) /* unlink */ |            \
	 IN_WORD(w, 12) /* chdir */ | IN_WORD(w, 15) /* chmod */ | IN_WORD(w, 16) /* lchown */ |   \
	 IN_WORD(w, 33) /* access */ | IN_WORD(w, 85) /* readlink */ |                             \
	 IN_WORD(w, 99) /* statfs */ | IN_WORD(w, 106) /* stat */ | IN_WORD(w, 107) /* lstat */ |  \
	 IN_WORD(w, 141) /* getdents */ | IN_WORD(w, 182) /* chown */ |                            \
	 IN_WORD(w, 195) /* stat64 */ | IN_WORD(w, 196) /* lstat64 */ |                            \
	 IN_WORD(w, 198) /* lchown32 */ | IN_WORD(w, 212) /* chown32 */ |                          \
	 IN_WORD(w, 226) /* setxattr */ | IN_WORD(w, 227) /* lsetxattr */ |                        \
	 IN_WORD(w, 229) /* getxattr */ | IN_WORD(w, 230) /* lgetxattr */ |                        \
	 IN_WORD(w, 232) /* listxattr */ | IN_WORD(w, 233) /* llistxattr */ |                      \
	 IN_WORD(w, 235) /* removexattr */ | IN_WORD(w, 236) /* lremovexattr */)
#define READS_32(w)                                                                                \
	(IN_WORD(w, 3) /* read */ | IN_WORD(w, 145) /* readv */ | IN_WORD(w, 180) /* pread64 */)

#ifdef __TARGET_ARCH_x86

#define LOOKS_64(w)                                                                                \
	(LOOKS_EVERYWHERE(w) | IN_WORD(w, 2) /* open */ | IN_WORD(w, 4) /* stat */ |               \
	 IN_WORD(w, 6) /* lstat */ | IN_WORD(w, 21) /* access */ | IN_WORD(w, 78) /* getdents */ | \
	 IN_WORD(w, 80) /* chdir */ | IN_WORD(w, 87) /* unlink */ |                                \
	 IN_WORD(w, 89) /* readlink */ | IN_WORD(w, 90) /* chmod */ | IN_WORD(w, 92) /* chown */ | \
	 IN_WORD(w, 94) /* lchown */ | IN_WORD(w, 137) /* statfs */ |                              \
	 IN_WORD(w, 188) /* setxattr */ | IN_WORD(w, 189) /* lsetxattr */ |                        \
	 IN_WORD(w, 191) /* getxattr */ | IN_WORD(w, 192) /* lgetxattr */ |                        \
	 IN_WORD(w, 194) /* listxattr */ | IN_WORD(w, 195) /* llistxattr */ |                      \
	 IN_WORD(w, 197) /* removexattr */ | IN_WORD(w, 198) /* lremovexattr */ |                  \
	 IN_WORD(w, 217) /* getdents64 */ | IN_WORD(w, 232) /* epoll_wait */ |                     \
	 IN_WORD(w, 254) /* inotify_add_watch */ | IN_WORD(w, 257) /* openat */ |                  \
	 IN_WORD(w, 260) /* fchownat */ | IN_WORD(w, 262) /* newfstatat */ |                       \
	 IN_WORD(w, 263) /* unlinkat */ | IN_WORD(w, 265) /* linkat */ |                           \
	 IN_WORD(w, 267) /* readlinkat */ | IN_WORD(w, 268) /* fchmodat */ |                       \
	 IN_WORD(w, 269) /* faccessat */ | IN_WORD(w, 280) /* utimensat */ |                       \
	 IN_WORD(w, 281) /* epoll_pwait */ | IN_WORD(w, 301) /* fanotify_mark */ |                 \
	 IN_WORD(w, 303) /* name_to_handle_at */ | IN_WORD(w, 312) /* kcmp */ |                    \
	 IN_WORD(w, 321) /* bpf */ | IN_WORD(w, 332) /* statx */)
#define READS_64(w)                                                                                \
	(IN_WORD(w, 0) /* read */ | IN_WORD(w, 17) /* pread64 */ | IN_WORD(w, 19) /* readv */ |    \
	 IN_WORD(w, 295) /* preadv */ | IN_WORD(w, 327) /* preadv2 */)
#define LOOKS_COMPAT(w)                                                                            \
	(LOOKS_32(w) | IN_WORD(w, 220) /* getdents64 */ | IN_WORD(w, 256) /* epoll_wait */ |       \
	 IN_WORD(w, 268) /* statfs64 */ | IN_WORD(w, 292) /* inotify_add_watch */ |                \
	 IN_WORD(w, 295) /* openat */ | IN_WORD(w, 298) /* fchownat */ |                           \
	 IN_WORD(w, 300) /* fstatat64 */ | IN_WORD(w, 301) /* unlinkat */ |                        \
	 IN_WORD(w, 303) /* linkat */ | IN_WORD(w, 305) /* readlinkat */ |                         \
	 IN_WORD(w, 306) /* fchmodat */ | IN_WORD(w, 307) /* faccessat */ |                        \
	 IN_WORD(w, 319) /* epoll_pwait */ | IN_WORD(w, 320) /* utimensat */ |                     \
	 IN_WORD(w, 339) /* fanotify_mark */ | IN_WORD(w, 341) /* name_to_handle_at */ |           \
	 IN_WORD(w, 349) /* kcmp */ | IN_WORD(w, 357) /* bpf */ | IN_WORD(w, 383) /* statx */)
#define READS_COMPAT(w)                                                                            \
	(READS_32(w) | IN_WORD(w, 333) /* preadv */ | IN_WORD(w, 378) /* preadv2 */)

#else

#define LOOKS_64(w)                                                                                \
	(LOOKS_EVERYWHERE(w) | IN_WORD(w, 5) /* setxattr */ | IN_WORD(w, 6) /* lsetxattr */ |      \
	 IN_WORD(w, 8) /* getxattr */ | IN_WORD(w, 9) /* lgetxattr */ |                            \
	 IN_WORD(w, 11) /* listxattr */ | IN_WORD(w, 12) /* llistxattr */ |                        \
	 IN_WORD(w, 14) /* removexattr */ | IN_WORD(w, 15) /* lremovexattr */ |                    \
	 IN_WORD(w, 22) /* epoll_pwait */ | IN_WORD(w, 27) /* inotify_add_watch */ |               \
	 IN_WORD(w, 35) /* unlinkat */ | IN_WORD(w, 37) /* linkat */ |                             \
	 IN_WORD(w, 43) /* statfs */ | IN_WORD(w, 48) /* faccessat */ |                            \
	 IN_WORD(w, 49) /* chdir */ | IN_WORD(w, 53) /* fchmodat */ |                              \
	 IN_WORD(w, 54) /* fchownat */ | IN_WORD(w, 56) /* openat */ |                             \
	 IN_WORD(w, 61) /* getdents64 */ | IN_WORD(w, 78) /* readlinkat */ |                       \
	 IN_WORD(w, 79) /* newfstatat */ | IN_WORD(w, 88) /* utimensat */ |                        \
	 IN_WORD(w, 263) /* fanotify_mark */ | IN_WORD(w, 264) /* name_to_handle_at */ |           \
	 IN_WORD(w, 272) /* kcmp */ | IN_WORD(w, 280) /* bpf */ | IN_WORD(w, 291) /* statx */)
#define READS_64(w)                                                                                \
	(IN_WORD(w, 63) /* read */ | IN_WORD(w, 65) /* readv */ | IN_WORD(w, 67) /* pread64 */ |   \
	 IN_WORD(w, 69) /* preadv */ | IN_WORD(w, 286) /* preadv2 */)
#define LOOKS_COMPAT(w)                                                                            \
	(LOOKS_32(w) | IN_WORD(w, 217) /* getdents64 */ | IN_WORD(w, 252) /* epoll_wait */ |       \
	 IN_WORD(w, 266) /* statfs64 */ | IN_WORD(w, 317) /* inotify_add_watch */ |                \
	 IN_WORD(w, 322) /* openat */ | IN_WORD(w, 325) /* fchownat */ |                           \
	 IN_WORD(w, 327) /* fstatat64 */ | IN_WORD(w, 328) /* unlinkat */ |                        \
	 IN_WORD(w, 330) /* linkat */ | IN_WORD(w, 332) /* readlinkat */ |                         \
	 IN_WORD(w, 333) /* fchmodat */ | IN_WORD(w, 334) /* faccessat */ |                        \
	 IN_WORD(w, 346) /* epoll_pwait */ | IN_WORD(w, 348) /* utimensat */ |                     \
	 IN_WORD(w, 368) /* fanotify_mark */ | IN_WORD(w, 370) /* name_to_handle_at */ |           \
	 IN_WORD(w, 378) /* kcmp */ | IN_WORD(w, 386) /* bpf */ | IN_WORD(w, 397) /* statx */)
#define READS_COMPAT(w)                                                                            \
	(READS_32(w) | IN_WORD(w, 361) /* preadv */ | IN_WORD(w, 392) /* preadv2 */)

#endif

#endif
