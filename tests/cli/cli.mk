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

# A twsnoop of another layout, for upgrades under running readers: what asks for the layout, built
# anew; the rest is the same.
NEXT := $(BUILD)/tests/cli/next
NEXT_SRC := $(shell grep -l TWS_LAYOUT user/*/*.c)
NEXT_OBJ := $(NEXT_SRC:user/%.c=$(NEXT)/%.o)

$(NEXT)/%.o: user/%.c bpf/event.h Makefile | $(SKELETONS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -DTWS_LAYOUT=1000 -c $< -o $@

$(NEXT)/twsnoop: $(USER_OBJ) $(NEXT_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ \
		$(filter-out $(NEXT_SRC:user/%.c=$(BUILD)/user/%.o),$(USER_OBJ)) $(NEXT_OBJ) \
		$(LIBS) $(NAMES_LIBS)

.PHONY: cli
cli: $(BUILD)/twsnoop $(CLITOOL) $(NEXT)/twsnoop
	tests/cli/run.sh $(BUILD)/twsnoop $(CLITOOL)
