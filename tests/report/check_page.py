#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Judges what the writers of a report make of made-up hours; see run.sh.

Usage: check_page.py text|json|html FILE...   one line for each fault, exit status 1
       check_page.py browser PAGE...          the same in a real Chromium
"""
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

ALLOWED = set(
    "html head meta title style body main svg defs pattern rect path line text desc g section header "
    "div span p h1 h2 h3 dl dt dd ul li figure figcaption table caption thead tbody tr th td details "
    "summary footer b".split())
VOID = {"meta", "br", "hr"}
MOST_BYTES = 1 << 20


def columns(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def check_text(data):
    text = data.decode("utf-8")
    for line in text.splitlines():
        if columns(line) > 80:
            yield "a line of %d columns: %s" % (columns(line), ascii(line))
    for c in set(text) - {"\n"}:
        if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            yield "a control character: %r" % c
    if not text.startswith("twsnoop "):
        yield "no heading"


def check_json(data):
    told = json.loads(data.decode("utf-8"))
    for member in ("severity", "headline", "span", "usual", "incidents", "closers", "unknown", "points"):
        if member not in told:
            yield "no member " + member
    if data.count(b"\n") != 1:
        yield "it is not one line"
    for incident in told["incidents"]:
        for member in ("id", "severity", "since", "until", "culprits", "ports", "failures", "words"):
            if member not in incident:
                yield "an incident without " + member


class Page(HTMLParser):
    """Every element and attribute, and whether they are nested as HTML wants it."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.faults, self.open, self.elements = [], [], []
        self.policy, self.style, self.ids, self.uses = None, "", [], []

    def handle_starttag(self, tag, attrs):
        attrs = [(name, value or "") for name, value in attrs]
        self.elements.append(tag)
        if tag not in ALLOWED:
            self.faults.append("an element %s" % ascii(tag))
        for name, value in attrs:
            if name == "style" or name.startswith("on") or name in ("src", "href", "xlink:href", "action"):
                self.faults.append("an attribute %s=%s" % (ascii(name), ascii(value)))
            if name == "id":
                self.ids.append(value)
            if name in ("aria-labelledby", "aria-describedby"):
                self.uses += value.split()
            if name == "fill":
                self.uses += re.findall(r"^url\(#([a-z0-9]+)\)$", value) or ["fill " + value]
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = dict(attrs)["content"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        if tag not in VOID:
            self.faults.append("<%s /> has no end for HTML" % tag)
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append("</%s> closes something else" % tag)

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data


def check_html(data):
    text = data.decode("utf-8")
    page = Page()
    page.feed(text)
    yield from page.faults
    if page.open:
        yield "not closed: %s" % page.open
    ElementTree.fromstring(text)  # well-formed as XML, too
    if len(data) >= MOST_BYTES:
        yield "%d bytes" % len(data)
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    wanted = "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'" % digest
    if page.policy != wanted:
        yield "the policy is %s and not %s" % (page.policy, wanted)
    if page.elements.count("style") != 1 or page.elements.count("h1") != 1:
        yield "not one style and one h1"
    for name in set(page.ids):
        if page.ids.count(name) > 1:
            yield "the id %s twice" % name
    for name in page.uses:
        if name not in page.ids:
            yield "no id %s" % ascii(name)
    if "@import" in page.style or re.search(r"url\(", page.style):
        yield "the style loads something"
    for c in set(text) - {"\n"}:
        if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            yield "a control character: %r" % c
    head = text.split("<style", 1)[0]
    if "Content-Security-Policy" not in head or "viewport" not in head:
        yield "no policy or viewport before the style"


# ---- in a real browser ----

def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    return None


def browse(page, work):
    """The DOM after everything has run, what was said on the console, and all that was asked for."""
    net = os.path.join(work, "net.json")
    with tempfile.TemporaryDirectory(dir=work) as profile:
        done = subprocess.run(
            [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--disable-extensions", "--no-default-browser-check",
             "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0",
             "--log-net-log=" + net, "--user-data-dir=" + profile, "--virtual-time-budget=3000",
             "--dump-dom", "file://" + os.path.abspath(page)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=180, check=True)
    said = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "CONSOLE" in line]
    return done.stdout.decode("utf-8"), said, asked_by_page(net)


def asked_by_page(net):
    """The browser asks its maker for this and that, too, but then no page is the initiator."""
    with open(net, encoding="utf-8", errors="replace") as log:
        events = json.load(log)["events"]
    asked = set()
    for event in events:
        params = event.get("params", {})
        if "url" in params and params.get("initiator", "not an origin") != "not an origin":
            asked.add(params["url"])
    return asked


def check_browser(page, work):
    dom, said, asked = browse(page, work)
    for line in said:
        yield "on the console: " + ascii(line)
    for url in asked - {"file://" + os.path.abspath(page)}:
        yield "asked for: " + ascii(url)
    parsed = Page()
    parsed.feed(dom)
    yield from parsed.faults
    with open(page, encoding="utf-8") as source:
        written = Page()
        written.feed(source.read())
    if parsed.elements != written.elements:
        yield "the browser made other elements of it: %d, and not %d" % (
            len(parsed.elements), len(written.elements))


# What must be seen by the checks above, each by itself: else they prove nothing.
POLICY = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
CONTROLS = {
    "refused": (POLICY, "<img src=x onerror=\"document.title='run'\">", "on the console"),
    "asked": ("", "<p></p><img src='http://name.invalid/x'>", "asked for"),
    "ran": ("", "<p></p><script>document.body.append(document.createElement('i'))</script>",
            "made other elements"),
}


def check_controls(work):
    for name, (policy, markup, fault) in CONTROLS.items():
        page = os.path.join(work, name + ".html")
        with open(page, "w", encoding="utf-8") as file:
            file.write("<!DOCTYPE html><html><head>%s<title>t</title></head><body>%s</body></html>"
                       % (policy, markup))
        if not any(fault in found for found in check_browser(page, work)):
            yield "%s: not seen" % name


def main():
    kind, files = sys.argv[1], sys.argv[2:]
    faults = 0
    with tempfile.TemporaryDirectory() as work:
        for path in files:
            with open(path, "rb") as file:
                data = file.read()
            checks = {"text": check_text, "json": check_json, "html": check_html}
            found = check_browser(path, work) if kind == "browser" else checks[kind](data)
            for fault in found:
                print("FAIL %s %s: %s" % (kind, os.path.basename(path), fault))
                faults += 1
        if kind == "browser":
            for fault in check_controls(work):
                print("FAIL browser control: %s" % fault)
                faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
