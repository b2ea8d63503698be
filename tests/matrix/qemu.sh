# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How QEMU is asked for a guest: machine, clock, the kernel's arguments. Sourced, never run, after
# common.sh.

# machine SERIES: QEMU's program and the machine: $processor, or all that it can emulate but for what costs it
# most: a string instruction goes byte by byte, a miss of the TLB through one more level, and each
# look at a user's page through two switches; on arm64 the signing of pointers.
machine()
{
	case $(series_arch "$1") in
	arm64) echo "qemu-system-aarch64 -M virt -cpu ${processor:-max,pauth=off,sve=off,sme=off}" ;;
	*) echo "qemu-system-x86_64 -cpu ${processor:-max,-erms,-la57,-smap}" ;;
	esac
}

# kernel_args SERIES: speed (no mitigations or timer check to emulate, no page or object cleared
# that nobody asked to be, no huge page cleared whole), a clock that the guest reads
# without leaving the emulator (5.10 judges the emulated TSC unsynchronised, and would use the
# HPET), and death, not survival, on an oops.
kernel_args()
{
	local console=ttyS0 enforce=
	[ "$(series_arch "$1")" = amd64 ] || console=ttyAMA0
	[ ! -e "$kernel_dir/$1/unsigned" ] || enforce=" module.sig_enforce=1"
	echo "console=$console loglevel=3 panic=-1 oops=panic mitigations=off no_timer_check" \
		"init_on_alloc=0 hardened_usercopy=off transparent_hugepage=madvise audit=0" \
		"tsc=reliable nokaslr random.trust_cpu=on$enforce"
}

# accel CPUS|count|disk: the accelerator. With one processor the guest's clock goes by its instructions,
# 4 ns each, and jumps ahead when it has nothing to do: no test there runs out of time because this
# machine is slow, or was stopped for a while, and waiting costs nothing. QEMU can do that only if
# it runs the processors one after the other, and then the second one of two never comes up.
# count: an instruction is 1 ns, and neither the clock nor the random numbers are this machine's, so
# that what is counted is the same in every run.
# disk: one processor, too, but time passes while it waits: for a disk, which takes this machine's
# time. (With two, a busy machine makes the guest misjudge its clock by a factor.)
# More than one take turns in one thread, at any instruction and by this machine's clock. QEMU 7.2 that runs them at
# once lets one meet an int3 of the kernel's that another has patched away already: "Oops: int3", a second
# after a tracepoint is switched on and off in a loop, with nothing of ours in the guest.
accel()
{
	case $1 in
	1) echo "-accel tcg,thread=single -icount shift=2,sleep=off -smp 1" ;;
	count)
		echo "-accel tcg,thread=single -icount shift=0,sleep=off -smp 1 -seed 1" \
			"-rtc base=2026-01-01,clock=vm"
		;;
	disk) echo "-accel tcg,thread=single -icount shift=2,sleep=on -smp 1" ;;
	*) echo "-accel tcg,thread=single -smp $1" ;;
	esac
}
