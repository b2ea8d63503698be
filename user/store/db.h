/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the writer and the reader of a recording share of SQLite: values in and out of
 * statements, and errors.
 *
 * Names are whatever bytes a process chose. In the file they are text where they are UTF-8, and
 * blobs where they are not, so that every client of SQLite can read them.
 */
#ifndef TWSNOOP_DB_H
#define TWSNOOP_DB_H

#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#define DB_STRING_MAX 32768 /* bytes of a string that are kept, or taken from a file */
#define DB_ADDRESS_BYTES 48 /* of an address with its prefix length, as a C string */

/* db__errno() - @rc of the last call on @db as a negative errno; 0 for SQLITE_OK, _ROW, _DONE. */
int db__errno(sqlite3 *db, int rc);

/* db__exec() - statements without results. Returns 0 or a negative errno. */
int db__exec(sqlite3 *db, const char *sql);

/* db__number() - the first column of the first row of what @sql asks. Returns 0, -ENOENT (no row,
 * or no integer), or another negative errno. */
int db__number(sqlite3 *db, const char *sql, int64_t *number);

/* ---- parameters, from 1 ---- */

/* NULL and "" are NULL. @s must live until the statement is reset. */
void db__bind_string(sqlite3_stmt *stmt, int at, const char *s);
void db__bind_comm(sqlite3_stmt *stmt, int at, const char comm[16]); /* zero-padded */
void db__bind_number(sqlite3_stmt *stmt, int at, uint64_t number);   /* INT64_MAX at most */
void db__bind_known(sqlite3_stmt *stmt, int at, uint64_t number);    /* 0 is NULL */

/* ---- columns, from 0; what has the wrong type or is out of range counts as not known ---- */

uint64_t db__column_u64(sqlite3_stmt *stmt, int at); /* 0 if negative */
uint32_t db__column_u32(sqlite3_stmt *stmt, int at); /* 0 if it does not fit */
uint16_t db__column_u16(sqlite3_stmt *stmt, int at);
uint8_t db__column_u8(sqlite3_stmt *stmt, int at);
/* Returns the bytes of a text or blob and *@len, up to DB_STRING_MAX of them and to the first NUL;
 * NULL: there are none. They live until the next step. */
const char *db__column_bytes(sqlite3_stmt *stmt, int at, size_t *len);
void db__column_comm(sqlite3_stmt *stmt, int at, char comm[16]);

/* ---- addresses: 10.0.0.9, 192.0.2.0/24, 2001:db8::/48 ---- */

/* @len: bits that count; 0: without. Returns @to. */
const char *db__format_address(char to[DB_ADDRESS_BYTES], int family, const uint8_t addr[16],
			       unsigned int len);

/* Returns 0, or -EINVAL and leaves the outputs alone. *@len is 32 or 128 without a prefix
 * length. */
int db__parse_address(const char *s, size_t bytes, uint8_t *family, uint8_t addr[16],
		      uint8_t *len);

#endif
