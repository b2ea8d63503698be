// SPDX-License-Identifier: GPL-2.0
/* Any bytes as what a terminal sends to `twsnoop top`, on a screen of a size out of the first two:
 * nothing is chosen that is not there, and no piece of a line is outside. */
#include "fuzz.h"

#include <stdbool.h>

#include "output/top_frame.h"
#include "output/top_keys.h"
#include "output/top_layout.h"
#include "tests/unit/support.h"

#define START_NS 1000000000000ULL
#define ROWS 40

static struct top_frame *frame_of_some(void)
{
	static const struct top_want want = { .sort = TOP_CLOSES };
	static struct top_frame frame;
	static struct tally *tally;
	struct tally_options opts = { .num_views = 1, .start_ns = START_NS };
	struct tally_frame now;
	struct tws_event ev;
	const struct record rec = { .event = &ev, .command_line = "a \xff\033[2J" };

	if (tally)
		return &frame;
	opts.views[0] = (struct tally_keys){ 1, { field__key("pid", 3) } };
	CHECK(!tally__new(&tally, &opts));
	support__event(&ev);
	for (uint32_t i = 0; i < ROWS; i++) {
		ev.time_ns = START_NS + i;
		ev.conn.tgid = i + 1;
		tally__add(tally, &rec);
	}
	tally__frame(tally, 0, START_NS + 1000000000, &now);
	CHECK(!top_frame__fill(&frame, tally, &now, &opts.views[0]));
	top_frame__arrange(&frame, &want);
	return &frame;
}

static void check_layout(const struct top_frame *frame, struct top_view *view)
{
	static struct top_cells cells;

	CHECK(!top_layout__make(&cells, frame, view));
	CHECK(cells.lines == view->height);
	for (size_t i = 0; i < cells.num; i++) {
		const struct top_piece *p = &cells.pieces[i];

		CHECK(p->line < view->height && p->column + p->columns <= view->width);
		CHECK(support__is_safe_text(cells.text.data + p->from, p->len));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct top_frame *frame = frame_of_some();
	struct top_keys keys = { .num_views = 6 };
	struct top_view view = { .sort = TOP_CLOSES };
	char *bytes;

	if (size < 2)
		return 0;
	view.width = 1u + data[0];
	view.height = 3u + data[1] % 80;
	bytes = fuzz__copy(data + 2, size - 2);
	for (size_t at = 0; at < size - 2; at += 16) {
		size_t len = size - 2 - at < 16 ? size - 2 - at : 16;

		if (top_keys__read(&keys, &view, frame, bytes + at, len) == TOP_QUIT)
			break;
		CHECK(keys.view < 6 && view.sort < TOP_SORTS && view.selected < ROWS);
		CHECK(strlen(view.filter) < sizeof(view.filter));
		check_layout(frame, &view);
	}
	free(bytes);
	return 0;
}
