# SPDX-License-Identifier: GPL-2.0
"""Situations made with HTTP clients of many languages, and with generators of load. Each without
and with what diagnose advises, after which the finding must be gone. As in situations.py, a is the host that is diagnosed,
b the other one."""
import os
import subprocess
import threading

from programs import SHORT, UPSTREAM, http_upstream, keeping_upstream, needs
from run import LEFT, situation
from situations import NO_PORT_TROUBLE, PORT

# ---- languages ----

NODE = """
const http = require('http');
const agent = new http.Agent({ keepAlive: %s });
let left = 300;
function next() {
  http.get({ host: '10.9.0.2', port: %d, agent }, (answer) => {
    answer.resume();
    answer.on('end', () => left-- ? setTimeout(next, 1) : process.exit(0));
  });
}
next();
"""


def node(place, keep):
    http_upstream(place)
    place.await_end(place.start("a", needs("node"), place.file("client.js", NODE % (keep, PORT))))


@situation
def client_node(place):
    node(place, "false")
    # it asks for "Connection: close", and the server does so: no port is held here
    found = place.finds("closed-by-peer", "ok")
    found.lacks("proxy-without-keepalive", *NO_PORT_TROUBLE)


@situation
def client_node_near(place):
    node(place, "true")
    place.diagnose().lacks(*SHORT, "closed-by-peer", *NO_PORT_TROUBLE)


PYTHON = """
import sys, requests
url = sys.argv[1]
get = requests.Session().get if sys.argv[2] == "session" else requests.get
for _ in range(300):
    assert get(url).text == "ok"
"""


def python(place, how):
    http_upstream(place)
    place.await_end(place.start("a", "/usr/bin/python3", place.file("client.py", PYTHON), UPSTREAM,
                                how))


@situation
def client_python(place):
    """requests.get() keeps no connection; the server would."""
    python(place, "get")
    place.finds("client-without-pool", process="python3", says="Session", peer=PORT)


@situation
def client_python_near(place):
    python(place, "session")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


JAVA = """
import java.net.*;
import java.net.http.*;
public class Client {
  public static void main(String[] args) throws Exception {
    URI uri = URI.create(args[0]);
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    for (int i = 0; i < 300; i++) {
      if (args[1].equals("client")) {
        client.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
        continue;
      }
      HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
      connection.getInputStream().readAllBytes();
      connection.disconnect();
    }
    System.exit(0);
  }
}
"""


def java(place, how):
    needs("javac")
    http_upstream(place)
    place.await_end(place.start("a", needs("java"), place.file("Client.java", JAVA), UPSTREAM, how))


@situation
def client_java(place):
    java(place, "connection")
    place.finds("client-without-pool", process="java", says="HttpClient", peer=PORT)


@situation
def client_java_near(place):
    java(place, "client")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


GO = """
package main

import (
	"io"
	"net/http"
	"os"
	"strconv"
)

func main() {
	if os.Args[1] == "default" {
		os.Stdout.WriteString(strconv.Itoa(http.DefaultMaxIdleConnsPerHost))
		return
	}
	client := &http.Client{Transport: &http.Transport{}}
	for i := 0; i < 300; i++ {
		if os.Args[2] == "new" {
			client.CloseIdleConnections()
			client = &http.Client{Transport: &http.Transport{}}
		}
		answer, err := client.Get(os.Args[1])
		if err != nil {
			os.Exit(1)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}
"""

GO_LOCK = threading.Lock()


def go_program():
    """One for all; its name says nothing of its language."""
    folder = f"/tmp/twsdiag.{os.getpid()}.go"
    with GO_LOCK:
        if os.path.exists(f"{folder}/gateway"):
            return f"{folder}/gateway"
        compiler = needs("go")
        os.makedirs(folder, exist_ok=True)
        LEFT.append(folder)
        with open(f"{folder}/main.go", "w", encoding="ascii") as file:
            file.write(GO)
        subprocess.run([compiler, "build", "-o", f"{folder}/gateway", f"{folder}/main.go"], check=True,
                       cwd=folder, env={"PATH": os.environ["PATH"], "HOME": folder, "GOFLAGS": "",
                                        "GO111MODULE": "off", "GOCACHE": f"{folder}/cache"})
        return f"{folder}/gateway"


def go(place, how):
    program = go_program()
    http_upstream(place)
    place.await_end(place.start("a", program, UPSTREAM, how))


@situation
def client_go(place):
    go(place, "new")
    place.finds("client-without-pool", process="gateway", says="client object", peer=PORT)


@situation
def client_go_near(place):
    go(place, "one")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


RUBY = """
require 'net/http'
uri = URI(ARGV[0])
if ARGV[1] == 'start'
  Net::HTTP.start(uri.host, uri.port) { |http| 300.times { http.get('/') } }
else
  300.times { Net::HTTP.start(uri.host, uri.port) { |http|
    http.get('/', { 'Connection' => 'keep-alive' }) } }
end
"""


def ruby(place, how):
    http_upstream(place)
    place.await_end(place.start("a", needs("ruby"), place.file("client.rb", RUBY), UPSTREAM, how))


@situation
def client_ruby(place):
    ruby(place, "each")
    place.finds("client-without-pool", process="ruby", says="Net::HTTP.start", peer=PORT)


@situation
def client_ruby_near(place):
    ruby(place, "start")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


def ask_alone(place, command):
    """A process for each request."""
    script = place.file("ask.sh", f"for i in $(seq 100); do {command} {UPSTREAM} || exit 1; done")
    place.await_end(place.start("a", "sh", script))


@situation
def client_curl(place):
    http_upstream(place)
    ask_alone(place, "curl -sS -o /dev/null")
    place.finds("client-without-pool", process="curl", says="several URLs in one call", peer=PORT)


@situation
def client_curl_near(place):
    http_upstream(place)
    place.await_end(place.start("a", needs("curl"), "-sS", *([UPSTREAM] * 100)))
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


@situation
def client_wget(place):
    http_upstream(place)
    ask_alone(place, "wget -q -O /dev/null")
    place.finds("client-without-pool", process="wget", says="several URLs in one call", peer=PORT)


@situation
def client_wget_near(place):
    http_upstream(place)
    place.await_end(place.start("a", needs("wget"), "-q", "-O", "/dev/null", *([UPSTREAM] * 100)))
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


# ---- generators of load ----


def generator(place, upstream, *command):
    upstream(place)
    place.await_end(place.start("a", needs(command[0]), *command[1:], UPSTREAM))


@situation
def generator_ab(place):
    generator(place, http_upstream, "ab", "-q", "-c2", "-n300")
    # it does not ask for keep-alive, and so the server closes first
    place.finds("closed-by-peer", "ok", "ab").lacks(*SHORT, "aborts", *NO_PORT_TROUBLE)


@situation
def generator_ab_near(place):
    generator(place, http_upstream, "ab", "-q", "-k", "-c2", "-n300")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


@situation
def generator_wrk(place):
    http_upstream(place)
    place.await_end(place.start("a", needs("wrk"), "-t1", "-c2", "-d2", "-H", "Connection: close",
                                UPSTREAM))
    # asked so, the server closes first
    place.finds("closed-by-peer", "ok", "wrk").lacks(*SHORT, *NO_PORT_TROUBLE)


@situation
def generator_wrk_near(place):
    generator(place, http_upstream, "wrk", "-t1", "-c2", "-d2")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


@situation
def generator_hey(place):
    generator(place, keeping_upstream, "hey", "-disable-keepalive", "-c", "2", "-n", "300")
    found = place.finds("client-without-pool", process="hey", says="no -disable-keepalive", peer=PORT)
    found.notes("client-without-pool", "this is a load generator")


@situation
def generator_hey_near(place):
    generator(place, http_upstream, "hey", "-c", "2", "-n", "300")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


def siege(place, connection):
    keeping_upstream(place)
    config = place.file("siegerc", f"connection = {connection}\nverbose = false\nquiet = true\n"
                        "logging = false\njson_output = false\nparser = false\n")
    place.await_end(place.start("a", needs("siege"), "-R", config, "-c2", "-r150", "-b", "-q",
                                UPSTREAM, env={**os.environ, "HOME": place.folder}))


@situation
def generator_siege(place):
    siege(place, "close")
    place.finds("client-without-pool", process="siege", says="connection = keep-alive", peer=PORT)


@situation
def generator_siege_near(place):
    siege(place, "keep-alive")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)
