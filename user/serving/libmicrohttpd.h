/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libmicrohttpd's functions, by the names that they have there without "MHD_", once
 * libmicrohttpd__load() has been called: see base/library.h.
 */
#ifndef TWSNOOP_LIBMICROHTTPD_H
#define TWSNOOP_LIBMICROHTTPD_H

#include <microhttpd.h>

#define LIBMICROHTTPD_FUNCTIONS(F)                                                                 \
	F(add_response_header) F(create_response_from_buffer)                                      \
	F(create_response_from_buffer_with_free_callback_cls) F(destroy_response)                  \
	F(get_connection_info) F(get_daemon_info) F(get_timeout) F(is_feature_supported)           \
	F(lookup_connection_value) F(queue_response) F(resume_connection) F(run) F(start_daemon)   \
	F(stop_daemon) F(suspend_connection)

#define LIBMICROHTTPD_FIELD(name) __typeof__(MHD_##name) *name;
struct libmicrohttpd {
	LIBMICROHTTPD_FUNCTIONS(LIBMICROHTTPD_FIELD)
};
#undef LIBMICROHTTPD_FIELD

extern struct libmicrohttpd mhd;

/* NULL, or why it is not to be had: see library__load(). */
const char *libmicrohttpd__load(void);

#endif
