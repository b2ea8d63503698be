/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading /proc/PID/mountinfo. Pure.
 */
#ifndef TWSNOOP_MOUNTINFO_H
#define TWSNOOP_MOUNTINFO_H

/*
 * mountinfo__unescape() - in place: the kernel's show_mountinfo() writes blanks,
 * newlines and backslashes of a path as \ooo.
 */
void mountinfo__unescape(char *text);

#endif
