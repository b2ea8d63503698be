-- SPDX-License-Identifier: GPL-2.0
-- The table that `twsnoop serve --clickhouse` fills, for any ClickHouse from 18.16 on:
--   clickhouse-client --multiquery < schema.sql
-- A column is a member of twsnoop's JSON with underscores for its dots (docs/formats.md). A number that is
-- not known is NULL, a text that is not known is ''.
--
-- One batch of events has one batch_date, and the table is partitioned by that alone: so a batch becomes one
-- part, which is there as a whole or not at all, and twsnoop asks for the batch before it writes it. Partition by
-- nothing else, and keep timestamp at the beginning of the order.
--
-- What newer servers do better:
--   19.3:  LowCardinality(String) for host, event_action, process_name, container and k8s columns, tcp_side, tcp_cause
--   19.17: timestamp_ns DateTime64(9, 'UTC') in the place of timestamp and nanosecond, by a MATERIALIZED column;
--          TTL batch_date + INTERVAL 30 DAY DELETE
--   20.1:  network_peer_address IPv6, by a MATERIALIZED column of toIPv6(network_peer_address)
--   22.2:  SETTINGS non_replicated_deduplication_window = 1000: the server itself drops what it has had, by the
--          token that twsnoop sends with each batch (tables that are replicated do so without the setting)

CREATE TABLE IF NOT EXISTS twsnoop_events
(
    batch                   String,
    batch_date              Date,
    timestamp               DateTime,
    nanosecond              UInt32,
    uid                     String,
    host                    String,

    event_action            String,
    event_source            String,
    network_transport       String,
    network_type            String,
    network_local_address   String,
    network_local_port      Nullable(UInt16),
    network_peer_address    String,
    network_peer_port       Nullable(UInt16),
    network_netns           Nullable(UInt32),
    network_netns_name      String,
    network_interface_name  String,
    network_interface_index Nullable(UInt32),

    process_pid             Nullable(UInt32),
    process_vpid            Nullable(UInt32),
    process_name            String,
    process_thread_id       Nullable(UInt32),
    process_thread_name     String,
    process_command_line    String,
    process_user_id         Nullable(UInt32),
    process_killed          UInt8,
    opener_pid              Nullable(UInt32),
    opener_name             String,

    container_id            String,
    container_name          String,
    container_runtime       String,
    container_image_name    String,
    cgroup_id               Nullable(UInt64),
    cgroup_path             String,
    k8s_pod_name            String,
    k8s_pod_uid             String,
    k8s_namespace_name      String,
    k8s_container_name      String,
    systemd_unit            String,

    tcp_side                String,
    tcp_cause               String,
    tcp_end                 String,
    tcp_errno               Nullable(UInt32),
    tcp_cookie              Nullable(UInt64),
    tcp_lifetime_ns         Nullable(UInt64),
    tcp_tx_bytes            Nullable(UInt64),
    tcp_rx_bytes            Nullable(UInt64)
)
ENGINE = MergeTree
PARTITION BY batch_date
ORDER BY (timestamp, host);
