/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libcurl's functions, by the names that they have there without "curl_", once libcurl__load() has
 * been called, which calls curl_global_init(), once and for all threads: see base/library.h. Only with
 * HAVE_LIBCURL (7.80 or newer).
 */
#ifndef TWSNOOP_LIBCURL_H
#define TWSNOOP_LIBCURL_H

/* NULL, or why it is not to be had: see library__load(). */
const char *libcurl__load(void);

#ifdef HAVE_LIBCURL

#include <curl/curl.h>

#define LIBCURL_FUNCTIONS(F)                                                                       \
	F(easy_cleanup) F(easy_getinfo) F(easy_init) F(easy_reset) F(easy_setopt)                  \
	F(easy_strerror) F(free) F(global_init) F(mime_addpart) F(mime_data)                       \
	F(mime_filename) F(mime_free) F(mime_init) F(mime_name) F(mime_type)                       \
	F(multi_add_handle) F(multi_cleanup) F(multi_info_read) F(multi_init) F(multi_perform)     \
	F(multi_poll) F(multi_remove_handle) F(multi_wakeup) F(slist_append) F(slist_free_all)     \
	F(url) F(url_cleanup) F(url_dup) F(url_get) F(url_set)

#define LIBCURL_FIELD(name) __typeof__(curl_##name) *name;
struct libcurl {
	LIBCURL_FUNCTIONS(LIBCURL_FIELD)
};
#undef LIBCURL_FIELD

extern struct libcurl curl;

#endif

#endif
