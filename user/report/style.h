/* SPDX-License-Identifier: GPL-2.0 */
/* The one style of the HTML report. Its hash is in the report's Content-Security-Policy. */
#ifndef TWSNOOP_REPORT_STYLE_H
#define TWSNOOP_REPORT_STYLE_H

/* Has no '<', '&' or "]]>", so that it is the same text in HTML and in XML. */
extern const char report_style[];

#endif
