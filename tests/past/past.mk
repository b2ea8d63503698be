# SPDX-License-Identifier: GPL-2.0
# Tests of commands on the past. Included by the top Makefile; BUILD, CC and CFLAGS are its.
#   make past     build what makes recordings, and run them (all of them only as root)
MAKEREC := $(BUILD)/tests/past/makerec

$(MAKEREC): tests/past/makerec.c $(wildcard user/store/*.[ch])
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE= -I. -Iuser -O2 -g -Wall -Wextra -Werror -o $@ $< \
		user/store/*.c user/base/*.c user/model/*.c -lsqlite3 -lzstd -lz -lm -pthread

.PHONY: past
past: $(BUILD)/twsnoop $(MAKEREC) $(CLITOOL)
	tests/past/run.sh $(BUILD)/twsnoop $(MAKEREC) $(CLITOOL)
