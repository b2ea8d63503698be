# SPDX-License-Identifier: GPL-2.0
# One static program, so that the same one runs in the guests too.
SCENARIOS_SRC := $(sort $(wildcard tests/scenarios/*.c))

$(BUILD)/scenarios: $(SCENARIOS_SRC) $(wildcard tests/scenarios/*.h)
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -g -Wall -Wextra -Werror -static -o $@ $(SCENARIOS_SRC) -ljansson -lpthread
