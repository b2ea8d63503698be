# SPDX-License-Identifier: GPL-2.0
"""A network between two ends that can be cut: a TCP proxy that passes on, refuses, swallows, or cuts
what it was told to."""
import select
import socket
import struct
import threading


class Cutter:
    """mode: "pass"; "refuse": no connection is taken for good; "swallow": nothing comes through, either way;
    "no-answer": requests come through, answers do not; "cut": likewise, and the connection ends when the
    answer's first byte is there; "truncate": the connection ends within the request."""

    def __init__(self, port):
        self.to = ("127.0.0.1", port)
        self.mode = "pass"
        self.cuts = 0
        self.lock = threading.Lock()
        self.pairs = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def set(self, mode, resets=True):
        """What is open is cut, so that the next request sees the new mode."""
        self.mode = mode
        if not resets:
            return
        with self.lock:
            for pair in self.pairs:
                for end in pair:
                    self.kill(end)

    @staticmethod
    def kill(end):
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def serve(self, client):
        server = None
        try:
            if self.mode == "refuse":
                return self.kill(client)
            server = socket.create_connection(self.to, timeout=5)
            with self.lock:
                self.pairs.add((client, server))
            self.pump(client, server)
        except OSError:
            pass
        finally:
            with self.lock:
                self.pairs.discard((client, server))
            for end in (client, server):
                if end:
                    self.kill(end)
                    end.close()

    def pump(self, client, server):
        passed = 0
        while True:
            ready, _, _ = select.select([client, server], [], [], 30)
            if not ready:
                return
            if client in ready:
                data = client.recv(65536)
                if not data:
                    return
                if self.mode == "truncate":
                    server.sendall(data[:passed // 2 + 700])
                    self.cuts += 1
                    return
                if self.mode != "swallow":
                    server.sendall(data)
                    passed += len(data)
            if server in ready:
                data = server.recv(65536)
                if not data:
                    return
                if self.mode == "cut":
                    self.cuts += 1
                    return
                if self.mode == "pass":
                    client.sendall(data)
                elif self.mode == "no-answer":
                    self.cuts += 1
