# SPDX-License-Identifier: GPL-2.0
# Tests of the command line. Included by the top Makefile; BUILD and CC are its.
#   make cli      build the helper and run them (all of them only as root)
# The helper is static, so that the same one runs in the guests.
CLITOOL := $(BUILD)/tests/cli/clitool
CLITOOL_SRC := $(sort $(wildcard tests/cli/*.c))

$(CLITOOL): $(CLITOOL_SRC) tests/cli/clitool.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -static -o $@ $(CLITOOL_SRC) \
		-ljansson -lz

# A twsnoop of another layout, for upgrades under running readers: all that is pinned has a member
# more, in the midst of it where that may be. What goes by these is built anew, of both sides; the
# rest is the same.
NEXT := $(BUILD)/tests/cli/next
NEXT_SRC := $(shell grep -lE 'tws_(record|ending|meta|cpu)\b|pins_status|TWS_LAYOUT' user/*/*.c)
NEXT_OBJ := $(NEXT_SRC:user/%.c=$(NEXT)/%.o)

$(NEXT)/bpf/event.h: $(wildcard bpf/*) tests/cli/cli.mk
	@mkdir -p $(@D)
	cp bpf/* $(@D)
	sed -e 's/^\t__u64 seq; .*position + 1 once/\t__u64 more;\n&/' \
		-e 's/^\t__u8 action; .*: an outcome/\t__u64 more;\n&/' \
		-e 's/^\t__u64 endings;/\t__u64 more;\n&/' \
		-e 's/^\t\t__u64 made;/\t\t__u64 more;\n&/' bpf/event.h >$@
	[ "$$(grep -c '__u64 more;' $@)" = 4 ]

$(NEXT)/twsnoop.bpf.o: $(NEXT)/bpf/event.h
	$(CLANG) $(BPF_CFLAGS) -mcpu=v3 -DTWS_ATOMIC -DTWS_LAYOUT=1000 -c $(<D)/twsnoop.bpf.c -o $@

$(NEXT)/twsnoop.skel.h: $(NEXT)/twsnoop.bpf.o
	$(BPFTOOL) gen skeleton $< name twsnoop_bpf > $@.tmp
	mv $@.tmp $@

$(NEXT)/%.o: user/%.c $(NEXT)/bpf/event.h $(NEXT)/twsnoop.skel.h Makefile | $(SKELETONS)
	@mkdir -p $(@D)
	$(CC) -I$(NEXT) $(CFLAGS) -DTWS_LAYOUT=1000 -c $< -o $@

$(NEXT)/twsnoop: $(USER_OBJ) $(NEXT_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ \
		$(filter-out $(NEXT_SRC:user/%.c=$(BUILD)/user/%.o),$(USER_OBJ)) $(NEXT_OBJ) \
		$(LIBS) $(NAMES_LIBS)

.PHONY: cli
cli: $(BUILD)/twsnoop $(CLITOOL) $(NEXT)/twsnoop
	tests/cli/run.sh $(BUILD)/twsnoop $(CLITOOL)
