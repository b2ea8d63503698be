#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Of the pictures of real runs: a client that makes a new connection for each request, for ever, now more
of them and now fewer. client.py NAME HOST PORT A_SECOND [SECONDS_OF_A_WAVE]"""
import ctypes
import http.client
import math
import sys
import time

name, host, port, rate = sys.argv[1:5]
wave_s = float(sys.argv[5]) if len(sys.argv) > 5 else 25
ctypes.CDLL(None).prctl(15, name.encode())  # PR_SET_NAME
while True:
    c = http.client.HTTPConnection(host, int(port))
    try:
        c.request("GET", "/", headers={"Connection": "close"} if name == "crawler" else {})
        c.getresponse().read()
    except OSError:  # no port is left
        pass
    c.close()
    time.sleep(1 / float(rate) / (1 + 0.6 * math.sin(time.monotonic() * 2 * math.pi / wave_s)))
