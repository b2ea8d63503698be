# SPDX-License-Identifier: GPL-2.0
"""An OTLP/HTTP receiver for logs in JSON, that holds each request against the published mapping of
opentelemetry-proto (docs/specs/otlp, "JSON Protobuf Encoding") and answers as it is told to."""
import email.utils
import gzip
import http.server
import json
import re
import socket
import struct
import threading
import time

INT64 = re.compile(r"-?(0|[1-9][0-9]*)\Z")
UINT64 = re.compile(r"(0|[1-9][0-9]*)\Z")


class Wrong(Exception):
    pass


def need(good, why):
    if not good:
        raise Wrong(why)


def members(value, required, optional, where):
    need(isinstance(value, dict), f"{where} is no object")
    need(required <= value.keys(), f"{where} lacks {required - value.keys()}")
    need(value.keys() <= required | optional, f"{where} has {value.keys() - required - optional}")


def any_value(value, where):
    members(value, set(), {"stringValue", "boolValue", "intValue", "doubleValue"}, where)
    need(len(value) == 1, f"{where}: one of the values")
    (kind, inner), = value.items()
    if kind == "intValue":
        need(isinstance(inner, str) and INT64.match(inner) and -2**63 <= int(inner) < 2**63,
             f"{where}: intValue {inner!r} is no int64 in a string")
        return int(inner)
    wanted = {"stringValue": str, "boolValue": bool, "doubleValue": float}[kind]
    need(isinstance(inner, wanted), f"{where}: {kind} {inner!r}")
    return inner


def attributes(value, where):
    need(isinstance(value, list), f"{where} is no array")
    found = {}
    for one in value:
        members(one, {"key", "value"}, set(), where)
        need(isinstance(one["key"], str) and one["key"] and one["key"] not in found,
             f"{where}: key {one['key']!r}")
        found[one["key"]] = any_value(one["value"], f"{where} {one['key']}")
    return found


def nanoseconds(value, where):
    need(isinstance(value, str) and UINT64.match(value) and 0 < int(value) < 2**64,
         f"{where}: {value!r} is no fixed64 in a string")
    return int(value)


def log_record(value):
    members(value, {"timeUnixNano", "observedTimeUnixNano", "severityNumber", "severityText", "body",
                    "attributes", "eventName"}, set(), "logRecord")
    need(type(value["severityNumber"]) is int and 1 <= value["severityNumber"] <= 24,
         "severityNumber is no number of the enumeration")
    need(isinstance(value["severityText"], str), "severityText")
    need(isinstance(value["eventName"], str) and value["eventName"], "eventName")
    found = attributes(value["attributes"], "attributes")
    found["time"] = nanoseconds(value["timeUnixNano"], "timeUnixNano")
    need(found["time"] <= nanoseconds(value["observedTimeUnixNano"], "observedTimeUnixNano") + 10**9,
         "observed before it happened")
    found["body"] = any_value(value["body"], "body")
    return found


def export_request(text):
    """The records of an ExportLogsServiceRequest, each as one dictionary."""
    root = json.loads(text, object_pairs_hook=unique)
    members(root, {"resourceLogs"}, set(), "request")
    records = []
    for resource_logs in root["resourceLogs"]:
        members(resource_logs, {"resource", "scopeLogs"}, {"schemaUrl"}, "resourceLogs")
        members(resource_logs["resource"], {"attributes"}, {"droppedAttributesCount"}, "resource")
        resource = attributes(resource_logs["resource"]["attributes"], "resource")
        need(resource.get("service.name") == "twsnoop" and resource.get("host.name"), "resource's names")
        for scope_logs in resource_logs["scopeLogs"]:
            members(scope_logs, {"scope", "logRecords"}, {"schemaUrl"}, "scopeLogs")
            members(scope_logs["scope"], {"name"}, {"version", "attributes"}, "scope")
            records += [log_record(one) for one in scope_logs["logRecords"]]
    need(records, "no records")
    return records


QUICK = re.compile(rb'"log.record.uid","value":{"stringValue":"([0-9a-f]{32})"}.*?"tcp.cookie","value":{"intValue":"([0-9]+)"}')


def quick_look(text):
    """Of a request whose form other tests have looked at: the uids and cookies."""
    need(text.startswith(b'{"resourceLogs":[') and text.endswith(b"]}]}]}"), "cut off")
    return [{"log.record.uid": uid.decode(), "tcp.cookie": int(cookie)} for uid, cookie in QUICK.findall(text)]


def unique(pairs):
    found = dict(pairs)
    need(len(found) == len(pairs), "a name twice in one object")
    return found


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, *_):
        pass

    def answer(self, status, text=b"{}", **headers):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def cut(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def do_POST(self):
        store = self.server.store
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the network was cut in its midst, and nobody waits for an answer
            return self.cut()
        how = store.next_answer()
        store.requests.append((time.monotonic(), how, dict(self.headers)))
        if how == "cut-before":
            return self.cut()
        if how == "silent":
            store.released.wait(3)
            return self.cut()
        if isinstance(how, int) and how != 200:
            return self.answer(how, b'{"message":"told so"}')
        if isinstance(how, tuple):
            return self.answer(how[0], b"{}", Retry_After=how[1])
        try:
            need(self.path == store.path, f"path {self.path}")
            need(self.headers["Content-Type"] == "application/json", "Content-Type")
            need(self.headers["Content-Encoding"] == "gzip", "Content-Encoding")
            text = gzip.decompress(body)
            store.take(export_request(text) if store.keeps_records or store.wanted else quick_look(text))
        except (Wrong, ValueError, KeyError, OSError) as why:
            store.wrong.append(str(why))
            return self.answer(400, str(why).encode()[:200])
        if how == "cut-after":
            return self.cut()
        if how == "half":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n")
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.close_connection = True
            return None
        if how == "slow":
            time.sleep(1)
        if how == "partial":
            return self.answer(200, b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}')
        return self.answer(200)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address, store):
        self.store = store
        self.connections = set()
        super().__init__(address, Handler)

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_):
        pass


class Store:
    """What was received, by tcp.cookie; it may be stopped and started again."""

    def __init__(self, path="/v1/logs"):
        self.path = path
        self.lock = threading.Lock()
        self.uids, self.cookies, self.records = {}, {}, []
        self.keeps_records = True
        self.wanted = None  # whether a record is one of those that are counted; None: all are
        self.received = 0
        self.wrong, self.requests, self.answers = [], [], []
        self.always = 200
        self.released = threading.Event()
        self.server = None
        self.port = 0
        self.start()

    def start(self):
        self.server = Server(("127.0.0.1", self.port), self)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        server, self.server = self.server, None
        server.shutdown()
        server.server_close()
        for connection in list(server.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def next_answer(self):
        with self.lock:
            return self.answers.pop(0) if self.answers else self.always

    def take(self, records):
        with self.lock:
            for record in records:
                uid, cookie = record["log.record.uid"], record["tcp.cookie"]
                need(re.match(r"[0-9a-f]{32}\Z", uid), "log.record.uid")
                if self.wanted and not self.wanted(record):
                    continue
                self.received += 1
                if uid in self.uids:
                    continue
                self.uids[uid] = cookie
                self.cookies[cookie] = self.cookies.get(cookie, 0) + 1
                if self.keeps_records:
                    self.records.append(record)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


def http_date(seconds_from_now):
    return email.utils.formatdate(time.time() + seconds_from_now, usegmt=True)
