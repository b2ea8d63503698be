// SPDX-License-Identifier: GPL-2.0
#include "events/naming.h"

#include "host/ifnames.h"
#include "host/procinfo.h"

static int pass_cgroup(void *ctx, uint64_t id, bool pass)
{
	return source__pass_cgroup(ctx, id, pass);
}

static const char *find_arguments(void *ctx, const struct tws_event *ev, size_t *len)
{
	return source__arguments(ctx, ev, len);
}

static int open_containers(struct naming *naming, const struct stream_options *stream)
{
	const struct kernel *kernel = stream->kernel;
	const struct containers_options opts = {
		.controller = kernel->v1_subsys >= 0 ? kernel->v1_controller : NULL,
		.no_names = stream->no_names,
		.socket = stream->runtime_socket,
		.wanted = stream->containers,
		.num_wanted = stream->num_containers,
		.pass = pass_cgroup,
		.ctx = stream->events,
	};

	return containers__new(&naming->containers, &opts);
}

int naming__new(struct naming *naming, const struct stream_options *opts, struct listeners *listeners)
{
	const struct netns_places *places = opts->source ? opts->source->places : &netns_default_places;
	struct attribute_sources sources;
	int err;

	*naming = (struct naming){};
	err = procinfo__new(&naming->processes, opts->proc_root, PROCINFO_CACHE_DEFAULT) ?:
	      ifnames__new(&naming->interfaces, places) ?:
	      open_containers(naming, opts);
	if (err)
		return err;
	sources = (struct attribute_sources){
		.processes = naming->processes,
		.arguments = find_arguments,
		.arguments_ctx = opts->events,
		.listeners = listeners,
		.containers = naming->containers,
		.interfaces = naming->interfaces,
	};
	return attributor__new(&naming->attributor, &sources);
}

void naming__free(struct naming *naming)
{
	attributor__free(naming->attributor);
	ifnames__free(naming->interfaces);
	procinfo__free(naming->processes);
	containers__free(naming->containers);
	*naming = (struct naming){};
}
