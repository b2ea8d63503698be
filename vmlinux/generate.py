#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes the small vmlinux.h of each architecture.

The kernel's full type header has 130,000 lines and differs by architecture.
The programs in bpf/ need a hundred of them, and CO-RE moves every field to its
place when they are loaded. So types.txt names what is needed, and this script
writes that, with the types that the running or a packaged kernel's BTF gives.

  generate.py --btf FILE --arch ARCH    write vmlinux/ARCH/vmlinux.h
  generate.py --check                   do the headers have what types.txt names?
  generate.py --check --btf FILE...     do these kernels have what types.txt names,
                                        and all as the first one has it?
  generate.py --extract IMAGE FILE      cut the BTF out of a kernel image

FILE is raw BTF (/sys/kernel/btf/vmlinux) or anything that --extract reads: a
vmlinux ELF, an x86 bzImage, an arm64 Image, compressed or not.

Building twsnoop needs neither this script nor BTF: the headers are committed.
"""
import argparse
import bz2
import hashlib
import lzma
import os
import re
import struct
import subprocess
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
ARCHES = ("x86_64", "arm64")


class Failure(Exception):
    """What is wrong, in a sentence for the user."""


# ---- from a kernel image to its BTF ----

BTF_MAGIC = b"\x9f\xeb\x01"


def unpack_by_tool(tool, data):
    """Trailing bytes make these tools exit with an error after a full result."""
    try:
        run = subprocess.run([tool, "-dc"], input=data, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        raise Failure(f"the image is packed with {tool}: install it") from None
    return run.stdout


PACKERS = (
    (b"\x1f\x8b", lambda data: zlib.decompressobj(31).decompress(data)),
    (b"\xfd7zXZ\0", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"\x5d\0\0", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"BZh", lambda data: bz2.BZ2Decompressor().decompress(data)),
    (b"\x28\xb5\x2f\xfd", lambda data: unpack_by_tool("zstd", data)),
    (b"\x02\x21\x4c\x18", lambda data: unpack_by_tool("lz4", data)),
    (b"\x89LZO", lambda data: unpack_by_tool("lzop", data)),
)


def btf_length(data, at):
    """Bytes of the BTF blob at this offset, 0 if there is none."""
    if data[at:at + 3] != BTF_MAGIC or len(data) < at + 24:
        return 0
    hdr_len, type_off, type_len, str_off, str_len = struct.unpack_from("<5I", data, at + 4)
    end = hdr_len + max(type_off + type_len, str_off + str_len)
    strings = at + hdr_len + str_off
    if hdr_len < 24 or not type_len or not str_len or at + end > len(data):
        return 0
    if data[strings] or data[strings + str_len - 1]:
        return 0
    return end


def elf_section(data, name):
    shoff, = struct.unpack_from("<Q", data, 0x28)
    size, num, names = struct.unpack_from("<3H", data, 0x3a)
    headers = [struct.unpack_from("<IIQQQQ", data, shoff + i * size) for i in range(num)]
    for header in headers:
        at = headers[names][4] + header[0]
        if data[at:at + len(name) + 1] == name + b"\0":
            return data[header[4]:header[4] + header[5]]
    return None


def search_btf(data):
    """The largest valid blob: an arm64 Image has no section headers to ask."""
    best = b""
    at = data.find(BTF_MAGIC)
    while at >= 0:
        length = btf_length(data, at)
        if length > len(best):
            best = data[at:at + length]
        at = data.find(BTF_MAGIC, at + 1)
    return best or None


def bzimage_payload(data):
    """Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length."""
    offset, length = struct.unpack_from("<2I", data, 0x248)
    start = ((data[0x1f1] or 4) + 1) * 512 + offset
    return data[start:start + length]


def find_btf(data):
    """BTF in a blob, an ELF file or a kernel image; None if there is none."""
    for magic, unpack in PACKERS:
        if data.startswith(magic):
            return find_btf(unpack(data))
    if btf_length(data, 0):
        return data
    if data.startswith(b"\x7fELF\x02\x01"):
        return elf_section(data, b".BTF") or search_btf(data)
    if data[0x202:0x206] == b"HdrS":
        return find_btf(bzimage_payload(data))
    if data[4:8] == b"zimg":  # drivers/firmware/efi/libstub/zboot-header.S
        offset, length = struct.unpack_from("<2I", data, 8)
        return find_btf(data[offset:offset + length])
    return search_btf(data)


def read_btf(path):
    with open(path, "rb") as file:
        btf = find_btf(file.read())
    if not btf:
        raise Failure(f"{path}: no BTF in it")
    return btf


# ---- BTF (Documentation/bpf/btf.rst) ----

(INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT,
 FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64) = range(1, 20)
# Bytes that follow a type: a fixed number, and so many for each of its vlen members.
TAIL = {INT: (4, 0), ARRAY: (12, 0), STRUCT: (0, 12), UNION: (0, 12), ENUM: (0, 8),
        FUNC_PROTO: (0, 8), VAR: (4, 0), DATASEC: (0, 12), DECL_TAG: (4, 0), ENUM64: (0, 12)}
TRANSPARENT = (VOLATILE, CONST, RESTRICT, TYPE_TAG)
KEYWORD = {STRUCT: "struct", UNION: "union", ENUM: "enum", ENUM64: "enum", TYPEDEF: "typedef"}


class Type:
    __slots__ = ("kind", "name", "vlen", "flag", "ref", "tail")

    def __init__(self, kind, name, vlen, flag, ref, tail):
        self.kind = kind
        self.name = name
        self.vlen = vlen
        self.flag = flag
        self.ref = ref  # the type meant, or the size in bytes
        self.tail = tail


class Member:
    __slots__ = ("name", "type", "bits")

    def __init__(self, name, type_id, bits):
        self.name = name
        self.type = type_id
        self.bits = bits  # 0: not a bitfield


class Btf:
    def __init__(self, data):
        hdr_len, type_off, type_len, str_off, str_len = struct.unpack_from("<5I", data, 4)
        self.data = data
        self.strings = data[hdr_len + str_off:hdr_len + str_off + str_len]
        self.types = [Type(0, "void", 0, 0, 0, 0)]
        self.by_name = {}  # (keyword, name): ids
        self.read_types(hdr_len + type_off, hdr_len + type_off + type_len)

    def string(self, at):
        return self.strings[at:self.strings.index(b"\0", at)].decode()

    def read_types(self, at, end):
        while at < end:
            name, info, ref = struct.unpack_from("<3I", self.data, at)
            kind, vlen = info >> 24 & 31, info & 0xffff
            if not 0 < kind <= ENUM64:
                raise Failure(f"BTF kind {kind} is newer than this script")
            new = Type(kind, self.string(name), vlen, info >> 31, ref, at + 12)
            if kind in KEYWORD:
                key = (KEYWORD[kind], new.name)
                self.by_name.setdefault(key, []).append(len(self.types))
            self.types.append(new)
            fixed, each = TAIL.get(kind, (0, 0))
            at += 12 + fixed + each * vlen

    def members(self, type_id):
        this = self.types[type_id]
        for i in range(this.vlen):
            name, ref, offset = struct.unpack_from("<3I", self.data, this.tail + 12 * i)
            yield Member(self.string(name), ref, offset >> 24 if this.flag else 0)

    def values(self, type_id):
        """(name, value) of an enum."""
        this = self.types[type_id]
        for i in range(this.vlen):
            if this.kind == ENUM:
                name, value = struct.unpack_from("<Ii" if this.flag else "<II",
                                                 self.data, this.tail + 8 * i)
            else:
                name, low, high = struct.unpack_from("<IIi" if this.flag else "<III",
                                                     self.data, this.tail + 12 * i)
                value = high << 32 | low
            yield self.string(name), value

    def array(self, type_id):
        """(element type, number of elements)"""
        element, _, number = struct.unpack_from("<3I", self.data, self.types[type_id].tail)
        return element, number

    def peel(self, type_id):
        """Without const, volatile and the like."""
        while self.types[type_id].kind in TRANSPARENT:
            type_id = self.types[type_id].ref
        return type_id

    def base(self, type_id):
        """Without const, typedefs and arrays too."""
        while True:
            this = self.types[type_id]
            if this.kind == ARRAY:
                type_id = self.array(type_id)[0]
            elif this.kind in TRANSPARENT or this.kind == TYPEDEF:
                type_id = this.ref
            else:
                return type_id

    def is_container(self, type_id):
        return self.types[type_id].kind in (STRUCT, UNION)

    def find_member(self, type_id, name):
        """By name, also inside anonymous structs and unions, as C does."""
        for member in self.members(type_id):
            if member.name == name:
                return member
            inner = self.peel(member.type)
            if not member.name and self.is_container(inner):
                found = self.find_member(inner, name)
                if found:
                    return found
        return None


# ---- types.txt ----

LINE = re.compile(r"(struct|union|enum|typedef)\s+([\w\s]+|\{\s*\w+\s*\})\s*(?::(.*))?$")


def read_manifest(path):
    """{(keyword, name): set of field paths or values}; an enum without a name
    goes by one of its values: ("enum", "{BPF_ANY}")."""
    wanted = {}
    with open(path, encoding="ascii") as file:
        for number, line in enumerate(file, 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            match = LINE.match(line)
            if not match:
                raise Failure(f"{path}:{number}: cannot read: {line}")
            keyword, names, fields = match.groups()
            names = [re.sub(r"\s", "", names)] if "{" in names else names.split()
            if fields and len(names) > 1:
                raise Failure(f"{path}:{number}: fields of more than one type")
            for name in names:
                wanted.setdefault((keyword, name), set()).update((fields or "").split())
    return wanted


def manifest_digest(wanted):
    text = "\n".join(f"{keyword} {name}: {' '.join(sorted(fields))}"
                     for (keyword, name), fields in sorted(wanted.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# ---- what to emit ----

class Selection:
    """The fields of a struct or union that are wanted. Those of a type without
    a name of its own are kept in the selection of what holds it."""

    def __init__(self, type_id):
        self.type = type_id
        self.whole = False
        self.fields = {}  # name: Selection of the field's own anonymous type, or None


class Collector:
    """Follows the manifest through the BTF, to all that has to be emitted."""

    def __init__(self, btf):
        self.btf = btf
        self.named = {}  # (keyword, name): Selection; None for a typedef of a number
        self.enums = {}  # ("enum", name): (type, set of values; empty for all)
        self.missing = []

    def collect(self, wanted):
        for (keyword, name), fields in sorted(wanted.items()):
            if keyword == "enum":
                self.want_enum(name, fields)
            else:
                self.want_type(keyword, name, fields)

    def lookup(self, keyword, name, fields):
        """Kernels define a few names twice: the one that has the fields is meant."""
        ids = self.btf.by_name.get((keyword, name), [])
        first = {path.split(".")[0] for path in fields} - {"*"}
        for type_id in ids:
            base = self.btf.base(type_id)
            if self.btf.is_container(base) and \
               all(self.btf.find_member(base, field) for field in first):
                return type_id
        return ids[0] if ids else None

    def want_type(self, keyword, name, fields):
        type_id = self.lookup(keyword, name, fields)
        if type_id is None:
            self.missing.append(f"{keyword} {name}")
            return
        base = self.btf.base(type_id)
        if not self.btf.is_container(base):
            if fields:
                self.missing.append(f"{keyword} {name} has no fields")
            self.named.setdefault((keyword, name), None)
            return
        selection = self.selection_of(type_id)
        for path in sorted(fields):
            if not self.want_field(selection, path):
                self.missing.append(f"{keyword} {name}: {path}")

    def selection_of(self, type_id):
        """Of a struct, or a typedef of one, that has a name."""
        this = self.btf.types[type_id]
        if this.kind == TYPEDEF:
            target = self.btf.peel(this.ref)
            if self.btf.types[target].kind == TYPEDEF or self.btf.types[target].name:
                self.named.setdefault(("typedef", this.name), None)
                return self.selection_of(target)
        key = (KEYWORD[this.kind], this.name)
        return self.named.setdefault(key, Selection(self.btf.base(type_id)))

    def want_field(self, selection, path):
        if path == "*":
            selection.whole = True
            self.want_all(selection, selection.type)
            return True
        name, _, rest = path.partition(".")
        member = self.btf.find_member(selection.type, name)
        return member is not None and self.want_member(selection, member, rest)

    def want_all(self, selection, type_id):
        for member in self.btf.members(type_id):
            if member.name:
                self.want_member(selection, member, "")
            elif self.btf.is_container(self.btf.peel(member.type)):
                self.want_all(selection, self.btf.peel(member.type))

    def want_member(self, selection, member, rest):
        """With all of it if its type has no name to list fields under."""
        inner = self.btf.peel(member.type)
        while self.btf.types[inner].kind == ARRAY:
            inner = self.btf.peel(self.btf.array(inner)[0])
        held = None
        if self.btf.is_container(self.btf.base(inner)):
            if self.btf.types[inner].name:
                held = self.selection_of(inner)
            else:
                held = selection.fields.get(member.name) or Selection(inner)
                selection.fields[member.name] = held
                rest = rest or "*"
        selection.fields.setdefault(member.name, None)
        return not rest or (held is not None and self.want_field(held, rest))

    def want_enum(self, name, values):
        if name.startswith("{"):
            ids = self.btf.by_name.get(("enum", ""), [])
            values = values | {name[1:-1]} if values else values
            first = name[1:-1]
            ids = [i for i in ids if first in dict(self.btf.values(i))]
        else:
            ids = self.btf.by_name.get(("enum", name), [])
        if not ids:
            self.missing.append(f"enum {name}")
            return
        have = dict(self.btf.values(ids[0]))
        self.missing += [f"enum {name}: {value}" for value in sorted(values - set(have))]
        self.enums[("enum", name)] = (ids[0], values)


# ---- C ----

class Writer:
    """Writes declarations; each after those that it needs whole."""

    def __init__(self, btf, collector):
        self.btf = btf
        self.named = collector.named
        self.enums = collector.enums
        self.forward = set()
        self.blocks = []
        self.done = set()

    def write(self):
        for key in sorted(self.enums):
            self.emit_enum(key)
        for key in sorted(self.named, key=lambda key: (key[0] != "typedef", key)):
            self.emit_named(key)
        forward = [f"{keyword} {name};" for keyword, name in sorted(self.forward)]
        return "\n\n".join(["\n".join(forward)] + join_typedefs(self.blocks))

    def emit_named(self, key):
        if key in self.done:
            return
        self.done.add(key)
        keyword, name = key
        selection = self.named.get(key)
        if selection is None and keyword == "typedef":
            ref = self.btf.types[self.btf.by_name[key][0]].ref
            self.blocks.append(f"typedef {self.declare(ref, name)};")
        elif keyword == "typedef":
            kind = KEYWORD[self.btf.types[selection.type].kind]
            self.blocks.append(f"typedef {kind} {self.body(selection, '')} {name};")
        else:
            self.blocks.append(f"{keyword} {name} {self.body(selection, '')};"
                               + self.size_check(key, selection))

    def size_check(self, key, selection):
        """Arrays of such a type may be indexed, and it may be copied as a whole:
        CO-RE moves fields, but sizeof is the compiler's. It is not the kernel's if
        a struct inside is listed in part, or aligned by an attribute: BTF tells no
        attributes."""
        if not selection.whole:
            return ""
        size = self.btf.types[selection.type].ref
        name = " ".join(key)
        return f'\n_Static_assert(sizeof({name}) == {size}, "{name}");'

    def body(self, selection, indent):
        """Anonymous structs and unions dissolve, as CO-RE goes by names only, but
        not where the whole is wanted, since there the size must be right."""
        size = self.btf.types[selection.type].ref
        if not selection.fields:
            lines = [f"\tunsigned char opaque[{size}];"]
        else:
            lines = list(self.lines(selection, selection.type, indent))
        return "{\n" + "".join(f"{indent}{line}\n" for line in lines) + indent + "}"

    def lines(self, selection, type_id, indent):
        for member in self.btf.members(type_id):
            inner = self.btf.peel(member.type)
            if member.name and member.name in selection.fields:
                yield "\t" + self.field(member, selection.fields[member.name], indent)
            elif not member.name and self.btf.is_container(inner):
                if selection.whole:
                    whole = Selection(inner)
                    whole.whole = True
                    whole.fields = selection.fields
                    yield "\t" + self.anonymous(whole, "", indent) + ";"
                else:
                    yield from self.lines(selection, inner, indent)
            elif not member.name and selection.whole:
                yield f"\t{self.declare(member.type, '')}: {member.bits};"

    def anonymous(self, selection, declarator, indent):
        kind = KEYWORD[self.btf.types[selection.type].kind]
        return f"{kind} {self.body(selection, indent + chr(9))} {declarator}".rstrip()

    def field(self, member, held, indent):
        if held is not None:
            return self.declare(member.type, member.name, (held, indent)) + ";"
        bits = f": {member.bits}" if member.bits else ""
        return self.declare(member.type, member.name) + bits + ";"

    def declare(self, type_id, declarator, held=None):
        """A declaration of @declarator; @held says what to write for the struct
        without a name that it ends in."""
        this = self.btf.types[type_id]
        if this.kind == PTR:
            return self.declare_pointer(this, declarator)
        if this.kind == ARRAY:
            element, number = self.btf.array(type_id)
            return self.declare(element, f"{declarator}[{number}]", held)
        if this.kind in (TYPE_TAG, RESTRICT):
            return self.declare(this.ref, declarator, held)
        if this.kind in TRANSPARENT:
            word = "const" if this.kind == CONST else "volatile"
            if self.btf.types[self.btf.peel(this.ref)].kind == PTR:
                return self.declare(this.ref, f"{word} {declarator}".rstrip())
            return f"{word} {self.declare(this.ref, declarator, held)}"
        if held and not this.name:
            return self.anonymous(held[0], declarator, held[1])
        return f"{self.name_of(type_id)} {declarator}".rstrip()

    def declare_pointer(self, this, declarator):
        """A struct that is only pointed to need not be known, a function never."""
        target = self.btf.peel(this.ref)
        kind = self.btf.types[target].kind
        if self.btf.types[self.btf.base(target)].kind == FUNC_PROTO:
            return f"void *{declarator}"
        if kind == ARRAY:
            return self.declare(this.ref, f"(*{declarator})")
        if kind in (STRUCT, UNION, FWD) and self.btf.types[target].name:
            self.forward.add((self.keyword(target), self.btf.types[target].name))
            qualifier = "const " if self.btf.types[this.ref].kind == CONST else ""
            return f"{qualifier}{self.keyword(target)} {self.btf.types[target].name} *{declarator}"
        if kind in (STRUCT, UNION):
            return f"void *{declarator}"
        return self.declare(this.ref, f"*{declarator}")

    def keyword(self, type_id):
        this = self.btf.types[type_id]
        if this.kind == FWD:
            return "union" if this.flag else "struct"
        return KEYWORD[this.kind]

    def name_of(self, type_id):
        """Of a type that is needed whole, and so is emitted before."""
        this = self.btf.types[type_id]
        if this.kind in (ENUM, ENUM64):
            return self.name_of_enum(type_id)
        if this.kind == TYPEDEF:
            if self.btf.is_container(self.btf.base(type_id)) and \
               not self.btf.types[self.btf.peel(this.ref)].name:
                self.named.setdefault(("typedef", this.name),
                                      Selection(self.btf.base(type_id)))
            self.emit_named(("typedef", this.name))
            return this.name
        if this.kind in (STRUCT, UNION):
            key = (KEYWORD[this.kind], this.name)
            self.named.setdefault(key, Selection(type_id))
            self.emit_named(key)
            return " ".join(key)
        return this.name

    def name_of_enum(self, type_id):
        this = self.btf.types[type_id]
        if not this.name:
            return "int"
        key = ("enum", this.name)
        self.enums.setdefault(key, (type_id, set()))
        self.emit_enum(key)
        return " ".join(key)

    def emit_enum(self, key):
        if key in self.done:
            return
        self.done.add(key)
        type_id, values = self.enums[key]
        name = "" if key[1].startswith("{") else key[1] + " "
        lines = [f"\t{value} = {number},\n" for value, number in self.btf.values(type_id)
                 if value in values or not values]
        self.blocks.append(f"enum {name}{{\n{''.join(lines)}}};")


def join_typedefs(blocks):
    """One-line typedefs that follow each other make one block."""
    joined = []
    for block in blocks:
        one_line = block.startswith("typedef") and "\n" not in block
        if one_line and joined and joined[-1].split("\n")[-1].startswith("typedef"):
            joined[-1] += "\n" + block
        else:
            joined.append(block)
    return joined


HEADER = """\
/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's types that bpf/ needs, for {arch}. Generated, not to be edited:
 * add what is missing to vmlinux/types.txt and run vmlinux/update.sh, or
 *     vmlinux/generate.py --arch {arch} --btf FILE
 * with any kernel's BTF. Structs have only the fields that types.txt lists, and
 * sizeof and offsets are not the kernel's: CO-RE puts each access right.
 *
 * BTF: {release}
 * types.txt: {manifest}
 * text: {text}
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

"""
BEGIN = "#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)"
END = "#pragma clang attribute pop"


def render(btf, wanted, arch, release):
    collector = Collector(btf)
    collector.collect(wanted)
    if collector.missing:
        raise Failure(f"this kernel ({release}) lacks " + "; ".join(collector.missing))
    text = f"{BEGIN}\n\n{Writer(btf, collector).write()}\n\n{END}\n\n#endif\n"
    return HEADER.format(arch=arch, release=release, manifest=manifest_digest(wanted),
                         text=text_digest(text)) + text


def text_digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# ---- checking ----

class HeaderTypes:
    """What a generated header declares, read back: it has one field a line."""

    OPEN = re.compile(r"^(?:typedef )?(struct|union|enum)(?: (\w+))? \{$")
    CLOSE = re.compile(r"^\}(?: (\w+))?(?:\[\d+\])*;$")
    INNER = re.compile(r"^(?:const |volatile )*(struct|union) \{$")
    VALUE = re.compile(r"^(\w+) = -?\d+,$")
    FIELD = re.compile(r"^(.*?)(\w+)(?:\[\d+\])*(?:: \d+)?;$")
    TYPEDEF = re.compile(r"^typedef (.*?)(\w+)(?:\[\d+\])*;$")

    def __init__(self, text):
        self.types = {}  # (keyword, name): {field: its type's key, a dict, or None}
        self.stack = []
        for line in text.split("\n"):
            self.read_line(line.strip(), line.startswith("typedef"))

    def read_line(self, line, is_typedef):
        if not self.stack:
            match = self.OPEN.match(line)
            if match:
                key = ("typedef", None) if is_typedef else match.groups()
                self.stack.append((key, {}))
                return
            match = self.TYPEDEF.match(line)
            if match:
                self.types[("typedef", match[2])] = {"": self.key_of(match[1])}
            return
        self.read_inside(line)

    def read_inside(self, line):
        key, fields = self.stack[-1]
        if self.INNER.match(line):
            self.stack.append((None, {}))
        elif self.CLOSE.match(line):
            self.stack.pop()
            self.close(key, fields, self.CLOSE.match(line)[1])
        elif self.VALUE.match(line):
            fields[self.VALUE.match(line)[1]] = None
        elif self.FIELD.match(line):
            match = self.FIELD.match(line)
            fields[match[2]] = self.key_of(match[1])

    def close(self, key, fields, name):
        if self.stack:
            holder = self.stack[-1][1]
            if name:
                holder[name] = fields
            else:
                holder.update(fields)
        elif key == ("enum", None):
            for value in fields:
                self.types[("enum", "{" + value + "}")] = fields
        elif key[0] == "typedef":
            self.types[("typedef", name)] = fields
        else:
            self.types[key] = fields

    @staticmethod
    def key_of(words):
        words = [word for word in words.split() if word not in ("const", "volatile")]
        if not words or "*" in words[-1]:
            return None
        return tuple(words) if words[0] in ("struct", "union") else ("typedef", words[-1])

    def has(self, fields, path):
        """Whether the path of field names leads somewhere from these fields."""
        while fields is not None and not isinstance(fields, dict):
            fields = self.types.get(fields)
        if fields is None:
            return False
        if "" in fields:
            return self.has(fields[""], path)
        name, _, rest = path.partition(".")
        if name == "*":
            return "opaque" not in fields
        return name in fields and (not rest or self.has(fields[name], rest))


def missing_in_header(text, wanted):
    types = HeaderTypes(text)
    for key, fields in sorted(wanted.items()):
        if key not in types.types:
            yield " ".join(key)
            continue
        for path in sorted(fields):
            if not types.has(types.types[key], path):
                yield f"{' '.join(key)}: {path}"


def check_header(path, wanted):
    """What is wrong with a generated header, in lines; none if nothing is."""
    try:
        with open(path, encoding="ascii") as file:
            content = file.read()
    except FileNotFoundError:
        return [f"{path}: there is none; run vmlinux/update.sh"]
    marks = dict(re.findall(r"^ \* (types\.txt|text): (\w+)$", content, re.M))
    at = content.find(BEGIN)
    lacks = [f"{path}: lacks {what}" for what in missing_in_header(content, wanted)]
    if lacks:
        return lacks + [f"{path}: run vmlinux/update.sh"]
    if at < 0 or text_digest(content[at:]) != marks.get("text"):
        return [f"{path}: was edited by hand; run vmlinux/update.sh"]
    if marks.get("types.txt") != manifest_digest(wanted):
        return [f"{path}: has more than types.txt lists; run vmlinux/update.sh"]
    return []


SHAPES = {INT: "a number", ENUM: "an enum", ENUM64: "an enum", PTR: "a pointer",
          STRUCT: "a struct", UNION: "a struct", FLOAT: "a float"}


def shapes(btf, wanted):
    """What CO-RE compares of a field besides its name: with another shape, the
    field counts as absent (bpf_core_fields_are_compat() in libbpf)."""
    found = {}
    for (keyword, name), fields in wanted.items():
        ids = btf.by_name.get((keyword, name), []) if keyword != "enum" else []
        for path in fields - {"*"} if ids else ():
            at = btf.base(ids[0])
            for part in path.split("."):
                member = btf.find_member(at, part) if btf.is_container(at) else None
                if not member:
                    break
                at = btf.base(member.type)
            else:
                found[f"{keyword} {name}: {path}"] = SHAPES.get(btf.types[at].kind, "?")
    return found


def check_kernels(paths, wanted):
    wrong = []
    first = {}
    for path in paths:
        btf = Btf(read_btf(path))
        collector = Collector(btf)
        collector.collect(wanted)
        wrong += [f"{path}: this kernel lacks {what}" for what in collector.missing]
        here = shapes(btf, wanted)
        first = first or here
        wrong += [f"{path}: {what} is {here[what]}, but {first[what]} in {paths[0]}"
                  for what in sorted(here)
                  if first.get(what, here[what]) != here[what]]
    return wrong


# ---- command line ----

def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", default=os.path.join(HERE, "types.txt"), metavar="FILE")
    parser.add_argument("--arch", choices=ARCHES)
    parser.add_argument("--btf", nargs="+", metavar="FILE")
    parser.add_argument("--release", help="what the header says the BTF is of")
    parser.add_argument("-o", "--output", metavar="FILE")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--header", action="append", metavar="FILE",
                        help="with --check: this one instead of all the committed ones")
    parser.add_argument("--extract", nargs=2, metavar=("IMAGE", "FILE"))
    args = parser.parse_args()
    if not args.extract and not args.check and not (args.arch and len(args.btf or ()) == 1):
        parser.error("--btf FILE and --arch, or --check, or --extract")
    return args


def default_header(arch):
    return os.path.join(HERE, arch, "vmlinux.h")


def release_of(path):
    if path.startswith("/sys/kernel/btf/"):
        return "Linux " + os.uname().release
    return os.path.basename(path).removesuffix(".btf").replace("_", " ")


def write_file(path, data):
    """Whole or not at all."""
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)


def run(args):
    if args.extract:
        write_file(args.extract[1], read_btf(args.extract[0]))
        return 0
    wanted = read_manifest(args.types)
    if args.check:
        if args.btf:
            wrong = check_kernels(args.btf, wanted)
        else:
            headers = args.header or [default_header(arch) for arch in ARCHES]
            wrong = [line for header in headers for line in check_header(header, wanted)]
        for line in wrong:
            print(line, file=sys.stderr)
        return 1 if wrong else 0
    btf = args.btf[0]
    header = render(Btf(read_btf(btf)), wanted, args.arch, args.release or release_of(btf))
    write_file(args.output or default_header(args.arch), header.encode("ascii"))
    return 0


def main():
    try:
        return run(arguments())
    except (Failure, OSError) as error:
        print(f"generate.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
