# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # lib.sh and case.sh set what is used here
#
# nginx with several workers: its access log says which worker had which connection.

NGINX_PORT=$BASE_PORT
COMMAND=nginx:_worker_process # the command lines of those that close

# nginx_start WORKERS DIRECTIVES: sets MASTER, and OPENER to what must be said of
# who listened: the master, if it was seen to; else, as the workers hold the same
# sockets, rather nothing than a wrong name.
nginx_start()
{
	need nginx
	mkdir -p www temp
	head -c 65536 /dev/zero | tr '\0' x >www/large
	echo small >www/small
	cat >nginx.conf <<EOF
user nobody nogroup;
worker_processes $1;
daemon off;
pid $DIR/nginx.pid;
error_log $DIR/nginx.err;
events { worker_connections 512; }
http {
	log_format owner '\$server_addr \$server_port \$remote_addr \$remote_port '
			 '\$pid \$bytes_sent \$request_length';
	access_log $DIR/access owner;
	client_body_temp_path temp/body;
	proxy_temp_path temp/proxy;
	fastcgi_temp_path temp/fastcgi;
	uwsgi_temp_path temp/uwsgi;
	scgi_temp_path temp/scgi;
	$2
	server {
		listen 0.0.0.0:$NGINX_PORT reuseport;
		listen [::]:$NGINX_PORT ipv6only=on reuseport;
		root $DIR/www;
	}
}
EOF
	spawn nginx.out nginx -e stderr -p "$DIR" -c "$DIR/nginx.conf"
	MASTER=$spawned
	OPENER=$MASTER
	[ -n "$TRACER" ] || OPENER="$MASTER|"
	judge listening "$NGINX_PORT"
}

# From the access log: LADDR LPORT PADDR PPORT PID SENT RECEIVED, one line a
# connection, as nginx's end sees it.
connections()
{
	awk '{ c = $1 " " $2 " " $3 " " $4; pid[c] = $5; sent[c] += $6; received[c] += $7 }
	     END { for (c in pid) print c, pid[c], sent[c], received[c] }' access
}

# What is true of a TIME_WAIT at nginx's end of each of the connections that are
# read. server_truth MODE CAUSE, where MODE is `may` or nothing.
server_truth()
{
	awk -v mode="$1" -v cause="$2" -v opener="$OPENER" \
		-v command="$COMMAND" -v uid="$(id -u nobody)" '{
		print $1, $2, $3, $4, mode, "tcp.side=server tcp.cause=" cause,
			"process.pid=" $5, "process.name=nginx",
			"process.thread.id=" $5, "process.thread.name=nginx",
			"process.user.id=" uid, "opener.pid=" opener,
			"tcp.tx_bytes=" $6, "tcp.rx_bytes=" $7,
			"process.command_line=" command
	}'
}

# The same for the client's end, where the client is one process.
# client_truth MODE CAUSE PID NAME
client_truth()
{
	awk -v mode="$1" -v cause="$2" -v pid="$3" -v name="$4" '{
		print $3, $4, $1, $2, mode, "tcp.side=client tcp.cause=" cause,
			"process.pid=" pid, "process.name=" name,
			"process.thread.name=" name, "process.user.id=0",
			"opener.pid=" pid, "opener.name=" name
	}'
}

# expect_workers N: at least so many had connections.
expect_workers()
{
	[ "$(distinct access 5)" -ge "$1" ] ||
		fail "only $(distinct access 5) of nginx's workers had connections"
}

# ab_closes REQUESTS FILE CAUSE: the server closes each connection that ab used.
ab_closes()
{
	spawn ab.log ab -q -n "$1" -c 10 "http://127.0.0.1:$NGINX_PORT/$2"
	reap "$spawned" ab
	judge settled table
	connections | server_truth "" "$3" >truth
	[ "$(wc -l <truth)" = "$1" ] ||
		fail "nginx logged $(wc -l <access) requests, $(wc -l <truth) connections of $1"
	unused_by_ab "$spawned" "$NGINX_PORT" >>truth
}

# Without keep-alive the server closes each connection.
case_nginx_close()
{
	need ab
	start_trace
	nginx_start 3 "keepalive_timeout 0;"
	ab_closes 2000 small close
	expect_workers 2
	finish_trace
}

# wrk closes too when it has read `Connection: close`: whoever is first. It stops in
# the midst. The script bounds the work on a fast machine, the second on a slow one.
case_nginx_close_ipv6()
{
	need wrk
	nginx_start 3 ""
	cat >stop.lua <<'EOF'
local n = 0
function response()
	n = n + 1
	if n == 1000 then
		wrk.thread:stop()
	end
end
EOF
	start_trace
	spawn wrk.log wrk -t 2 -c 16 -d 1s -s stop.lua -H "Connection: close" \
		"http://[::1]:$NGINX_PORT/small"
	reap "$spawned" wrk
	# nginx writes its log after the client has the answer.
	judge settled table
	connections >logged
	server_truth may close <logged >truth
	client_truth may "close|exit" "$spawned" wrk <logged >>truth
	# Nothing was served on these: one trial, and the last of each of the 16.
	echo "::1 * ::1 $NGINX_PORT min=0 max=17 tcp.side=client process.pid=$spawned" \
		"process.name=wrk" >>truth
	[ "$(wc -l <logged)" -ge 200 ] || fail "nginx logged only $(wc -l <logged) connections"
	expect_workers 2
	finish_trace
	[ "$(wc -l <table)" -ge 100 ] || fail "only $(wc -l <table) TIME_WAITs came about"
}

# nginx's lingering close is a shutdown() first, and a close() when the client has closed.
case_nginx_lingering()
{
	need ab
	nginx_start 2 "keepalive_timeout 0; lingering_close always;"
	start_trace
	ab_closes 300 large shutdown
	finish_trace
}

# Both close some: nginx after the 20th request of a connection, ab when it is done.
case_nginx_keepalive()
{
	need ab
	nginx_start 2 "keepalive_timeout 65; keepalive_requests 20;"
	start_trace
	spawn ab.log ab -q -k -n 2010 -c 10 "http://127.0.0.1:$NGINX_PORT/small"
	reap "$spawned" ab
	judge settled table
	connections >logged
	server_truth may close <logged >truth
	client_truth may "exit|close" "$spawned" ab <logged >>truth
	unused_by_ab "$spawned" "$NGINX_PORT" >>truth
	finish_trace
	[ "$(wc -l <table)" -ge 90 ] || fail "only $(wc -l <table) TIME_WAITs came about"
}

# Several clients at once, each closing its own connections; curl tells its ports.
case_nginx_client()
{
	need curl
	nginx_start 2 "keepalive_timeout 65;"
	start_trace
	clients=
	for i in 1 2 3 4 5 6; do
		spawn "curl.$i" curl -sS -o /dev/null \
			-w '%{local_ip} %{local_port} %{remote_ip} %{remote_port}\n' \
			"http://127.0.$i.[1-50]:$NGINX_PORT/large"
		clients="$clients $i:$spawned"
	done
	: >truth
	for client in $clients; do
		reap "${client#*:}" curl
		awk '{ print $3, $4, $1, $2 }' "curl.${client%%:*}" |
			client_truth "" close "${client#*:}" curl >>truth
	done
	[ "$(wc -l <truth)" = 300 ] || fail "curl made $(wc -l <truth) connections, not 300"
	finish_trace
}
