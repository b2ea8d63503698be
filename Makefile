# SPDX-License-Identifier: GPL-2.0
# twsnoop: see README.md. Everything is built below $(BUILD); nothing else is
# written, except by the install targets.

ifneq ($(words $(CURDIR)),1)
$(error the path of this folder has a blank in it, which make cannot build in: $(CURDIR))
endif

HOST_ARCH := $(shell uname -m | sed 's/aarch64/arm64/')
ARCH ?= $(HOST_ARCH)
# For another architecture: make ARCH=arm64 static
BUILD ?= $(if $(filter $(HOST_ARCH),$(ARCH)),build,build/$(ARCH))
PREFIX ?= /usr/local
DESTDIR ?=
MAKEFLAGS += --no-builtin-rules

CC ?= cc
ifeq ($(origin CC),default)
CC := cc
endif
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)
BPF_ARCH := $(if $(filter arm64,$(ARCH)),arm64,x86)

PKG_CONFIG ?= pkg-config
# Its compiler and libraries come into a folder of their own: see packaging/cross.sh.
ifneq ($(ARCH),$(HOST_ARCH))
CROSS := $(abspath $(BUILD))/cross
ifneq ($(shell packaging/cross.sh $(ARCH) $(CROSS) >&2; echo $$?),0)
$(error cannot build for $(ARCH))
endif
override CC := $(CROSS)/cc
override PKG_CONFIG := $(CROSS)/pkg-config
endif

# Its one place.
VERSION := $(shell sed -n '1s/^twsnoop (\(.*\)) .*/\1/p' packaging/deb/changelog)
ifeq ($(VERSION),)
$(error packaging/deb/changelog does not begin with a version)
endif

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Werror
override CFLAGS += -std=c11 -D_GNU_SOURCE= -DTWSNOOP_VERSION='"$(VERSION)"' $(WARNINGS) \
	-I. -Iuser -I$(BUILD) -pthread
# libmicrohttpd and libcurl are loaded when they are needed: see LATE.
LIBS := -lbpf -lelf -lz -lsqlite3 -lzstd -lncursesw -ltinfo -ldl
# Containers' names: libcurl to ask over sockets, jansson to read the answers. The
# static program reads what runtimes keep on disk, and asks nobody.
HAVE_JANSSON := $(shell $(PKG_CONFIG) --exists jansson 2>/dev/null && echo 1)
HAVE_LIBCURL := $(if $(HAVE_JANSSON),$(shell \
	$(PKG_CONFIG) --atleast-version=7.80 libcurl 2>/dev/null && echo 1))
NAMES_DISK := $(if $(HAVE_JANSSON),-DHAVE_JANSSON)
NAMES_CFLAGS := $(if $(HAVE_LIBCURL),-DHAVE_LIBCURL,$(NAMES_DISK))
NAMES_LIBS := $(if $(HAVE_JANSSON),-ljansson)
STATIC_LIBS := -lmicrohttpd -lbpf -lelf -lsqlite3 -lm -lzstd -lz -lncursesw -ltinfo

# The libraries that only some commands need: user/base/library.h.
LATE := user/base/libcurl.c user/serving/libmicrohttpd.c

BPF_HEADERS := $(wildcard bpf/*.h) vmlinux/$(ARCH)/vmlinux.h
USER_SRC := $(sort $(wildcard user/*/*.c))
USER_OBJ := $(USER_SRC:user/%.c=$(BUILD)/user/%.o)
# Built twice: see NAMES_CFLAGS and NAMES_DISK; without TLS, which has no static form; and LATE, of
# which libmicrohttpd is linked there.
STATIC_SRC := $(filter user/containers/runtime_%.c user/export/answer.c \
	user/export/endpoint.c user/export/sender.c user/serving/http.c,$(USER_SRC)) $(LATE)
STATIC_OBJ := $(filter-out $(STATIC_SRC:user/%.c=$(BUILD)/user/%.o) $(BUILD)/user/base/library.o,$(USER_OBJ)) \
	$(STATIC_SRC:user/%.c=$(BUILD)/static/user/%.o) $(BUILD)/static/no_gnutls.o
SKELETONS := $(BUILD)/twsnoop.skel.h $(BUILD)/twsnoop_legacy.skel.h $(BUILD)/sockets.skel.h \
	$(BUILD)/processes.skel.h $(BUILD)/bindhash.skel.h

all: $(BUILD)/twsnoop

# ---- the kernel side ----

BPF_CFLAGS := -O2 -g -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra -Werror \
	-Wno-unused-parameter -Ivmlinux/$(ARCH) -Ibpf

$(BUILD)/twsnoop.bpf.o: bpf/twsnoop.bpf.c $(BPF_HEADERS)
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -mcpu=v3 -DTWS_ATOMIC -c $< -o $@

# For kernels before 5.12: see bpf/opens.h.
$(BUILD)/twsnoop_legacy.bpf.o: bpf/twsnoop.bpf.c $(BPF_HEADERS)
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -mcpu=v2 -c $< -o $@

# The other way to list sockets: see user/sockets/sockiter.h.
$(BUILD)/sockets.bpf.o: bpf/sockets.bpf.c bpf/sockets.h vmlinux/$(ARCH)/vmlinux.h
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -mcpu=v2 -c $< -o $@

# Processes by both of their numbers: see user/host/pid_iter.h.
$(BUILD)/processes.bpf.o: bpf/processes.bpf.c bpf/processes.h vmlinux/$(ARCH)/vmlinux.h
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -mcpu=v2 -c $< -o $@

# Which ports are bound: see user/sockets/bindhash.h.
$(BUILD)/bindhash.bpf.o: bpf/bindhash.bpf.c bpf/bindhash.h bpf/core.h vmlinux/$(ARCH)/vmlinux.h
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -mcpu=v2 -c $< -o $@

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp
	mv $@.tmp $@

# ---- user space ----

$(BUILD)/user/%.o: user/%.c Makefile | $(SKELETONS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(if $(filter user/$*.c,$(filter-out user/serving/%,$(STATIC_SRC))),$(NAMES_CFLAGS)) -MMD -MP -c $< -o $@

$(BUILD)/user/capture/tracer.o $(BUILD)/user/sockets/sockiter.o $(BUILD)/user/host/pid_iter.o \
$(BUILD)/user/sockets/bindhash.o: $(SKELETONS)

$(BUILD)/static/user/%.o: user/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(NAMES_DISK) -DTWSNOOP_NO_TLS -DTWSNOOP_LINKED -MMD -MP -c $< -o $@

$(BUILD)/static/no_gnutls.o: packaging/static/no_gnutls.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

# Not to be loaded: all that twsnoop calls of LATE's libraries, for the linker to find; under which names
# they are loaded; and for a package to know its dependencies by.
$(BUILD)/late.so: $(LATE) $(LATE:.c=.h) Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(NAMES_CFLAGS) $(LDFLAGS) -DTWSNOOP_LINKED -fPIC -shared -o $@ $(LATE) \
		$(if $(HAVE_LIBCURL),-lcurl) -lmicrohttpd

$(BUILD)/sonames.h: $(BUILD)/late.so
	LC_ALL=C readelf -d $< >$@.tmp
	sed -n 's/.*(NEEDED).*\[lib\(curl\|microhttpd\)\(.*\)\]/#define SONAME_\1 "lib\1\2"/p' $@.tmp >$@
	rm $@.tmp
	grep -q SONAME_microhttpd $@

$(LATE:user/%.c=$(BUILD)/user/%.o): $(BUILD)/sonames.h

-include $(USER_OBJ:.o=.d) $(STATIC_OBJ:.o=.d)

$(BUILD)/twsnoop: $(USER_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(NAMES_LIBS)

static: $(BUILD)/static/twsnoop

# The second without symbols, for a container image.
$(BUILD)/image/twsnoop: override LDFLAGS += -s
$(BUILD)/static/twsnoop $(BUILD)/image/twsnoop: $(STATIC_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -static -o $@ $^ $(STATIC_LIBS) \
		$(if $(HAVE_JANSSON),-ljansson)

# What tests and benchmarks link: each takes out of it what it needs.
USER_LIB := $(BUILD)/user.a

$(USER_LIB): $(filter-out $(BUILD)/user/commands/main.o $(BUILD)/user/commands/cmd_%.o,$(USER_OBJ))
	rm -f $@
	$(AR) rc $@ $^

# ---- the main job, and all tests, from a fresh clone ----

deps:
	tests/deps.sh build

run:
	tests/deps.sh build
	$(MAKE) all
	$(BUILD)/twsnoop $(ARGS)

test:
	tests/deps.sh test
	$(MAKE) check

# What several suites use is made before them: they run at once.
check:
	$(MAKE) -Otarget -j$$(nproc) check-build
	exec env BUILD=$(BUILD) MAKE=$(MAKE) CC='$(CC)' CLANG='$(CLANG)' tests/run.sh $(SUITES)

# The inner loop: no guests, no other programs, a minute of scenarios.
check-quick:
	$(MAKE) -Otarget -j$$(nproc) all $(BUILD)/scenarios $(BUILD)/tests/cli/clitool $(USER_LIB)
	exec env BUILD=$(BUILD) MAKE=$(MAKE) CC='$(CC)' CLANG='$(CLANG)' tests/run.sh quick

bench:
	tests/deps.sh bench
	$(MAKE) all bench-reader
	$(MAKE) -C tests/bench BUILD=$(abspath $(BUILD))
	BUILD=$(abspath $(BUILD)) tests/bench/bench.py $(BENCH_ARGS)

# Instructions instead of times, in a guest: COUNT_ARGS=--record for a new budget.
BENCH_COUNT := $(BUILD)/tests/bench/count

$(BENCH_COUNT): $(addprefix tests/bench/,count.c drops.c drops.h load.c load.h empty.bpf.c)
	$(MAKE) -C tests/bench BUILD=$(abspath $(BUILD)) $(abspath $@)

bench-count: static $(BENCH_COUNT)
	BUILD=$(abspath $(BUILD)) /usr/bin/python3 tests/bench/count.py $(COUNT_ARGS)

# The user side by itself, out of the same objects; the rest is made in tests/bench.
BENCH_READER := $(BUILD)/tests/bench/reader

$(BENCH_READER): $(addprefix tests/bench/,reader.c busy_host.c busy_host.h) $(USER_LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $(filter-out %.h,$^) $(LIBS) $(NAMES_LIBS)

# And the blocks of a recording, likewise.
BENCH_BLOCKS := $(BUILD)/tests/bench/blocks

$(BENCH_BLOCKS): tests/bench/blocks.c $(USER_LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS) -lm

# And what top counts.
BENCH_TALLY := $(BUILD)/tests/bench/tally

$(BENCH_TALLY): tests/bench/tally.c $(USER_LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

# And the file of a recording.
BENCH_STORE := $(BUILD)/tests/bench/store

$(BENCH_STORE): tests/bench/store.c $(USER_LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

# And what makes a recording that is full.
BENCH_FILL := $(BUILD)/tests/bench/fill

$(BENCH_FILL): tests/bench/fill.c $(USER_LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS) -lm

bench-reader: $(BENCH_READER) $(BENCH_BLOCKS) $(BENCH_TALLY) $(BENCH_STORE) $(BENCH_FILL)

include tests/unit/unit.mk
include tests/fuzz/fuzz.mk
include tests/scenarios/scenarios.mk
include tests/cli/cli.mk
include tests/past/past.mk
include tests/report/report.mk
include packaging/packaging.mk
include tests/export/export.mk

check-build: all static $(BUILD)/scenarios $(USER_LIB) $(CLITOOL) $(NEXT)/twsnoop $(MAKEREC) $(TELL_SCENE) \
	$(EXPORT_FEEDER) $(BENCH_COUNT) $(BUILD)/tests/test_sockiter $(BUILD)/tests/test_abi $(BUILD)/tests/test_budget

ABI_OBJECTS := "$(BUILD)/twsnoop.bpf.o","$(BUILD)/twsnoop_legacy.bpf.o"

$(BUILD)/tests/test_abi: tests/unit/capture/test_abi.c $(SKELETONS) bpf/event.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -DABI_OBJECTS='$(ABI_OBJECTS)' -o $@ $< -lcmocka -lbpf -lelf -lz

$(BUILD)/tests/test_budget: tests/unit/capture/test_budget.c $(SKELETONS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $< -lcmocka -lbpf -lelf -lz

$(BUILD)/tests/test_sockiter: tests/unit/sockets/test_sockiter.c $(USER_LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ -lcmocka $(LIBS)

# These three look at the BPF objects; budget and sockiter load them, as root, budget
# on a kernel that has all features.
abi: $(BUILD)/tests/test_abi
	$<

budget: $(BUILD)/tests/test_budget
	$<

sockiter: $(BUILD)/tests/test_sockiter
	$<

scenarios: all $(BUILD)/scenarios
	$(BUILD)/scenarios --twsnoop $(BUILD)/twsnoop

# Ten minutes of connections as fast as can be, with two readers of a recorder and lists.
SOAK_SECONDS ?= 600

soak: all $(BUILD)/scenarios
	$(BUILD)/scenarios soak --twsnoop $(BUILD)/twsnoop --seconds $(SOAK_SECONDS)

# A mixed load, recorded, traced and listed at once for an hour: whether the recording says the same. On a host
# that closes thousands a second beside it: AGREEMENT_CLOSES=4194304, so that the rings hold them, too.
AGREEMENT_SECONDS ?= 3600

agreement: all
	/usr/bin/python3 tests/agreement/run.py $(BUILD)/twsnoop $(AGREEMENT_SECONDS) $(BUILD)/agreement

# The same static programs in guests with other kernels; SERIES="6.1 7.3", SHARE=1 for a part of
# what each plays, BRIEF=1 for little of 6.17, 7.0 and real-time ones. For arm64: make ARCH=arm64 matrix
PAYLOAD := $(BUILD)/matrix-payload

matrix-payload: static $(BUILD)/scenarios $(CLITOOL) $(BUILD)/tests/test_sockiter
	@mkdir -p $(PAYLOAD)
	cp $(BUILD)/static/twsnoop $(BUILD)/scenarios $(CLITOOL) $(BUILD)/tests/test_sockiter \
		tests/matrix/payload/run tests/matrix/payload/no_sock_diag $(PAYLOAD)/
	rm -rf $(addprefix $(PAYLOAD)/,containers share brief whole)
	$(if $(SHARE),touch $(PAYLOAD)/share)
	$(if $(BRIEF),touch $(PAYLOAD)/brief)
	$(if $(WHOLE),touch $(PAYLOAD)/whole)
	cp -R tests/containers $(PAYLOAD)/
	$(CC) -std=c11 -D_GNU_SOURCE= $(WARNINGS) -O2 -static -o $(PAYLOAD)/end \
		tests/containers/end.c

MATRIX_OPTIONS := --with-host-binary crun --with-host-binary runc \
	$(if $(CROSS),--library-root $(CROSS)/root)

matrix: matrix-payload
	BUILD=$(abspath $(BUILD)) MATRIX_ARCH=$(if $(CROSS),$(ARCH)) tests/matrix/run.sh \
		--payload $(PAYLOAD) $(MATRIX_OPTIONS) --deadline 2400 $(SERIES)

# All of it on all kernels that Debian's archive has, real-time ones among them, and on some with several
# processors: for hours; SHARE=1 for a part of it.
matrix-nightly: WHOLE := $(if $(SHARE),,1)
matrix-nightly: matrix-payload
	BUILD=$(abspath $(BUILD)) SERIES='$(SERIES)' tests/matrix/nightly.sh $(PAYLOAD) \
		$(MATRIX_OPTIONS) --deadline 7200

# The soak on a kernel whose tracepoints always fire, as not every host's do; with CPUS=2, on two
# processors and this machine's clock.
SOAK_PAYLOAD := $(BUILD)/soak-payload

guests-soak: static $(BUILD)/scenarios
	@mkdir -p $(SOAK_PAYLOAD)
	cp $(BUILD)/static/twsnoop $(BUILD)/scenarios tests/matrix/soak/run $(SOAK_PAYLOAD)/
	echo $(SOAK_SECONDS) >$(SOAK_PAYLOAD)/seconds
	BUILD=$(abspath $(BUILD)) tests/matrix/run.sh --payload $(SOAK_PAYLOAD) --memory 2G \
		--deadline $$(($(SOAK_SECONDS) * 6 + 900)) $(or $(SERIES),6.12)

# The units under a real systemd, in a guest; what is recorded on a disk that fails, CUTS=200 for more
# power cuts: tests/guests.
guests-systemd: all $(CLITOOL)
	BUILD=$(abspath $(BUILD)) MAKE='$(MAKE)' tests/guests/systemd.sh

guests-record: all $(CLITOOL)
	BUILD=$(abspath $(BUILD)) MAKE='$(MAKE)' tests/guests/record.sh $(if $(CUTS),--cuts $(CUTS))

# What is recorded while the clock is set and the machine sleeps.
guests-clocks: all $(CLITOOL)
	BUILD=$(abspath $(BUILD)) MAKE='$(MAKE)' tests/guests/record.sh clocks

# Likely mistakes, as two programs see them: .clang-tidy says which kinds. clang-tidy reads its
# flags out of a file, and counts on stderr what it does not show.
LINT_FLAGS := -D_GNU_SOURCE= -DTWSNOOP_VERSION='"$(VERSION)"' $(NAMES_CFLAGS) \
	-I$(CURDIR) -I$(CURDIR)/user -I$(abspath $(BUILD))

lint: $(SKELETONS) $(BUILD)/sonames.h
	tests/deps.sh lint
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --std=c11 \
		--inline-suppr -j $$(nproc) $(LINT_FLAGS) \
		'-DLIBBPF_OPTS(type,name,...)=struct type name = { __VA_ARGS__ }' user
	@mkdir -p $(BUILD)/lint
	@printf '%s\n' -std=c11 $(LINT_FLAGS) >$(BUILD)/lint/compile_flags.txt
	printf '%s\n' $(USER_SRC) | \
		xargs -P $$(nproc) -n 4 clang-tidy --quiet -p $(BUILD)/lint 2>/dev/null

# ---- installing ----

UNITS := $(notdir $(wildcard packaging/systemd/*.service))

install: $(BUILD)/twsnoop
	install -D -m 755 $(BUILD)/twsnoop $(DESTDIR)$(PREFIX)/sbin/twsnoop
	install -D -m 644 docs/twsnoop.8 $(DESTDIR)$(PREFIX)/share/man/man8/twsnoop.8
	install -D -m 644 packaging/completions/twsnoop.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/twsnoop
	install -D -m 644 packaging/completions/_twsnoop \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_twsnoop
	install -D -m 644 packaging/completions/twsnoop.fish \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/twsnoop.fish
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in $(UNITS); do \
		sed 's#/usr/sbin/twsnoop#$(PREFIX)/sbin/twsnoop#' packaging/systemd/$$unit \
			>$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit; \
	done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/twsnoop $(DESTDIR)$(PREFIX)/share/man/man8/twsnoop.8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/twsnoop \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_twsnoop \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/twsnoop.fish \
		$(UNITS:%=$(DESTDIR)$(PREFIX)/lib/systemd/system/%)

clean:
	rm -rf $(BUILD)

.PHONY: all static deps run test check check-build check-quick bench bench-count bench-reader abi budget sockiter scenarios soak agreement matrix matrix-payload matrix-nightly \
	guests-soak guests-systemd guests-record guests-clocks lint install uninstall clean
.DELETE_ON_ERROR:
