// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/remedies.h"

#include <fnmatch.h>
#include <string.h>

/*
 * What is known of a program. Facts of other software are those of their manuals; where
 * a version matters it is named. NULL: nothing that is its own.
 */
struct program {
	const char *pattern; /* of the process's name, as fnmatch(3) takes it */
	bool is_proxy, is_load_generator;
	const char *reuse[3];
	const char *pool;
	const char *idle;
};

/* Its main thread, and so the process, is called otherwise from some version on. */
#define NODE_REUSE \
	{ "Node.js before 19: one 'new http.Agent({ keepAlive: true })' for the program, given to each " \
	  "request; since 19 that is the default", \
	  "read each answer to its end, or call its resume()" }
#define NODE_POOL "Node.js: 'maxFreeSockets' of the http.Agent (256 by default)"
#define NODE_IDLE "Node.js: 'server.keepAliveTimeout' (5 s by default)"

static const struct program programs[] = {
	{ "nginx", true, false,
	  { "nginx before 1.29.7: in the upstream block 'keepalive 32;', and where it is used "
	    "'proxy_http_version 1.1;' and 'proxy_set_header Connection \"\";' (the default since "
	    "1.29.7); then 'nginx -s reload'",
	    "for fastcgi_pass: 'fastcgi_keep_conn on;' beside 'keepalive'" },
	  "a larger number in 'keepalive' of the upstream block: each worker keeps as many idle "
	  "connections",
	  "nginx: 'keepalive_timeout' (75 s by default) and 'keepalive_requests' (1000)" },
	{ "haproxy", true, false,
	  { "haproxy: remove 'option http-server-close' and 'option httpclose'; 'http-reuse safe' (the "
	    "default since 2.0) lets requests share idle connections to servers" },
	  "haproxy: 'pool-max-conn' of the server line (no bound by default), and a longer "
	  "'pool-purge-delay' (5 s)",
	  "haproxy: 'timeout http-keep-alive', else 'timeout http-request'" },
	{ "envoy", true, false,
	  { "envoy: remove 'max_requests_per_connection: 1' from the cluster; connections are kept "
	    "unless an upstream answers 'Connection: close'" },
	  "envoy: a longer 'idle_timeout' in the cluster's common_http_protocol_options",
	  "envoy: 'idle_timeout' of the HTTP connection manager (1 h by default)" },
	{ "apache2", true, false,
	  { "Apache mod_proxy: no 'disablereuse=On' and no 'SetEnv proxy-nokeepalive'; for "
	    "mod_proxy_fcgi 'enablereuse=on' in ProxyPass" },
	  "Apache: 'max=' of ProxyPass, and 'ttl=' below the backend's idle timeout",
	  "Apache: 'KeepAliveTimeout' (5 s by default) and 'MaxKeepAliveRequests' (100)" },
	{ "httpd", true, false,
	  { "Apache mod_proxy: no 'disablereuse=On' and no 'SetEnv proxy-nokeepalive'; for "
	    "mod_proxy_fcgi 'enablereuse=on' in ProxyPass" },
	  "Apache: 'max=' of ProxyPass, and 'ttl=' below the backend's idle timeout",
	  "Apache: 'KeepAliveTimeout' (5 s by default) and 'MaxKeepAliveRequests' (100)" },
	{ "squid", true, false,
	  { "squid: 'server_persistent_connections on' (the default)" },
	  "squid: a longer 'server_idle_pconn_timeout' (1 minute by default; 'pconn_timeout' before 3.2)",
	  "squid: 'client_idle_pconn_timeout' (2 minutes by default)" },
	{ "varnishd", true, false,
	  { "varnish: no 'set bereq.http.Connection = \"close\"' in the VCL, and no return(pipe) where "
	    "return(pass) would do" },
	  "varnish: a longer 'backend_idle_timeout' (60 s by default), below the backend's own",
	  "varnish: 'timeout_idle' (5 s by default)" },
	{ "cache-*", true, false,
	  { "varnish: no 'set bereq.http.Connection = \"close\"' in the VCL, and no return(pipe) where "
	    "return(pass) would do" },
	  "varnish: a longer 'backend_idle_timeout' (60 s by default), below the backend's own",
	  "varnish: 'timeout_idle' (5 s by default)" },
	{ "pgbouncer", true, false,
	  { "pgbouncer closes its connection to the server if a client leaves in the midst of a "
	    "transaction: clients should commit, or roll back, before they close" },
	  "pgbouncer: 'default_pool_size' (20 for each pair of user and database by default)", NULL },
	{ "traefik", true, false, { NULL },
	  "traefik: 'serversTransport.maxIdleConnsPerHost' (200 by default)", NULL },
	{ "php*", false, false,
	  { "PHP: persistent connections, as PDO::ATTR_PERSISTENT, pconnect() of phpredis, or 'p:' before "
	    "mysqli's host name; each worker keeps one",
	    "or a pool on this host that PHP reaches over a Unix socket, as pgbouncer, ProxySQL, twemproxy" },
	  NULL, NULL },
	{ "node", false, false, NODE_REUSE, NODE_POOL, NODE_IDLE },
	{ "MainThread", false, false, NODE_REUSE, NODE_POOL, NODE_IDLE },
	{ "node-MainThread", false, false, NODE_REUSE, NODE_POOL, NODE_IDLE },
	{ "java", false, false,
	  { "Java: one HttpClient for the program; with HttpURLConnection read each answer, errors too, to "
	    "its end and close the stream",
	    "for JDBC a pool, as HikariCP" },
	  "Java: -Dhttp.maxConnections (5 for each server by default), or the client's limit for each "
	  "route", "Java: the server's own, as keepAliveTimeout of a Tomcat connector" },
	{ "python*", false, false,
	  { "Python: one requests.Session(), httpx.Client() or aiohttp.ClientSession() for the program, not "
	    "one for each request",
	    "for a database a pool, as psycopg_pool or SQLAlchemy's, or pgbouncer on this host" },
	  "Python: HTTPAdapter(pool_maxsize=…) of requests (10 by default), or limits= of httpx",
	  "Python: gunicorn's --keep-alive (2 s by default), uvicorn's --timeout-keep-alive (5 s)" },
	{ "gunicorn*", false, false,
	  { "Python: one requests.Session() or httpx.Client() for each worker, not one for each request" },
	  "Python: HTTPAdapter(pool_maxsize=…) of requests (10 by default), or limits= of httpx",
	  "gunicorn: --keep-alive (2 s by default; workers of class sync close always)" },
	{ "ruby*", false, false,
	  { "Ruby: Net::HTTP.start for as long as it lasts, or a client that keeps connections, as "
	    "net-http-persistent" },
	  NULL, NULL },
	{ "curl", false, false,
	  { "curl: several URLs in one call, which then share connections; libcurl: one handle for all "
	    "requests" },
	  NULL, NULL },
	{ "wget", false, false, { "wget: several URLs in one call, which then share connections" }, NULL,
	  NULL },
	{ "ab", false, true, { "ab: -k asks for keep-alive" }, NULL, NULL },
	{ "wrk", false, true, { "wrk: no 'Connection: close' among the headers" }, NULL, NULL },
	{ "hey", false, true, { "hey: no -disable-keepalive" }, NULL, NULL },
	{ "siege", false, true, { "siege: 'connection = keep-alive' in its configuration" }, NULL, NULL },
	{ "h2load", false, true, { NULL }, NULL, NULL },
	{ "redis-server", false, false, { NULL }, NULL, "Redis: 'timeout' (0, never, by default)" },
	{ "mysqld", false, false, { NULL }, NULL, "MySQL: 'wait_timeout' (28800 s by default)" },
	{ "mariadbd", false, false, { NULL }, NULL, "MariaDB: 'wait_timeout' (28800 s by default)" },
	{ "postgres", false, false, { NULL }, NULL, "PostgreSQL: 'idle_session_timeout' (off by default)" },
};

static const struct program *find(const char *comm)
{
	char name[TWS_COMM_LEN + 1] = "";

	memcpy(name, comm, strnlen(comm, TWS_COMM_LEN));
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (!fnmatch(programs[i].pattern, name, 0))
			return &programs[i];
	return NULL;
}

bool remedies__is_proxy(const char *comm)
{
	const struct program *program = find(comm);

	return program && program->is_proxy;
}

bool remedies__is_load_generator(const char *comm)
{
	const struct program *program = find(comm);

	return program && program->is_load_generator;
}

void remedies__reuse(struct finding *f, const char *comm)
{
	const struct program *program = find(comm);
	size_t num = 0;

	for (; program && num < 3 && program->reuse[num]; num++)
		finding__step(f, "%s", program->reuse[num]);
	if (!num)
		finding__step(f, "make one client object for the whole program, not one for each request; "
				 "let it keep connections (HTTP keep-alive, a pool), and read the bodies of "
				 "answers to their end");
}

void remedies__pool(struct finding *f, const char *comm)
{
	const struct program *program = find(comm);

	if (program && program->pool)
		finding__step(f, "%s", program->pool);
	else
		finding__step(f, "let the client keep more idle connections: at least as many as are busy at "
				 "once (Go: MaxIdleConnsPerHost, 2 by default; others: the pool's size)");
}

void remedies__idle_timeout(struct finding *f, const char *comm)
{
	const struct program *program = find(comm);

	if (program && program->idle)
		finding__step(f, "%s", program->idle);
	else
		finding__step(f, "the server's idle timeout for connections that are kept open");
}
