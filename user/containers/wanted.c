// SPDX-License-Identifier: GPL-2.0
#include "containers/wanted.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static bool is_prefix(const char *wanted, const char *id)
{
	size_t len = strlen(wanted);

	return len >= CONTAINERS_MIN_PREFIX && strspn(wanted, "0123456789abcdef") == len &&
	       !strncmp(id, wanted, len);
}

static bool is_name(const char *wanted, const char *name)
{
	return name && !strcmp(wanted, name);
}

/* Takes @name and, unless it is the end, a slash off @wanted. Kubernetes' names
 * have no slash in them. */
static bool skip_name(const char **wanted, const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (!len || strncmp(*wanted, name, len) || ((*wanted)[len] && (*wanted)[len] != '/'))
		return false;
	*wanted += len + ((*wanted)[len] == '/' && (*wanted)[len + 1]);
	return true;
}

/* POD, NAMESPACE/POD or, as the text output has it, NAMESPACE/POD/CONTAINER */
static bool is_pod(const char *wanted, const struct workload *workload)
{
	if (is_name(wanted, workload->pod_name))
		return true;
	if (!skip_name(&wanted, workload->pod_namespace) ||
	    !skip_name(&wanted, workload->pod_name))
		return false;
	return !*wanted || is_name(wanted, workload->pod_container);
}

bool wanted__matches(const struct wanted *w, const struct cgroup_identity *who,
		     const char *runtime_name, const struct workload *workload)
{
	for (unsigned int i = 0; i < w->num; i++) {
		const char *wanted = w->names[i];

		if (is_prefix(wanted, who->container_id) || is_prefix(wanted, who->host_id) ||
		    !strcmp(wanted, who->container_name) || is_name(wanted, runtime_name) ||
		    is_name(wanted, workload->pod_container) || is_pod(wanted, workload))
			return true;
	}
	return false;
}

bool wanted__matches_recorded(const struct wanted *w, const char *path,
			      const struct workload *workload)
{
	struct cgroup_identity who;

	if (!path || cgroup_path__identify(path, &who))
		who = (struct cgroup_identity){};
	if (!who.container_id[0] && workload->container_id)
		snprintf(who.container_id, sizeof(who.container_id), "%s",
			 workload->container_id);
	return wanted__matches(w, &who, workload->container_name, workload);
}
