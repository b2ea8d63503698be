# SPDX-License-Identifier: GPL-2.0
# Tests of the command line. Included by the top Makefile; BUILD and CC are its.
#   make cli      build the helper and run them (all of them only as root)
# The helper is static, so that the same one runs in the guests.
CLITOOL := $(BUILD)/tests/cli/clitool
CLITOOL_SRC := $(sort $(wildcard tests/cli/*.c))

$(CLITOOL): $(CLITOOL_SRC) tests/cli/clitool.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -static -o $@ $(CLITOOL_SRC) \
		-ljansson

.PHONY: cli
cli: $(BUILD)/twsnoop $(CLITOOL)
	tests/cli/run.sh $(BUILD)/twsnoop $(CLITOOL)
