"""Files that are no model, or would like to be taken for one: every kind by name, with what makes it.

`FILES` give the bytes of a file, `PLACES` make something in a folder and return its path.
"""

import io
import os
import pickle
import socket
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile.forging import (
    Content,
    Header,
    archive,
    content_of,
    forged,
    npy,
    npy_saying,
    smallest,
    text,
    text_of,
)
from tests.world.small_world import VOCABULARY
from trm_np.autograd.ops import Array
from trm_np.config import LARGEST_SIZE

WEIGHT = "weights.tool_selection.score.bias"
END, LOCAL, ENTRY = b"PK\5\6", b"PK\3\4", b"PK\1\2"
MEGABYTE = 2**20
FLOAT, BYTE = "'<f4'", "'|u1'"


class Tripwire:
    """Leaves a trace when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.putenv, ("TRIPPED", "1")


# ------------------------------------------------------------------------------- altered as an archive


def altered(old: bytes, new: bytes, occurrence: int = 0) -> Callable[[], bytes]:
    """The smallest model with one place in its bytes written over."""

    def make() -> bytes:
        data, place = smallest(), -1
        for _ in range(occurrence + 1):
            place = data.index(old, place + 1)
        return data[:place] + new + data[place + len(old) :]

    return make


def with_fields(signature: bytes, field: int, format: str, value: int) -> Callable[[], bytes]:
    """The smallest model with a field of its first record of this kind written over."""

    def make() -> bytes:
        data = bytearray(smallest())
        struct.pack_into("<" + format, data, data.index(signature) + field, value)
        return bytes(data)

    return make


def both_fields(local_field: int, entry_field: int, format: str, value: int) -> Callable[[], bytes]:
    """The same in the local header and in the directory, which agree then."""

    def make() -> bytes:
        data = bytearray(smallest())
        struct.pack_into("<" + format, data, data.index(LOCAL) + local_field, value)
        struct.pack_into("<" + format, data, data.index(ENTRY) + entry_field, value)
        return bytes(data)

    return make


def parts() -> tuple[bytes, bytes, bytes]:
    """Members, directory and end record of the smallest model."""
    data = smallest()
    start = int.from_bytes(data[-6:-2], "little")
    return data[:start], data[start:-22], data[-22:]


def end_record(count: int, directory_bytes: int, start: int, comment: bytes = b"") -> bytes:
    counts = (0, 0, count, count, directory_bytes, start, len(comment))
    return struct.pack("<4s4H2LH", END, *counts) + comment


def entries_of(directory: bytes) -> list[bytes]:
    return [ENTRY + entry for entry in directory.split(ENTRY)[1:]]


def directory_entry(name: bytes, crc: int, size: int, offset: int, extra: bytes = b"") -> bytes:
    head = struct.pack("<4s4B4H3L", ENTRY, 45, 3, 45, 0, 0, 0, 0, 0x21, crc, size, size)
    return head + struct.pack("<5H2L", len(name), len(extra), 0, 0, 0, 0o600 << 16, offset) + name + extra


def with_prefix(prefix: bytes, moved: bool) -> Callable[[], bytes]:
    """Bytes in front of the archive; `moved`: all offsets say so."""

    def make() -> bytes:
        members, directory, _ = parts()
        if not moved:
            return prefix + smallest()
        entries = entries_of(directory)
        offsets = [int.from_bytes(entry[42:46], "little") + len(prefix) for entry in entries]
        directory = b"".join(
            e[:42] + o.to_bytes(4, "little") + e[46:] for e, o in zip(entries, offsets, strict=True)
        )
        return prefix + members + directory + end_record(len(entries), len(directory), len(prefix + members))

    return make


def gap_between_members() -> bytes:
    members, directory, _ = parts()
    entries = entries_of(directory)
    last = int.from_bytes(entries[-1][42:46], "little")
    members = members[:last] + bytes(64) + members[last:]
    entries[-1] = entries[-1][:42] + (last + 64).to_bytes(4, "little") + entries[-1][46:]
    directory = b"".join(entries)
    return members + directory + end_record(len(entries), len(directory), len(members))


def directory_of(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[], bytes]:
    """The smallest model with other entries in its directory, which the end record counts."""

    def make() -> bytes:
        members, directory, _ = parts()
        entries = change(entries_of(directory))
        directory = b"".join(entries)
        return members + directory + end_record(len(entries), len(directory), len(members))

    return make


def overlapping_members() -> bytes:
    """A thousand entries for one megabyte, as in the bomb of Fifield (2019)."""
    member = npy(np.zeros(MEGABYTE, np.uint8))
    data = archive([("header.npy", member)])[: -22 - 56]
    directory = b"".join(directory_entry(b"%03d.npy" % i, 0, len(member), 0) for i in range(1000))
    return data + directory + end_record(1000, len(directory), len(data))


def sizes_beyond_any_offset() -> bytes:
    directory = b"".join(
        directory_entry(name, 0, 2**32 - 2, 0) for name in (b"header.npy", b"x.npy", b"y.npy")
    )
    return bytes(100) + directory + end_record(3, len(directory), 100)


NOTHING = npy(np.zeros(0, np.uint8))  # an empty array


def many_members(count: int) -> bytes:
    """File with so many empty arrays; with the records of ZIP64 where 16 bits do not count them."""
    names = [b"header.npy"] + [b"%06x.npy" % i for i in range(1, count)]
    local = struct.pack("<4s5H3L2H", LOCAL, 45, 0, 0, 0, 0x21, 0, len(NOTHING), len(NOTHING), 10, 0)
    data = b"".join(local + name + NOTHING for name in names)
    each = len(local) + 10 + len(NOTHING)
    directory = b"".join(directory_entry(name, 0, len(NOTHING), i * each) for i, name in enumerate(names))
    if count < 2**16:
        return data + directory + end_record(count, len(directory), len(data))
    numbers = (44, 45, 45, 0, 0, count, count, len(directory), len(data))
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", *numbers)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(data + directory), 1)
    return data + directory + end64 + locator + end_record(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def named(name: str) -> Callable[[], bytes]:
    """An archive whose second member has this name."""
    return lambda: archive([("header.npy", npy(text(b"{}"))), (name, npy(text(b"x")))])


def compressed(method: int) -> Callable[[], bytes]:
    """16 MB of zeros, which take 16 kB and less."""
    return lambda: archive([("header.npy", npy(np.zeros(16 * MEGABYTE, np.uint8)))], method)


def twice_named() -> bytes:
    header, content = content_of(smallest())
    return forged(header, content | {"a": text(b"a")}).replace(b"scenarios.npy", b"catalogue.npy")


# ----------------------------------------------------------------------------- altered in what it holds


def with_header(**values: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        header, content = content_of(smallest())
        return forged(header | values, content)

    return make


def with_header_text(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    """The text of the header changed, its digest left as it was."""

    def make() -> bytes:
        header, content = content_of(smallest())
        return forged(change(text_of({"sha256": "0" * 64, **header})), content)

    return make


def header_as(change: Callable[[Array], Array]) -> Callable[[], bytes]:
    """The header in an array of another form, with the same bytes, of which there is a multiple of four."""

    def make() -> bytes:
        header, content = content_of(smallest())
        length = len(text_of({"sha256": "0" * 64, **header, "more": ""}))
        data = forged({**header, "more": "x" * (-length % 4)}, content)
        entries = [(name + ".npy", npy(array)) for name, array in np.load(io.BytesIO(data)).items()]
        return archive([("header.npy", npy(change(np.load(io.BytesIO(data))["header"]))), *entries[1:]])

    return make


def header_is(data: bytes) -> Callable[[], bytes]:
    return with_header_text(lambda _: data)


def with_settings(**sizes: int) -> Callable[[], bytes]:
    def make() -> bytes:
        header: Header = content_of(smallest())[0]
        settings = {f"model.{name}": size for name, size in sizes.items()}
        return with_header(config=header["config"] | settings)()

    return make


def with_names(**lists: list[str]) -> Callable[[], bytes]:
    def make() -> bytes:
        header: Header = content_of(smallest())[0]
        return with_header(vocabulary=header["vocabulary"] | lists)()

    return make


def with_entry(name: str, data: Callable[[], Any]) -> Callable[[], bytes]:
    """One array, or the whole .npy of one, in place of another or besides them."""

    def make() -> bytes:
        header, content = content_of(smallest())
        return forged(header, content | {name: data()})

    return make


def npy_is(dtype: str, shape: str, data: bytes = b"", fortran_order: str = "False") -> Callable[[], bytes]:
    return with_entry(WEIGHT, lambda: npy_saying(dtype, shape, data, fortran_order))


def as_object() -> bytes:
    return pickle.dumps(np.array([Tripwire()], dtype=object))


def catalogue_is(change: Callable[[bytes], bytes], digest: bool = True) -> Callable[[], bytes]:
    """Other text as the catalogue, of which the header has the digest."""

    def make() -> bytes:
        header, content = content_of(smallest())
        data = change(text_in(content, "catalogue"))
        known = {"catalogue_digest": sha256(data).hexdigest()} if digest else {}
        return forged(header | known, content | {"catalogue": text(data)})

    return make


def text_in(content: Content, name: str) -> bytes:
    return bytes(memoryview(content[name]))


def first_line(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    def make(data: bytes) -> bytes:
        first, rest = data.split(b"\n", 1)
        return change(first) + b"\n" + rest

    return catalogue_is(make)


def price(number: bytes) -> Callable[[], bytes]:
    return first_line(lambda line: line.replace(b'"price": 40.0', b'"price": ' + number, 1))


def unknown_tag_among(names: tuple[str, ...]) -> bytes:
    """Unknown tag in a model that knows so many, where a search for the closest would take long."""
    header, content = content_of(smallest(replace(VOCABULARY, preferences=names)))
    data = text_in(content, "catalogue").replace(b'"tags": []', b'"tags": ["0000"]')
    digest = sha256(data).hexdigest()
    return forged(header | {"catalogue_digest": digest}, content | {"catalogue": text(data)})


def all_names(count: int) -> list[str]:
    return [f"{index:05x}" for index in range(count)]


# How often something is done, and how much it counts, take no memory.
SIZES = [name[6:] for name in content_of(smallest())[0]["config"] if name.startswith("model.")]
NO_SIZES = ("tool_head", "latent_steps", "cycles", "supervision_steps", "tool_vote")
SIZES = [name for name in SIZES if name not in NO_SIZES]
WIDTHS = [
    name for name in SIZES if not name.endswith("heads") and name not in ("core_blocks", "fusion_layers")
]


# ----------------------------------------------------------------------------------------- the tables


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        packed.addfile(tarfile.TarInfo("../../etc/passwd"))
    return file.getvalue()


FIRST_LINE = b"#!/usr/bin/env python3\n"


def program(model: Callable[[], bytes], first_line: bytes = FIRST_LINE) -> Callable[[], bytes]:
    """A program with this as its model."""
    return lambda: first_line + model() + archive([("__main__.py", b"raise SystemExit")])


OTHER_FILES: dict[str, Callable[[], bytes]] = {
    "an empty file": lambda: b"",
    "one byte": lambda: b"P",
    "an archive of nothing": lambda: archive([]),
    "text": lambda: b"hello, I am a model\n" * 10,
    "JSON": lambda: b'{"format": 3, "kind": "model"}',
    "a script": lambda: b"#!/bin/sh\necho tripped > /tmp/tripped\n",
    "a program in Python, without a model": program(lambda: b""),
    "a program with a byte before its model": program(lambda: b"x" + smallest()),
    "a program with a byte behind its model": program(lambda: smallest() + b"x"),
    "a program with a program as its model": program(program(smallest)),
    "a program with a pickle as its model": program(lambda: pickle.dumps(Tripwire())),
    "a program whose first line does not end": program(smallest, b"#!" + b"x" * 10_000),
    "a program whose code begins beyond any offset": lambda: (
        FIRST_LINE + smallest() + end_record(1, 2**32 - 1, 2**32 - 1)
    ),
    "a first line and no more": lambda: FIRST_LINE,
    "a program": lambda: b"\x7fELF\2\1\1" + bytes(200),
    "a picture": lambda: b"\x89PNG\r\n\x1a\n" + bytes(200),
    "a page": lambda: b"%PDF-1.7\n" + bytes(200),
    "a pickle": lambda: pickle.dumps(Tripwire()),
    "a pickle as PyTorch stores it": lambda: archive([("model/data.pkl", pickle.dumps(Tripwire()))]),
    "a single array": lambda: npy(np.zeros(9, np.float32)),
    "a single array of objects": lambda: npy_saying("'|O'", "(1,)", as_object()),
    "a safetensors file": lambda: (2).to_bytes(8, "little") + b"{}" + bytes(100),
    "a safetensors file with a header of 2**63 bytes": lambda: (2**63).to_bytes(8, "little") + b"{}",
    "an HDF5 file": lambda: b"\x89HDF\r\n\x1a\n" + bytes(500),
    "a gzip file": lambda: b"\x1f\x8b\x08" + bytes(100),
    "a tape archive": tar,
    "a model of format 1": lambda: archive([("header.npy", npy(text(b'{"format": 1, "kind": "model"}')))]),
    "an archive of text": lambda: archive([("readme.txt", b"hello there")]),
    "an archive in an archive": lambda: archive([("header.npy", smallest())]),
    "an end record alone, of 65,535 entries": lambda: end_record(65_535, 0, 0),
    "random bytes": lambda: np.random.default_rng(0).bytes(5000),
}

ARCHIVES: dict[str, Callable[[], bytes]] = {
    "a bomb, deflated": compressed(zipfile.ZIP_DEFLATED),
    "a bomb of bzip2": compressed(zipfile.ZIP_BZIP2),
    "a bomb of lzma": compressed(zipfile.ZIP_LZMA),
    "a method of compression in both heads": both_fields(8, 10, "H", 8),
    "members that overlap": overlapping_members,
    "sizes beyond any offset": sizes_beyond_any_offset,
    "200,000 members": lambda: many_members(200_000),
    "65,535 members": lambda: many_members(65_535),
    "10,000 members": lambda: forged({}, {f"x{index}": NOTHING for index in range(9_999)}),
    "10,001 members": lambda: forged({}, {f"x{index}": NOTHING for index in range(10_000)}),
    "a size of 2**63 in ZIP64": with_fields(LOCAL, 30 + 10 + 4, "Q", 2**63),
    "sizes in ZIP64 that contradict": with_fields(LOCAL, 30 + 10 + 4, "Q", 5),
    "a tag of ZIP64 that is another": with_fields(LOCAL, 30 + 10, "H", 2),
    "a directory that leaves the sizes to ZIP64": with_fields(ENTRY, 24, "L", 2**32 - 1),
    "a size of 0 in the directory": with_fields(ENTRY, 24, "L", 0),
    "a compressed size that is another": with_fields(ENTRY, 20, "L", 9),
    "a member that is encrypted": both_fields(6, 8, "H", 1),
    "a member with a data descriptor": both_fields(6, 8, "H", 8),
    "a member with a patch": both_fields(6, 8, "H", 32),
    "a member that is a symbolic link": with_fields(ENTRY, 38, "L", 0o120777 << 16),
    "a member that is a folder of DOS": with_fields(ENTRY, 38, "L", 16),
    "a member on another disk": with_fields(ENTRY, 34, "H", 1),
    "a date in the directory alone": with_fields(ENTRY, 12, "H", 7),
    "a checksum that is another, in both heads": both_fields(14, 16, "L", 12345),
    "a checksum that is another, in the directory": with_fields(ENTRY, 16, "L", 12345),
    "an offset into another member": with_fields(ENTRY, 42, "L", 100),
    "an offset beyond the file": with_fields(ENTRY, 42, "L", 2**32 - 1),
    "a longer name than there is": with_fields(ENTRY, 28, "H", 0xFFFF),
    "a comment": lambda: smallest()[:-22] + end_record(*counts(), comment=b"hello"),
    "a comment that is another archive": lambda: smallest()[:-22] + end_record(*counts(), comment=smallest()),
    "a comment of an entry": with_fields(ENTRY, 32, "H", 1),
    "an extra field of an entry": directory_of(
        lambda e: [e[0][:30] + b"\4\0" + e[0][32:] + bytes(4), *e[1:]]
    ),
    "another disk": with_fields(END, 4, "H", 1),
    "another count on this disk": with_fields(END, 8, "H", 1),
    "an entry less than counted": lambda: smallest()[:-22] + end_record(counts()[0] + 1, *counts()[1:]),
    "an entry more than counted": lambda: smallest()[:-22] + end_record(counts()[0] - 1, *counts()[1:]),
    "no entry counted": lambda: smallest()[:-22] + end_record(0, *counts()[1:]),
    "a directory offset of 0": with_fields(END, 16, "L", 0),
    "a directory offset beyond the file": with_fields(END, 16, "L", 2**32 - 1),
    "a directory size of 0": with_fields(END, 12, "L", 0),
    "a directory in the wrong order": directory_of(lambda entries: [entries[0], *reversed(entries[1:])]),
    "a directory without the last member": directory_of(lambda entries: entries[:-1]),
    "a directory with the last member twice": directory_of(lambda entries: [*entries, entries[-1]]),
    "two directories": lambda: smallest()[:-22] + parts()[1] + parts()[2],
    "two end records": lambda: smallest() + parts()[2],
    "two archives": lambda: smallest() * 2,
    "a gap between members": gap_between_members,
    "a script in front": with_prefix(b"#!/bin/sh\nexit\n", moved=False),
    "a script in front, all offsets moved": with_prefix(b"#!/bin/sh\nexit\n", moved=True),
    "a page in front": with_prefix(b"%PDF-1.7\n", moved=True),
    "a picture in front": with_prefix(b"\x89PNG\r\n\x1a\n", moved=True),
    "a program in front": with_prefix(b"\x7fELF\2\1\1" + bytes(200), moved=True),
    "a page behind": lambda: smallest() + b"%PDF-1.7\n",
    "one zero behind": lambda: smallest() + b"\0",
    "the last byte missing": lambda: smallest()[:-1],
    "the second half missing": lambda: smallest()[: len(smallest()) // 2],
    "the first half missing": lambda: smallest()[len(smallest()) // 2 :],
    "a name into the folder above": named("../x.npy"),
    "a name from the root": named("/etc/x.npy"),
    "a name of another system": named("C:\\x.npy"),
    "a name of a share": named("\\\\server\\x.npy"),
    "a name with a zero": altered(b"catalogue.npy", b"catalog\0e.npy", 0),
    "a name with a zero in both heads": lambda: smallest().replace(b"catalogue.npy", b"catalog\0e.npy"),
    "a name with a line break": named("a\nb.npy"),
    "a name in capitals": lambda: smallest().replace(b"catalogue.npy", b"Catalogue.npy"),
    "a name in Cyrillic": named("cаtalogue.npy"),
    "no name": named(""),
    "a name that is an ending": named(".npy"),
    "a name of 60,000 letters": named("a" * 60_000 + ".npy"),
    "a name without an ending": named("weights"),
    "a folder": named("weights/"),
    "two members of one name": twice_named,
    "a name that differs in the local header": altered(b"catalogue.npy", b"cataloguf.npy", 0),
}


def counts() -> tuple[int, int, int]:
    members, directory, _ = parts()
    return len(entries_of(directory)), len(directory), len(members)


HEADERS: dict[str, Callable[[], bytes]] = {
    "a header of nothing": header_is(b""),
    "a header that is not JSON": header_is(b"{no"),
    "a header that is not UTF-8": header_is(b"\xff\xfe"),
    "a header in UTF-16": with_header_text(lambda data: data.decode().encode("utf-16")),
    "a header with a byte order mark": with_header_text(lambda data: b"\xef\xbb\xbf" + data),
    "a header with a space behind": with_header_text(lambda data: data + b" "),
    "a header that is a list": header_is(b"[]"),
    "a header that is null": header_is(b"null"),
    "a header without a digest": with_header_text(lambda data: b"{" + data[data.index(b'"format"') :]),
    "a digest that is a list": with_header_text(lambda data: data.replace(b'"' + b"0" * 64 + b'"', b"[]")),
    "a digest that is another": with_header_text(lambda data: data),
    "a header nested 100,000 deep": header_is(b'{"sha256": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "a header nested 5,000 deep": header_is(b'{"sha256": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "a header nested 900 deep": header_is(b'{"sha256": ' + b"[" * 900 + b"]" * 900 + b"}"),
    "a header of 1 MB of brackets": header_is(b"[" + b"[]," * 333_000 + b"[]]"),
    "a header of 1 MB of nested brackets": header_is(b"[" + b"[[[[[[]]]]]]," * 80_000 + b"[]]"),
    "a header of 1 MB of objects": header_is(b"[" + b'{"":{}},' * 125_000 + b"{}]"),
    "a header of 1 MB of numbers": header_is(b"[" + b"1.5, " * 200_000 + b"1]"),
    "a header of 1 MB of letters": header_is(("[" + '"ā", ' * 170_000 + "0]").encode()),
    "a header of 2 MB of brackets": header_is(b"[" + b"[]," * 700_000 + b"[]]"),
    "a header of 9 MB": header_is(b'{"sha256": "' + bytes(9 * MEGABYTE) + b'"}'),
    "a key twice": with_header_text(lambda data: data[:-1] + b', "format": 3}'),
    "a number that is none": with_header_text(lambda data: data.replace(b'"seed": 0', b'"seed": NaN')),
    "an infinite number": with_header_text(lambda data: data.replace(b'"seed": 0', b'"seed": -Infinity')),
    "a number beyond all floats": with_header_text(lambda data: data.replace(b'"seed": 0', b'"seed": 1e999')),
    "an integer of 5,000 digits": with_header_text(
        lambda d: d.replace(b'"seed": 0', b'"seed": ' + b"7" * 5000)
    ),
    "an integer of 900,000 digits": with_header_text(
        lambda d: d.replace(b'"seed": 0', b'"seed": ' + b"7" * 900_000)
    ),
    "half a character": with_header_text(lambda data: data.replace(b'"tiny"', b'"\\ud800"')),
    "half a character in raw bytes": with_header_text(
        lambda data: data.replace(b'"tiny"', b'"\xed\xa0\x80"')
    ),
    "a format of 900,000 letters": with_header(format="A" * 900_000),
    "a format of 4,000 digits": with_header(format=int("7" * 4000)),
    "a format to come": with_header(format=4),
    "a format that is true": with_header(format=True),
    "a kind with a colour of the terminal": with_header(kind="\x1b[31mmodel"),
    "a seed that is true": with_header(seed=True),
    "a setting of 900,000 letters": with_header(config={"A" * 900_000: 1}),
    "a head of 900,000 letters": lambda: with_header(
        config=content_of(smallest())[0]["config"] | {"model.tool_head": "A" * 900_000}
    )(),
    "a width of 4,000 digits": with_settings(core_width=int("7" * 4000)),
    "a width of 1e300": with_settings(core_width=1e300),  # type: ignore[arg-type]
    "a temperature of 400 digits": lambda: with_header(
        config=content_of(smallest())[0]["config"] | {"loss.temperature": int("7" * 400)}
    )(),
    "metrics of brackets": with_header(metrics={"test": [[]] * 4000}),
    "vocabulary of 100,000 names": with_names(hobbies=all_names(100_000)),
    "vocabulary of 100,000 categories": with_names(categories=all_names(100_000)),
    "vocabulary of one name 100,000 times": with_names(hobbies=["a"] * 100_000),
    "vocabulary of a name of 900,000 letters": with_names(hobbies=["A" * 900_000]),
    "vocabulary of numbers": with_names(hobbies=[1, 2, 3]),  # type: ignore[list-item]
    "vocabulary with a colour of the terminal": with_names(hobbies=["\x1b[31mred"]),
    "synonyms that are a list": with_header(synonyms=["a"]),
    "synonyms of 50,000 words": with_header(synonyms={"hobbies": dict.fromkeys(all_names(50_000), "garden")}),
    "a synonym of 900,000 letters": with_header(synonyms={"hobbies": {"A" * 900_000: "garden"}}),
    "a synonym for a name of 900,000 letters": with_header(synonyms={"hobbies": {"a": "A" * 900_000}}),
    "a synonym with a colour of the terminal": with_header(synonyms={"hobbies": {"\x1b[31mred": "garden"}}),
    **{f"{name} of {LARGEST_SIZE:,}": with_settings(**{name: LARGEST_SIZE}) for name in SIZES},
    "every width of 100,000": with_settings(**dict.fromkeys(WIDTHS, LARGEST_SIZE)),
    "every width of 20,000": with_settings(**dict.fromkeys(WIDTHS, 20_000)),
    "weights in a precision that they have not": with_header(precision="int8"),
    "a precision of 900,000 letters": with_header(precision="A" * 900_000),
    "every width of 100,000, in half precision": lambda: with_header(
        precision="float16",
        config=content_of(smallest())[0]["config"] | {f"model.{name}": LARGEST_SIZE for name in WIDTHS},
    )(),
}

ARRAYS: dict[str, Callable[[], bytes]] = {
    "a shape of (2**63, 2)": npy_is(FLOAT, f"({2**63}, 2)"),
    "a shape of (2**62, 4), which is 0 in 64 bits": npy_is(FLOAT, f"({2**62}, 4)"),
    "a shape of 10**50": npy_is(FLOAT, f"({10**50},)"),
    "a shape below 0": npy_is(FLOAT, "(-1,)"),
    "a shape of 0 times 10**50": npy_is(FLOAT, f"(0, {10**50})"),
    "a shape of 0 times 2**63": npy_is(FLOAT, f"(0, {2**63})"),
    "a shape of 0": npy_is(FLOAT, "(0,)"),
    "a shape of no dimension": npy_is(FLOAT, "()", bytes(4)),
    "a shape of 16 dimensions": npy_is(FLOAT, "(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)", bytes(4)),
    "a shape that is an expression": npy_is(FLOAT, "(2**9**9**9,)"),
    "a shape that is true": npy_is(FLOAT, "(True,)", bytes(4)),
    "a shape in other words": npy_is(FLOAT, "(03,)", bytes(12)),
    "a head that is a program": npy_is("__import__('os').system('id')", "(1,)", bytes(4)),
    "a head that is nested deep": npy_is("(" * 200 + ")" * 200, "(1,)"),
    "a head of 65,000 bytes": npy_is("'" + "f" * 65_000 + "'", "(1,)"),
    "an order of Fortran": npy_is(FLOAT, "(1,)", bytes(4), "True"),
    "an order that is an expression": npy_is(FLOAT, "(1,)", bytes(4), "1 == 0"),
    "objects": npy_is("'|O'", "(1,)", as_object()),
    "a record": npy_is("[('a', '<f4'), ('b', '|O')]", "(1,)", bytes(12)),
    "strings": npy_is("'<U9'", "(1,)", bytes(36)),
    "raw bytes": npy_is("'|V4'", "(1,)", bytes(4)),
    "dates": npy_is("'<M8[s]'", "(1,)", bytes(8)),
    "numbers the other way round": npy_is("'>f4'", "(1,)", bytes(4)),
    "numbers of 64 bits": npy_is("'<f8'", "(1,)", bytes(8)),
    "integers": npy_is("'<i4'", "(1,)", bytes(4)),
    "a .npy of version 2.0": with_entry(WEIGHT, lambda: npy(np.zeros(1, np.float32), (2, 0))),
    "a .npy of version 3.0": with_entry(WEIGHT, lambda: npy(np.zeros(1, np.float32), (3, 0))),
    "a .npy of version 9.9": with_entry(
        WEIGHT, lambda: b"\x93NUMPY\x09\x09" + npy(np.zeros(1, np.float32))[8:]
    ),
    "a .npy cut short": with_entry(WEIGHT, lambda: npy(np.zeros(9, np.float32))[:-1]),
    "a .npy with more behind": with_entry(WEIGHT, lambda: npy(np.zeros(9, np.float32)) + b"x"),
    "a .npy of 10 bytes": with_entry(WEIGHT, lambda: npy(np.zeros(9, np.float32))[:10]),
    "a .npy of nothing": with_entry(WEIGHT, lambda: b""),
    "an array of 80 MB that nobody asked for": with_entry(
        "weights.x", lambda: np.zeros(20 * MEGABYTE, np.float32)
    ),
    "a catalogue of 80 MB of zeros": catalogue_is(lambda _: bytes(80 * MEGABYTE)),
    "a catalogue of 0 times 10**50": with_entry("catalogue", lambda: npy_saying(BYTE, f"(0, {10**50})")),
    "a catalogue of numbers": with_entry("catalogue", lambda: np.zeros(9, np.float32)),
    "a catalogue in two dimensions": with_entry("catalogue", lambda: np.zeros((9, 9), np.uint8)),
    "a header of 0 times 10**50": lambda: archive([("header.npy", npy_saying(BYTE, f"(0, {10**50})"))]),
    "a header of numbers": lambda: archive([("header.npy", npy(np.zeros(9, np.float32)))]),
    "a header in two dimensions": header_as(lambda header: header.reshape(1, -1)),
    "a header that says it is numbers": header_as(lambda header: header.view(np.float32)),
    "no header, but another text": lambda: smallest().replace(b"header.npy", b"footer.npy"),
}

CATALOGUES: dict[str, Callable[[], bytes]] = {
    "a catalogue of nothing": catalogue_is(lambda _: b""),
    "a catalogue of empty lines": catalogue_is(lambda data: b"\n" * 1000),
    "a catalogue of one line of 30 MB": catalogue_is(lambda data: b'"' + b"A" * 30 * MEGABYTE),
    "a catalogue without line breaks": catalogue_is(lambda data: data.replace(b"\n", b" ")),
    "a catalogue of which the digest is another": catalogue_is(lambda data: data + data, digest=False),
    "a gift nested 100,000 deep": first_line(lambda _: b"[" * 100_000 + b"]" * 100_000),
    "a gift nested 900 deep": first_line(lambda line: b"[" * 900 + line + b"]" * 900),
    "a gift of 250 kB of brackets": first_line(lambda _: b"[" + b"[[[[]]]]," * 27_000 + b"[]]"),
    "a gift with 250 kB of tags": first_line(lambda _: b'{"tags": [' + b'"a",' * 60_000 + b'"a"]}'),
    "a gift with a key twice": first_line(lambda line: line[:-1] + b', "price": 1.0}'),
    "a gift with another key": first_line(lambda line: line[:-1] + b', "' + b"A" * 200_000 + b'": 1.0}'),
    "a gift for nothing": price(b"0"),
    "a gift for NaN": price(b"NaN"),
    "a gift for 1e999": price(b"1e999"),
    "a gift for true": price(b"true"),
    "a gift for 200,000 digits": price(b"9" * 200_000),
    "a gift named by half a character": first_line(lambda line: line.replace(b'"Gift"', b'"\\ud800"')),
    "a gift named by a colour of the terminal": first_line(
        lambda line: line.replace(b'"Gift"', b'"\\u001b[31m"')
    ),
    "a gift that is not UTF-8": first_line(lambda line: line.replace(b"Gift", b"\xff\xfe")),
    "a gift of an unknown category": first_line(lambda line: line.replace(b'"garden"', b'"gardens"')),
    "a gift of an unknown tag, of 100,000": lambda: unknown_tag_among(tuple(all_names(100_000))),
    "two gifts of one id": first_line(lambda line: line.replace(b"gift0", b"gift1")),
}


FILES = OTHER_FILES | ARCHIVES | HEADERS | ARRAYS | CATALOGUES


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def listening(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "socket"))
    return folder / "socket"


def link(name: str, target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).symlink_to(target)
        return folder / name

    return make


def sparse(size: int, name: str) -> Callable[[Path], Path]:
    """A file of so many zeros, which takes no place on disk."""

    def make(folder: Path) -> Path:
        (folder / name).touch()
        os.truncate(folder / name, size)
        return folder / name

    return make


def huge_directory(folder: Path) -> Path:
    """One entry, in a directory of 3 GB."""
    path = sparse(3 * 2**30, "directory.npz")(folder)
    with path.open("ab") as file:
        file.write(end_record(1, 3 * 2**30, 0))
    return path


def at(path: str) -> Callable[[Path], Path]:
    return lambda _: Path(path)


PLACES: dict[str, Callable[[Path], Path]] = {
    "no file": lambda folder: folder / "nothing.npz",
    "a folder on disk": lambda folder: folder,
    "below a file": lambda folder: sparse(9, "file")(folder) / "best.npz",
    "a path with a zero": at("best\0.npz"),
    "a path of half a character": at("best\ud800.npz"),
    "a path of 5,000 letters": at("A" * 5000),
    "zeros without end": at("/dev/zero"),
    "chance without end": at("/dev/random"),
    "a full device": at("/dev/full"),
    "a device of nothing": at("/dev/null"),
    "a terminal": at("/dev/tty"),
    "the memory of this process": at("/proc/self/mem"),
    "a file that says it is empty": at("/proc/self/environ"),
    "a pipe that nobody writes to": pipe,
    "a socket": listening,
    "a link to nothing": link("dangling.npz", "nowhere.npz"),
    "a link to itself": link("loop.npz", "loop.npz"),
    "a link to a device": link("device.npz", "/dev/zero"),
    "5 GB of nothing": sparse(5 * 2**30, "sparse.npz"),
    "a directory of 3 GB": huge_directory,
    "4 GB less 1 of nothing": sparse(2**32 - 1, "sparse4.npz"),
}
KINDS = len(FILES) + len(PLACES)


def make_all(folder: Path) -> dict[str, Path]:
    """Every kind in a folder, by name."""
    paths = {name: make(folder) for name, make in PLACES.items()}
    for index, (name, data) in enumerate(FILES.items()):
        paths[name] = folder / f"{index}.npz"
        paths[name].write_bytes(data())
    return paths
