// SPDX-License-Identifier: GPL-2.0
#include "output/sink_sum.h"

#include "model/field_table.h"

static bool read_mean(const struct sink_sum *sum, struct field_value *v)
{
	return sum->lifetimes && number(v, sum->lifetime_ns / sum->lifetimes);
}

/* Of what all its events have in common. */
static bool read_common(const struct sink_sum *sum, size_t place, struct field_value *v)
{
	const struct tws_event *ev = sum->rec.event;

	switch (place) {
	case AT_read_pid: /* of several processes of that name, perhaps */
		return false;
	case AT_read_local_port:
		return ev->local_port && field__read(&field__table[place], &sum->rec, v);
	case AT_read_peer_port:
		return ev->peer_port && field__read(&field__table[place], &sum->rec, v);
	default:
		return field__read(&field__table[place], &sum->rec, v);
	}
}

bool sink_sum__read(const struct sink_sum *sum, size_t place, struct field_value *v)
{
	v->vague = v->guessed = false;
	v->color = FIELD_PLAIN;
	switch (place) {
	case AT_read_timestamp:
		return read_timestamp(&sum->rec, v);
	case AT_read_action:
		return LITERAL(v, "minute");
	case AT_read_lifetime:
		return read_mean(sum, v);
	case AT_read_tx:
		return number(v, sum->tx_bytes);
	case AT_read_rx:
		return number(v, sum->rx_bytes);
	case AT_read_transport:
		return read_transport(&sum->rec, v);
	default:
		return !sum->is_other && read_common(sum, place, v);
	}
}

static bool read_counted(const struct sink_sum *sum, struct field_value *v)
{
	return !sum->is_other && read_action(&sum->rec, v);
}

static bool read_count(const struct sink_sum *sum, struct field_value *v)
{
	return number(v, sum->count);
}

static bool read_interval(const struct sink_sum *sum, struct field_value *v)
{
	return number(v, sum->interval_ns);
}

static bool read_prefix(const struct sink_sum *sum, struct field_value *v)
{
	unsigned int whole = sum->rec.event->family == AF_INET ? 32 : 128;

	return !sum->is_other && sum->peer_len && sum->peer_len < whole &&
	       number(v, sum->peer_len);
}

const struct sink_sum_member sink_sum__members[SINK_SUM_MEMBERS] = {
	{ "event.counted", FIELD_WORD, AT_read_source, read_counted },
	{ "event.count", FIELD_NUMBER, AT_read_source, read_count },
	{ "event.interval_ns", FIELD_NUMBER, AT_read_source, read_interval },
	{ "network.peer.prefix_length", FIELD_NUMBER, AT_read_peer_port, read_prefix },
};
