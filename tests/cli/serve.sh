# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# twsnoop serve: what it refuses. What it serves is tested in tests/serve.

test_serve_usage()
{
	wrong "serve: an operand" serve x
	wrong "serve: a name to listen at" serve --listen localhost:9810
	wrong "serve: no port" serve --listen 127.0.0.1
	wrong "serve: a key alone" serve --tls-key key.pem
	wrong_if_empty serve
}

test_serve_refused()
{
	run "$tool" drop 65534 none "$twsnoop" serve --listen :0
	refused "serve without privilege" "CAP_BPF"
}
