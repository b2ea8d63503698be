# SPDX-License-Identifier: GPL-2.0
# Exporting to stores. Included by the top Makefile; BUILD, CC and CFLAGS are its.
#   make export                        the suite, with real stores
#   make export-soak [EXPORT_SECONDS=600]
#                                      stores, network, exporters and serve killed in any order
EXPORT_FEEDER := $(BUILD)/tests/export/feeder
EXPORT_SECONDS ?= 600

$(EXPORT_FEEDER): tests/export/feeder.c $(USER_LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS) $(NAMES_LIBS)

.PHONY: export export-build export-soak
export-build: $(EXPORT_FEEDER)

export: all $(EXPORT_FEEDER)
	/usr/bin/python3 tests/export/run.py $(EXPORT_FEEDER) $(BUILD)/twsnoop

export-soak: all $(EXPORT_FEEDER)
	/usr/bin/python3 tests/export/run.py --seconds $(EXPORT_SECONDS) $(EXPORT_FEEDER) $(BUILD)/twsnoop serve_soak
