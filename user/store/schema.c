// SPDX-License-Identifier: GPL-2.0
#include "store/schema.h"

#include <stddef.h>

const char *const schema_tables[] = {
	"meta", "run", "epoch", "who", "command", "flow", "block", "block_data", "minute",
	"states", "limits", "ports", "counter_name", "counter", "account", "gap", "finding", NULL,
};

/* Of numbers of enumerations to the words of the JSON contract; the last one is for the rest. */
#define ACTION_WORD(column)                                                                        \
	"CASE " column " WHEN 1 THEN 'time_wait' WHEN 2 THEN 'fin_wait2' "                         \
	"WHEN 3 THEN 'time_wait_end' WHEN 4 THEN 'reset' WHEN 5 THEN 'abort' "                     \
	"WHEN 6 THEN 'timeout' WHEN 7 THEN 'overflow' WHEN 8 THEN 'passive_close' "                \
	"WHEN 9 THEN 'connect_failed' WHEN 10 THEN 'bind_failed' ELSE 'unknown' END"
#define SIDE_WORD(column)                                                                          \
	"CASE " column " WHEN 1 THEN 'client' WHEN 2 THEN 'server' ELSE 'unknown' END"
#define CAUSE_WORD(column)                                                                         \
	"CASE " column " WHEN 1 THEN 'close' WHEN 2 THEN 'shutdown' WHEN 3 THEN 'exit' "           \
	"WHEN 4 THEN 'kernel' WHEN 5 THEN 'disconnect' WHEN 6 THEN 'destroy' "                     \
	"WHEN 7 THEN 'icmp' ELSE 'unknown' END"
#define END_WORD(column)                                                                           \
	"CASE " column " WHEN 1 THEN 'expired' WHEN 2 THEN 'reused_by_connect' "                   \
	"WHEN 3 THEN 'reused_by_syn' WHEN 4 THEN 'reset' WHEN 5 THEN 'purged' ELSE 'unknown' END"
#define REASON_WORD(column)                                                                        \
	"CASE " column " WHEN 1 THEN 'stopped' WHEN 2 THEN 'disk' WHEN 3 THEN 'size' "             \
	"WHEN 4 THEN 'slow' WHEN 5 THEN 'suspended' WHEN 6 THEN 'clock' "                          \
	"WHEN 7 THEN 'damaged' ELSE 'unknown' END"
#define SECOND_OF(ns) "strftime('%Y-%m-%d %H:%M:%S', " ns " / 1000000000, 'unixepoch')"

const char schema_sql[] =
	"CREATE TABLE meta(\n"
	"  name TEXT PRIMARY KEY, value ANY\n"
	") STRICT, WITHOUT ROWID;\n"

	"CREATE TABLE run(\n"
	"  id INTEGER PRIMARY KEY, since_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL,\n"
	"  has_ended INTEGER NOT NULL, pid INTEGER NOT NULL, boot_id TEXT, version ANY,\n"
	"  kernel ANY, host ANY, zone ANY, has_all INTEGER NOT NULL, has_calls INTEGER NOT NULL,\n"
	"  filter ANY\n"
	") STRICT;\n"

	"CREATE TABLE epoch(\n"
	"  id INTEGER PRIMARY KEY, run INTEGER NOT NULL, first_who INTEGER NOT NULL,\n"
	"  first_command INTEGER NOT NULL, first_flow INTEGER NOT NULL,\n"
	"  last_minute INTEGER NOT NULL\n"
	") STRICT;\n"

	"CREATE TABLE who(\n"
	"  id INTEGER PRIMARY KEY, name ANY, uid INTEGER, command_line ANY, cgroup ANY,\n"
	"  container ANY, container_id ANY, image ANY, runtime ANY, unit ANY, pod ANY,\n"
	"  pod_uid ANY, pod_namespace ANY, pod_container ANY\n"
	") STRICT;\n"

	"CREATE TABLE command(\n"
	"  id INTEGER PRIMARY KEY, command_line ANY\n"
	") STRICT;\n"

	"CREATE TABLE flow(\n"
	"  id INTEGER PRIMARY KEY, local_address TEXT NOT NULL, local_port INTEGER,\n"
	"  peer_address TEXT, peer_port INTEGER, netns INTEGER NOT NULL, action INTEGER NOT NULL,\n"
	"  side INTEGER NOT NULL, cause INTEGER NOT NULL, end INTEGER, errno INTEGER\n"
	") STRICT;\n"

	"CREATE TABLE block(\n"
	"  first_row INTEGER PRIMARY KEY, rows INTEGER NOT NULL, run INTEGER NOT NULL,\n"
	"  epoch INTEGER NOT NULL, since_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL,\n"
	"  is_tail INTEGER NOT NULL, keep INTEGER NOT NULL, bytes INTEGER NOT NULL\n"
	") STRICT;\n"

	"CREATE TABLE block_data(\n"
	"  first_row INTEGER PRIMARY KEY, data BLOB NOT NULL\n"
	") STRICT;\n"

	"CREATE TABLE minute(\n"
	"  minute INTEGER NOT NULL, who INTEGER NOT NULL, flow INTEGER NOT NULL,\n"
	"  count INTEGER NOT NULL, tx_bytes INTEGER NOT NULL, rx_bytes INTEGER NOT NULL,\n"
	"  lifetime_ns INTEGER NOT NULL, lifetimes INTEGER, histogram BLOB,\n"
	"  PRIMARY KEY(minute, who, flow)\n"
	") STRICT, WITHOUT ROWID;\n"

	"CREATE TABLE states(\n"
	"  at_ns INTEGER NOT NULL, netns INTEGER NOT NULL, netns_name ANY,\n"
	"  established INTEGER NOT NULL, syn_sent INTEGER NOT NULL, syn_recv INTEGER NOT NULL,\n"
	"  fin_wait1 INTEGER NOT NULL, fin_wait2 INTEGER NOT NULL, time_wait INTEGER NOT NULL,\n"
	"  close INTEGER NOT NULL, close_wait INTEGER NOT NULL, last_ack INTEGER NOT NULL,\n"
	"  listen INTEGER NOT NULL, closing INTEGER NOT NULL, fin_wait2_minis INTEGER NOT NULL,\n"
	"  PRIMARY KEY(at_ns, netns)\n"
	") STRICT, WITHOUT ROWID;\n"

	"CREATE TABLE limits(\n"
	"  at_ns INTEGER NOT NULL, netns INTEGER NOT NULL, netns_name ANY,\n"
	"  max_tw_buckets INTEGER, fin_timeout_ms INTEGER, reuse_delay_ms INTEGER,\n"
	"  tw_reuse INTEGER, timestamps INTEGER, first_port INTEGER, last_port INTEGER,\n"
	"  usable_ports INTEGER,\n"
	"  PRIMARY KEY(at_ns, netns)\n"
	") STRICT, WITHOUT ROWID;\n"

	"CREATE TABLE ports(\n"
	"  at_ns INTEGER NOT NULL, place INTEGER NOT NULL, scope INTEGER NOT NULL,\n"
	"  local_address TEXT NOT NULL, peer_address TEXT, peer_port INTEGER,\n"
	"  netns INTEGER NOT NULL, ifindex INTEGER, usable INTEGER, time_wait INTEGER NOT NULL, live INTEGER NOT NULL,\n"
	"  close_wait INTEGER NOT NULL, bound INTEGER NOT NULL, reusable INTEGER NOT NULL,\n"
	"  free INTEGER, first_port INTEGER, last_port INTEGER, unknown INTEGER NOT NULL,\n"
	"  names INTEGER NOT NULL,\n"
	"  owner1 ANY, pid1 INTEGER, count1 INTEGER, inferred1 INTEGER,\n"
	"  owner2 ANY, pid2 INTEGER, count2 INTEGER, inferred2 INTEGER,\n"
	"  owner3 ANY, pid3 INTEGER, count3 INTEGER, inferred3 INTEGER,\n"
	"  PRIMARY KEY(at_ns, place)\n"
	") STRICT, WITHOUT ROWID;\n"

	"CREATE TABLE counter_name(\n"
	"  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE\n"
	") STRICT;\n"

	"CREATE TABLE counter(\n"
	"  at_ns INTEGER NOT NULL, netns INTEGER NOT NULL, name INTEGER NOT NULL,\n"
	"  value INTEGER NOT NULL,\n"
	"  PRIMARY KEY(at_ns, netns, name)\n"
	") STRICT, WITHOUT ROWID;\n"

	"CREATE TABLE account(\n"
	"  at_ns INTEGER NOT NULL, run INTEGER NOT NULL, delivered INTEGER NOT NULL,\n"
	"  lost INTEGER NOT NULL, map_full INTEGER NOT NULL, recursion INTEGER NOT NULL,\n"
	"  snapshot INTEGER NOT NULL, unattributed INTEGER NOT NULL, no_end INTEGER NOT NULL,\n"
	"  PRIMARY KEY(at_ns, run)\n"
	") STRICT, WITHOUT ROWID;\n"

	"CREATE TABLE gap(\n"
	"  id INTEGER PRIMARY KEY, since_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL,\n"
	"  run INTEGER NOT NULL, reason INTEGER NOT NULL, events INTEGER NOT NULL, detail ANY\n"
	") STRICT;\n"

	"CREATE TABLE finding(\n"
	"  id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, finding ANY NOT NULL,\n"
	"  severity INTEGER NOT NULL, who INTEGER NOT NULL, flow INTEGER NOT NULL,\n"
	"  count INTEGER NOT NULL, sentence ANY\n"
	") STRICT;\n"

	"CREATE VIEW closes AS SELECT\n"
	"  strftime('%Y-%m-%d %H:%M:%S', minute * 60, 'unixepoch') AS time, minute,\n"
	"  " ACTION_WORD("action") " AS event, count,\n"
	"  CASE WHEN who.id IS NULL AND flow.id IS NULL THEN '~other' ELSE who.name END\n"
	"  AS process,\n"
	"  uid, command_line, container, container_id, image, pod_namespace, pod, unit, cgroup,\n"
	"  " SIDE_WORD("side") " AS side, " CAUSE_WORD("cause") " AS cause,\n"
	"  CASE WHEN action = 3 THEN " END_WORD("end") " END AS end, errno, netns,\n"
	"  local_address, local_port, peer_address, peer_port, tx_bytes, rx_bytes,\n"
	"  coalesce(lifetimes, count) AS lifetimes, lifetime_ns,\n"
	"  lifetime_ns / 1e6 / nullif(coalesce(lifetimes, count), 0) AS mean_lifetime_ms,\n"
	"  histogram FROM minute LEFT JOIN who ON who.id = minute.who\n"
	"  LEFT JOIN flow ON flow.id = minute.flow;\n"

	"CREATE VIEW sockets AS SELECT\n"
	"  " SECOND_OF("at_ns") " AS time, * FROM states;\n"

	"CREATE VIEW time_wait_limit AS SELECT\n"
	"  " SECOND_OF("s.at_ns") " AS time, s.at_ns, s.netns, s.netns_name,\n"
	"  s.time_wait + s.fin_wait2_minis AS used, l.max_tw_buckets AS max,\n"
	"  round(100.0 * (s.time_wait + s.fin_wait2_minis) / l.max_tw_buckets, 1) AS percent\n"
	"  FROM states AS s JOIN limits AS l ON l.netns = s.netns AND l.at_ns =\n"
	"  (SELECT max(at_ns) FROM limits WHERE netns = s.netns AND at_ns <= s.at_ns);\n"

	"CREATE VIEW port_sets AS SELECT\n"
	"  " SECOND_OF("at_ns") " AS time,\n"
	"  CASE scope WHEN 0 THEN 'peer' WHEN 1 THEN 'all' WHEN 2 THEN 'own' ELSE 'unknown' END\n"
	"  AS scope_word, round(100.0 * (usable - free) / nullif(usable, 0), 1) AS percent, *\n"
	"  FROM ports;\n"

	"CREATE VIEW counters AS SELECT\n"
	"  " SECOND_OF("at_ns") " AS time, netns, counter_name.name AS counter, value, at_ns\n"
	"  FROM counter JOIN counter_name ON counter_name.id = counter.name;\n"

	"CREATE VIEW gaps AS SELECT\n"
	"  " SECOND_OF("since_ns") " AS since, " SECOND_OF("until_ns") " AS until,\n"
	"  " REASON_WORD("reason") " AS reason, round((until_ns - since_ns) / 1e9, 1) AS seconds,\n"
	"  events, detail, run FROM gap;\n"

	"CREATE VIEW findings AS SELECT\n"
	"  " SECOND_OF("at_ns") " AS time, finding,\n"
	"  CASE severity WHEN 1 THEN 'notice' WHEN 2 THEN 'warning' WHEN 3 THEN 'critical'\n"
	"  ELSE 'unknown' END AS severity, sentence, count, who.name AS process, container,\n"
	"  peer_address, peer_port, finding.id\n"
	"  FROM finding LEFT JOIN who ON who.id = finding.who\n"
	"  LEFT JOIN flow ON flow.id = finding.flow;\n"

	"CREATE VIEW runs AS SELECT\n"
	"  " SECOND_OF("since_ns") " AS since, " SECOND_OF("until_ns") " AS until, id, has_ended,\n"
	"  pid, host, kernel, version, zone, boot_id, has_all, has_calls, filter FROM run;\n";
