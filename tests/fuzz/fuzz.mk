# SPDX-License-Identifier: GPL-2.0
# Fuzzers of everything that reads outside bytes: libFuzzer with ASan and UBSan.
# Included by the top Makefile; BUILD and CLANG are its.
#   make fuzz-short                    each FUZZ_SHORT_SECONDS (6)
#   make fuzz [FUZZ_SECONDS=600]       each that long; what it learns stays in
#                                      $(BUILD)/tests/fuzz/corpus
# A finding is left in $(BUILD)/tests/fuzz/found-*.

FUZZ_DIR := $(BUILD)/tests/fuzz
FUZZ_SECONDS ?= 600
FUZZ_SHORT_SECONDS ?= 6
FUZZ_CFLAGS := -std=c11 -D_GNU_SOURCE= -DTWSNOOP_VERSION='"$(VERSION)"' -I. -Iuser -I$(BUILD) -O1 -g -Wall -Wextra -Werror \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
# All but the commands and what needs libbpf.
FUZZ_MODULES := $(UNIT_MODULES)
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
# What one input may take, by the clock, is much where the processors are busy with something else.
FUZZ_FLAGS := -max_len=2048 -timeout=60 -rss_limit_mb=1024

FUZZ_OBJS := $(FUZZ_MODULES:%=$(FUZZ_DIR)/user/%.o) $(FUZZ_DIR)/support.o
FUZZ_LIB := $(FUZZ_DIR)/modules.a
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(FUZZ_DIR)/fuzz_%)

$(LATE:user/%.c=$(FUZZ_DIR)/user/%.o): $(BUILD)/sonames.h

$(FUZZ_DIR)/user/%.o: user/%.c
	@mkdir -p $(@D)
	$(CLANG) $(FUZZ_CFLAGS) -DHAVE_JANSSON -MMD -MP -c $< -o $@

$(FUZZ_DIR)/support.o: tests/unit/support.c
	@mkdir -p $(@D)
	$(CLANG) $(FUZZ_CFLAGS) -DHAVE_JANSSON -MMD -MP -c $< -o $@

$(FUZZ_DIR)/fuzz_%.o: tests/fuzz/fuzz_%.c
	@mkdir -p $(@D)
	$(CLANG) $(FUZZ_CFLAGS) -DHAVE_JANSSON -MMD -MP -c $< -o $@

$(FUZZ_LIB): $(FUZZ_OBJS)
	rm -f $@
	$(AR) rc $@ $^

$(FUZZ_PROGRAMS): $(FUZZ_DIR)/%: $(FUZZ_DIR)/%.o $(FUZZ_LIB)
	$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer $^ -o $@ -ljansson -lsqlite3 -lzstd -lz -lm -pthread

# $(call fuzz_run,SECONDS): one after the other; stops at the first finding.
fuzz_run = @set -e; for t in $(FUZZ_TARGETS); do \
	mkdir -p $(FUZZ_DIR)/corpus/$$t; \
	log=$(FUZZ_DIR)/fuzz_$$t.log; \
	seeds=tests/fuzz/seeds/$$t; [ -d $$seeds ] || seeds=; \
	$(FUZZ_DIR)/fuzz_$$t $(FUZZ_FLAGS) -max_total_time=$(1) \
		-artifact_prefix=$(FUZZ_DIR)/found-$$t- \
		$(FUZZ_DIR)/corpus/$$t $$seeds >$$log 2>&1 || \
		{ tail -n 60 $$log; echo "fuzz_$$t: FAILED"; exit 1; }; \
	echo "fuzz_$$t: $$(tail -n 1 $$log)"; \
	done; echo "$(words $(FUZZ_TARGETS)) passed, 0 failed"

.PHONY: fuzz fuzz-short fuzz-build
fuzz-build: $(FUZZ_PROGRAMS)

fuzz-short: $(FUZZ_PROGRAMS)
	$(call fuzz_run,$(FUZZ_SHORT_SECONDS))

fuzz: $(FUZZ_PROGRAMS)
	$(call fuzz_run,$(FUZZ_SECONDS))

-include $(FUZZ_PROGRAMS:%=%.d) $(FUZZ_OBJS:.o=.d)
