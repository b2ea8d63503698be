// SPDX-License-Identifier: GPL-2.0
#include "store/db.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fmt.h"
#include "base/parse.h"

int db__errno(sqlite3 *db, int rc)
{
	int system = db ? sqlite3_system_errno(db) : 0;

	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_SCHEMA:
		return -EBADMSG;
	case SQLITE_CONSTRAINT: /* who writes gave the same row twice */
		return -EEXIST;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CANTOPEN:
		return system > 0 ? -system : -ENOENT;
	case SQLITE_IOERR:
		if (rc == SQLITE_IOERR_NOMEM)
			return -ENOMEM;
		if (rc == SQLITE_IOERR_CORRUPTFS || rc == SQLITE_IOERR_DATA ||
		    rc == SQLITE_IOERR_SHORT_READ)
			return -EBADMSG;
		return system > 0 ? -system : -EIO;
	default: /* SQLITE_ERROR: no such table, or column */
		return -EBADMSG;
	}
}

int db__exec(sqlite3 *db, const char *sql)
{
	return db__errno(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int db__number(sqlite3 *db, const char *sql, int64_t *number)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_INTEGER)
		*number = sqlite3_column_int64(stmt, 0);
	else if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		rc = SQLITE_EMPTY;
	sqlite3_finalize(stmt);
	return rc == SQLITE_EMPTY ? -ENOENT : db__errno(db, rc);
}

/* ---- parameters ---- */

/* How many bytes a UTF-8 sequence that begins with @first has; 0: none does. */
static size_t sequence_bytes(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0)
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/* As RFC 3629 says: no surrogates, nothing overlong, nothing beyond U+10FFFF. */
static bool is_utf8(const char *s, size_t len)
{
	const unsigned char *at = (const unsigned char *)s, *end = at + len;

	while (at < end) {
		size_t bytes = sequence_bytes(*at);

		if (!bytes || bytes > (size_t)(end - at))
			return false;
		for (size_t i = 1; i < bytes; i++)
			if ((at[i] & 0xc0) != 0x80)
				return false;
		if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) ||
		    (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
			return false;
		at += bytes;
	}
	return true;
}

static void bind_bytes(sqlite3_stmt *stmt, int at, const char *s, size_t len)
{
	if (len > DB_STRING_MAX)
		len = DB_STRING_MAX;
	if (!len)
		sqlite3_bind_null(stmt, at);
	else if (is_utf8(s, len))
		sqlite3_bind_text(stmt, at, s, (int)len, SQLITE_STATIC);
	else
		sqlite3_bind_blob(stmt, at, s, (int)len, SQLITE_STATIC);
}

void db__bind_string(sqlite3_stmt *stmt, int at, const char *s)
{
	bind_bytes(stmt, at, s, s ? strnlen(s, DB_STRING_MAX + 1) : 0);
}

void db__bind_comm(sqlite3_stmt *stmt, int at, const char comm[16])
{
	bind_bytes(stmt, at, comm, strnlen(comm, 16));
}

void db__bind_number(sqlite3_stmt *stmt, int at, uint64_t number)
{
	sqlite3_bind_int64(stmt, at, number > INT64_MAX ? INT64_MAX : (int64_t)number);
}

void db__bind_known(sqlite3_stmt *stmt, int at, uint64_t number)
{
	if (number)
		db__bind_number(stmt, at, number);
	else
		sqlite3_bind_null(stmt, at);
}

/* ---- columns ---- */

uint64_t db__column_u64(sqlite3_stmt *stmt, int at)
{
	int64_t number = sqlite3_column_type(stmt, at) == SQLITE_INTEGER ?
				 sqlite3_column_int64(stmt, at) :
				 0;

	return number < 0 ? 0 : (uint64_t)number;
}

uint32_t db__column_u32(sqlite3_stmt *stmt, int at)
{
	uint64_t number = db__column_u64(stmt, at);

	return number > UINT32_MAX ? 0 : (uint32_t)number;
}

uint16_t db__column_u16(sqlite3_stmt *stmt, int at)
{
	uint64_t number = db__column_u64(stmt, at);

	return number > UINT16_MAX ? 0 : (uint16_t)number;
}

uint8_t db__column_u8(sqlite3_stmt *stmt, int at)
{
	uint64_t number = db__column_u64(stmt, at);

	return number > UINT8_MAX ? 0 : (uint8_t)number;
}

const char *db__column_bytes(sqlite3_stmt *stmt, int at, size_t *len)
{
	int type = sqlite3_column_type(stmt, at);
	const char *bytes;

	if (type != SQLITE_TEXT && type != SQLITE_BLOB)
		return NULL;
	bytes = sqlite3_column_blob(stmt, at);
	if (!bytes)
		return NULL;
	*len = (size_t)sqlite3_column_bytes(stmt, at);
	if (*len > DB_STRING_MAX)
		*len = DB_STRING_MAX;
	*len = strnlen(bytes, *len);
	return *len ? bytes : NULL;
}

void db__column_comm(sqlite3_stmt *stmt, int at, char comm[16])
{
	size_t len;
	const char *bytes = db__column_bytes(stmt, at, &len);

	memset(comm, 0, 16);
	if (bytes)
		memcpy(comm, bytes, len < 15 ? len : 15);
}

/* ---- addresses ---- */

const char *db__format_address(char to[DB_ADDRESS_BYTES], int family, const uint8_t addr[16],
			       unsigned int len)
{
	size_t at = family == AF_INET ? fmt__ipv4(to, addr) : fmt__ipv6(to, addr);

	if (len && len < (family == AF_INET ? 32 : 128)) {
		to[at++] = '/';
		at += fmt__u64(to + at, len);
	}
	to[at] = '\0';
	return to;
}

int db__parse_address(const char *s, size_t bytes, uint8_t *family, uint8_t addr[16],
		      uint8_t *len)
{
	char text[DB_ADDRESS_BYTES];
	uint8_t parsed[16] = { 0 };
	uint64_t bits = 0;
	bool is_v4;
	char *slash;

	if (bytes >= sizeof(text) || memchr(s, '\0', bytes))
		return -EINVAL;
	memcpy(text, s, bytes);
	text[bytes] = '\0';
	is_v4 = !memchr(text, ':', bytes);
	slash = memchr(text, '/', bytes);
	if (slash) {
		*slash = '\0';
		if (parse__u64(slash + 1, 1, is_v4 ? 32 : 128, &bits))
			return -EINVAL;
	}
	if (inet_pton(is_v4 ? AF_INET : AF_INET6, text, parsed) != 1)
		return -EINVAL;
	*family = is_v4 ? AF_INET : AF_INET6;
	*len = slash ? (uint8_t)bits : is_v4 ? 32 : 128;
	memcpy(addr, parsed, 16);
	return 0;
}
