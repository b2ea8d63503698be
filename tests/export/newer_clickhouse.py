#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A newer ClickHouse than Debian's, as far as its SQL goes: its engine as a library (libchdb.so of the npm package
@chdb/lib-linux-x64-gnu), behind as much of the server's HTTP as twsnoop and the tests ask for. By hand:

    npm pack @chdb/lib-linux-x64-gnu && tar -xf chdb-lib-*.tgz
    CLICKHOUSE_SERVER="tests/export/newer_clickhouse.py package/libchdb.so" make export
"""
import ctypes
import email.parser
import email.policy
import gzip
import http.server
import os
import re
import sys
import tempfile
import threading
import urllib.parse
import xml.etree.ElementTree as ElementTree


class Engine:
    """One query at a time; what fails raises ValueError with the server's words."""

    def __init__(self, library, path):
        self.lib = ctypes.CDLL(library)
        for name, result, arguments in (
                ("chdb_connect", ctypes.c_void_p, [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]),
                ("chdb_query", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]),
                ("chdb_result_error", ctypes.c_char_p, [ctypes.c_void_p]),
                ("chdb_result_buffer", ctypes.c_void_p, [ctypes.c_void_p]),
                ("chdb_result_length", ctypes.c_size_t, [ctypes.c_void_p]),
                ("chdb_destroy_query_result", None, [ctypes.c_void_p])):
            function = getattr(self.lib, name)
            function.restype, function.argtypes = result, arguments
        words = [b"clickhouse", b"--path=" + os.fsencode(path)]
        self.connection = self.lib.chdb_connect(len(words), (ctypes.c_char_p * len(words))(*words))
        if not self.connection:
            sys.exit("newer_clickhouse.py: the engine does not start")
        self.connection = ctypes.cast(self.connection, ctypes.POINTER(ctypes.c_void_p))[0]
        self.lock = threading.Lock()

    def ask(self, query):
        with self.lock:
            result = self.lib.chdb_query(self.connection, query.encode(), b"TabSeparated")
            try:
                error = self.lib.chdb_result_error(result)
                if error:
                    raise ValueError(error.decode("utf-8", "replace"))
                length = self.lib.chdb_result_length(result)
                return ctypes.string_at(self.lib.chdb_result_buffer(result), length) if length else b""
            finally:
                self.lib.chdb_destroy_query_result(result)


def external(query, asked, body, content_type, folder):
    """The query, with what came beside it as a file of rows in the place of the table "rows"."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("ascii")
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    part, = message.iter_parts()
    rows = part.get_payload(decode=True)
    rows = gzip.decompress(rows) if rows[:2] == b"\x1f\x8b" else rows
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".json", delete=False) as file:
        file.write(rows)
    table = f"file('{file.name}', '{asked['rows_format']}', '{asked['rows_structure']}')"
    token = asked.get("insert_deduplication_token")
    return (query.replace(" FROM rows ", f" FROM {table} ") +
            (f" SETTINGS insert_deduplication_token='{token}'" if token else "")), file.name


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, strict_parsing=False))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        query, path = asked.get("query", ""), None
        try:
            if "rows_structure" in asked:
                query, path = external(query, asked, body, self.headers["Content-Type"], self.server.folder)
            else:
                query += body.decode()
            self.answer(200, self.server.engine.ask(query))
        except ValueError as why:
            self.answer(500, str(why).encode())
        finally:
            if path:
                os.unlink(path)

    do_GET = do_POST


def main():
    library, config = sys.argv[1:]
    told = ElementTree.parse(config.removeprefix("--config-file=")).getroot()
    folder = told.find("path").text
    os.makedirs(folder, exist_ok=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(told.find("http_port").text)), Handler)
    server.daemon_threads = True
    server.folder = re.sub("/*$", "", told.find("path").text)
    server.engine = Engine(library, os.path.join(folder, "engine"))
    server.serve_forever()


main()
