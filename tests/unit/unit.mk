# SPDX-License-Identifier: GPL-2.0
# Unit tests of the modules that need no kernel, under ASan and UBSan.
# Included by the top Makefile; BUILD, CC and CFLAGS are its.
#   make unit     build and run them

UNIT_DIR := $(BUILD)/tests/unit
UNIT_CFLAGS := -std=c11 -D_GNU_SOURCE= -DTWSNOOP_VERSION='"$(VERSION)"' -I. -Iuser -I$(BUILD) -O1 -g -Wall -Wextra -Werror \
	-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# All but the commands and what needs libbpf.
NEED_LIBBPF := host/pid_iter host/kernel host/quiet capture/tracer capture/calls \
	capture/attached capture/pinned capture/pending capture/pin_files capture/arguments capture/ledger capture/pins \
	sockets/sockiter sockets/bindhash commands/live
UNIT_MODULES := $(filter-out commands/main commands/cmd_% commands/check_% $(NEED_LIBBPF),$(patsubst user/%.c,%, \
	$(sort $(wildcard user/*/*.c))))
# A test stands in the room of what it tests. test_abi, test_budget and test_sockiter need the BPF objects: the top Makefile has
# their rules.
UNIT_TESTS := $(filter-out capture/test_abi capture/test_budget sockets/test_sockiter,$(patsubst \
	tests/unit/%.c,%,$(sort $(wildcard tests/unit/*/test_*.c))))

UNIT_OBJS := $(UNIT_MODULES:%=$(UNIT_DIR)/user/%.o) $(UNIT_DIR)/support.o \
	$(UNIT_DIR)/unix_server.o $(UNIT_DIR)/store/store_support.o \
	$(UNIT_DIR)/store/disk.o $(UNIT_DIR)/report/made.o $(UNIT_DIR)/report/scenes.o \
	$(UNIT_DIR)/diagnosis/rules_support.o $(UNIT_DIR)/output/sink_support.o \
	$(UNIT_DIR)/containers/runtime_support.o $(UNIT_DIR)/owners/listeners_support.o
# Each test links what it needs of it.
UNIT_LIB := $(UNIT_DIR)/modules.a
UNIT_PROGRAMS := $(UNIT_TESTS:%=$(UNIT_DIR)/%)

$(LATE:user/%.c=$(UNIT_DIR)/user/%.o): $(BUILD)/sonames.h

$(UNIT_DIR)/user/%.o: user/%.c
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(NAMES_CFLAGS) -MMD -MP -c $< -o $@

$(UNIT_DIR)/%.o: tests/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(NAMES_CFLAGS) -MMD -MP -c $< -o $@

$(UNIT_LIB): $(UNIT_OBJS)
	rm -f $@
	$(AR) rc $@ $^

# What the programs of one module share and no other links: it stands in for modules, and for the C library.
$(filter $(UNIT_DIR)/events/test_stream%,$(UNIT_PROGRAMS)): $(UNIT_DIR)/events/stream_support.o
LISTING_TESTS := listing listing_told infer
$(LISTING_TESTS:%=$(UNIT_DIR)/inventory/test_%): $(UNIT_DIR)/inventory/listing_support.o

# This one has the kernel side write on as each record is read.
$(UNIT_DIR)/events/test_lapped: UNIT_LDFLAGS := -Wl,--wrap=batch__add_event,--wrap=batch__add_ending

$(UNIT_PROGRAMS): $(UNIT_DIR)/%: $(UNIT_DIR)/%.o $(UNIT_LIB)
	$(CC) $(UNIT_CFLAGS) $(filter %.o,$^) $(filter %.a,$^) -o $@ $(UNIT_LDFLAGS) -lcmocka \
		-ljansson -lsqlite3 -lzstd -lz -pthread

.PHONY: unit unit-build
unit-build: $(UNIT_PROGRAMS)

unit: $(UNIT_PROGRAMS)
	@failed=0; for t in $(UNIT_PROGRAMS); do $$t || failed=1; done; exit $$failed

-include $(UNIT_PROGRAMS:%=%.d) $(UNIT_OBJS:.o=.d) $(wildcard $(UNIT_DIR)/*/*_support.d)
