# SPDX-License-Identifier: GPL-2.0
# Reports of made-up hours. Included by the top Makefile; BUILD, CC and CFLAGS are its.
#   make report         build the tool that tells them, and judge text, JSON and HTML
#   make screenshots    pictures of the HTML report, to be looked at, in $(BUILD)/screenshots
TELL_SCENE := $(BUILD)/tests/report/tell_scene
TELL_SCENE_SRC := tests/report/tell_scene.c tests/unit/report/made.c tests/unit/report/scenes.c

$(TELL_SCENE): $(TELL_SCENE_SRC) tests/unit/report/made.h tests/unit/report/scenes.h $(USER_LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $(TELL_SCENE_SRC) $(USER_LIB) $(LIBS)

.PHONY: report report-build screenshots
report-build: $(BUILD)/twsnoop $(TELL_SCENE) $(MAKEREC)

report: report-build
	tests/report/run.sh $(TELL_SCENE) $(BUILD)/twsnoop $(MAKEREC)

screenshots: $(TELL_SCENE)
	TZ=Europe/Berlin tests/report/screenshots.sh $(BUILD)/screenshots $(TELL_SCENE) burst gap two quiet
