# SPDX-License-Identifier: GPL-2.0
# The tool that tells reports of made-up hours. Included by the top Makefile.

TELL_SCENE := $(BUILD)/tests/report/tell_scene
TELL_SCENE_SRC := tests/report/tell_scene.c tests/unit/report/made.c tests/unit/report/scenes.c

$(TELL_SCENE): $(TELL_SCENE_SRC) tests/unit/report/made.h tests/unit/report/scenes.h $(USER_LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $(TELL_SCENE_SRC) $(USER_LIB) $(LIBS)
