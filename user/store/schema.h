/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tables of a recording: docs/formats.md says what each column means.
 */
#ifndef TWSNOOP_SCHEMA_H
#define TWSNOOP_SCHEMA_H

#include <stdint.h>

#define SCHEMA_APPLICATION_ID 0x74777372 /* "twsr", as file(1) shows it */
#define SCHEMA_VERSION 1 /* user_version: raised when older programs could no more read it */

/* What makes all tables and views in an empty database; one string of statements. */
extern const char schema_sql[];

/* The table whose rows are read, and so must be tables indeed; ends in NULL. */
extern const char *const schema_tables[];

#endif
