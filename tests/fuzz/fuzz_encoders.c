// SPDX-License-Identifier: GPL-2.0
/* Any event with any names, as a request to a store: valid JSON, in both ways. */
#include "fuzz.h"

#include <jansson.h>
#include <sys/socket.h>

#include "export/encoder.h"
#include "model/decode.h"

static void check_json(const char *text, size_t len)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);

	CHECK(root);
	json_decref(root);
}

static void check_record(const struct record *rec, const struct encoder_host *host)
{
	struct outbuf ob = { 0 };

	encoder_otlp.begin(&ob, host);
	encoder_otlp.put(&ob, host, rec, true, rec->wall_ns);
	encoder_otlp.put(&ob, host, rec, false, rec->wall_ns);
	encoder_otlp.end(&ob);
	CHECK(!ob.failed);
	check_json(ob.data, ob.len);
	ob.len = 0;
	encoder_clickhouse.put(&ob, host, rec, true, rec->wall_ns);
	CHECK(ob.data[ob.len - 1] == '\n' && !memchr(ob.data, '\n', ob.len - 1));
	check_json(ob.data, ob.len - 1);
	outbuf__free(&ob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct encoder_host host = { .kernel = "6.18" };
	struct tws_event *copy;
	const struct tws_event *ev;
	char *name;

	if (size < sizeof(*copy))
		return 0;
	copy = (struct tws_event *)fuzz__copy(data, sizeof(*copy));
	name = fuzz__string(data + sizeof(*copy), size - sizeof(*copy));
	snprintf(host.name, sizeof(host.name), "%s", name);
	copy->action = (uint8_t)(copy->action % TWS_LISTEN);
	copy->family = copy->family & 1 ? AF_INET : AF_INET6;
	copy->pad = 0;
	copy->error %= 134;
	copy->end = copy->action == TWS_TIME_WAIT_END ? copy->end % TWS_END_END : 0;
	copy->conn.side %= TWS_SIDE_END;
	copy->conn.cause %= TWS_CAUSE_END;
	copy->conn.flags &= 0x7ff;
	copy->conn.comm[TWS_COMM_LEN - 1] = copy->conn.thread_comm[TWS_COMM_LEN - 1] =
		copy->conn.opener_comm[TWS_COMM_LEN - 1] = '\0';
	if (!decode__event(copy, sizeof(*copy), &ev)) {
		const struct record rec = {
			.event = ev, .wall_ns = ev->time_ns, .command_line = name, .cgroup_path = name,
			.netns_name = name, .interface = name,
			.workload = { .container_name = name, .pod_name = name, .unit = name },
		};

		check_record(&rec, &host);
	}
	free(name);
	free(copy);
	return 0;
}
