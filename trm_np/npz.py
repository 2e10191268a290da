"""`.npz` files in one exact layout, written and read here: a file that is not byte for byte so is refused.

A model file may come from anywhere, so the reader believes no number in it. It knows the layout of a file with these
names, shapes and checksums to the last byte, and compares. That leaves no room for what a `.zip` could hide: no second
directory, no comment, no compression, nothing before, between or after the members. NumPy reads the files too.

The first member, "header", is JSON: what a file says besides its arrays, and "sha256", the digest of all of it.
"""

import hashlib
import json
import math
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from trm_np.autograd.ops import Array
from trm_np.files import Piece

HEADER = "header"
DTYPES = {"<f4": np.dtype("<f4"), "|u1": np.dtype("u1")}
MOST_MEMBERS = 10_000
LARGEST_HEADER = 2 * 2**20  # bytes of JSON, which may take some thirty times as many once it is read
LARGEST_FILE = 2**32 - 1  # offsets are 32 bits wide

# PKWARE APPNOTE 6.3: sections 4.3.7 with 4.5.3 (as NumPy writes it), 4.3.12, 4.3.16.
LOCAL = struct.Struct("<4s5H3L2H")
ZIP64 = struct.Struct("<2H2Q")
ENTRY = struct.Struct("<4s4B4H3L5H2L")
END = struct.Struct("<4s4H2LH")
VERSION, UNIX, NEW_YEAR_1980, OWNER_ONLY = 45, 3, 0x21, 0o600 << 16
IN_ZIP64 = 0xFFFFFFFF

NPY_BYTES = 128  # magic, version 1.0, length, text filled up with spaces: as long as NumPy makes it
NPY = re.compile(r"{'descr': '([<|]..)', 'fortran_order': False, 'shape': \(([0-9, ]*)\), }")
NAME = re.compile(rb"[a-z0-9_.]{1,150}\.npy")


class NpzError(ValueError):
    """What is wrong with a file."""


@dataclass(frozen=True)
class Member:
    """An array of the file: `crc` and `size` of its `.npy`, and where that stands in the file."""

    name: str
    crc: int
    size: int
    start: int = 0

    @property
    def file_name(self) -> bytes:
        return self.name.encode() + b".npy"

    def local_header(self) -> bytes:
        file_name = self.file_name
        fields = (VERSION, 0, 0, 0, NEW_YEAR_1980, self.crc, IN_ZIP64, IN_ZIP64, len(file_name), ZIP64.size)
        return LOCAL.pack(b"PK\3\4", *fields) + file_name + ZIP64.pack(1, 16, self.size, self.size)

    def directory_entry(self) -> bytes:
        file_name = self.file_name
        versions, sizes = (VERSION, UNIX, VERSION, 0), (self.crc, self.size, self.size)
        return (
            ENTRY.pack(
                *(b"PK\1\2", *versions, 0, 0, 0, NEW_YEAR_1980, *sizes),
                *(len(file_name), 0, 0, 0, 0, OWNER_ONLY, self.start - len(self.local_header())),
            )
            + file_name
        )


def directory(members: Iterable[Member]) -> bytes:
    return b"".join(member.directory_entry() for member in members)


def end_record(members: int, directory_bytes: int, start: int) -> bytes:
    return END.pack(b"PK\5\6", 0, 0, members, members, directory_bytes, start, 0)


def npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The start of a `.npy` of version 1.0 (NEP 1), for an array in C order."""
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\1\0" + struct.pack("<H", NPY_BYTES - 10) + f"{text:<{NPY_BYTES - 11}}\n".encode()


# ---------------------------------------------------------------------------------------------- to write


def npz_pieces(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> list[Piece]:
    """The bytes of a file with this header and these arrays (float32 or uint8), which are not copied.

    Equal content gives equal bytes. Raises ValueError for a value that JSON does not have.
    """
    content = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    summed = hashlib.sha256(to_json(header))
    for name, array in content.items():
        summed.update(described(name, array))
        summed.update(bytes_of(array))
    text = to_json({"sha256": summed.hexdigest(), **header})
    pieces: list[Piece] = []
    members: list[Member] = []
    position = 0
    for name, array in {HEADER: np.frombuffer(text, np.uint8), **content}.items():
        start, data = npy_header(array.dtype, array.shape), bytes_of(array)
        crc = zlib.crc32(data, zlib.crc32(start))
        member = Member(name, crc, len(start) + len(data))
        local = member.local_header()
        members.append(Member(name, crc, member.size, position + len(local)))
        pieces += [local, start, data]
        position += len(local) + member.size
    listing = directory(members)
    return [*pieces, listing, end_record(len(members), len(listing), position)]


def to_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def described(name: str, array: Array) -> bytes:
    """Name, dtype and shape, which the digest covers with the bytes."""
    return name.encode() + b"\0" + npy_header(array.dtype, array.shape)


def bytes_of(array: Array) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8))


# ----------------------------------------------------------------------------------------------- to read


class Npz:
    """An open file whose layout is as it should be; nothing of its arrays has been read but dtypes and shapes.

    Raises NpzError and OSError.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.members = read_directory(file)
        self.header = self._read_header()
        self.forms = {member.name: self._read_form(member) for member in self.members[1:]}

    def __enter__(self) -> "Npz":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def read(self, places: Mapping[str, Array]) -> None:
        """Fill `places` with the arrays: of these names, dtypes and shapes, and no others."""
        for name in sorted(places.keys() ^ self.forms.keys()):
            found = "it lacks" if name in places else "it has"
            raise NpzError(f"not the arrays that its settings need: {found} {name}")
        for name, place in places.items():
            dtype, shape = self.forms[name]
            if (dtype, shape) != (place.dtype, place.shape):
                raise NpzError(f"{name}: found {dtype} of shape {shape}; needed: {place.dtype} of shape {place.shape}")
        sha256 = self.header.pop("sha256")
        summed = hashlib.sha256(to_json(self.header))
        for member in self.members[1:]:
            place = places[member.name]
            self._read_into(member, npy_header(place.dtype, place.shape), bytes_of(place))
            summed.update(described(member.name, place))
            summed.update(bytes_of(place))
        if summed.hexdigest() != sha256:
            raise NpzError("its content does not have the sha256 that its header states")

    def _read_header(self) -> dict[str, Any]:
        first = self.members[0]
        dtype, shape = self._read_form(first)
        if first.name != HEADER or dtype != np.uint8 or first.size > LARGEST_HEADER:
            raise NpzError(f"its first entry is not a header of at most {LARGEST_HEADER:,} bytes")
        text = np.empty(shape, np.uint8)
        self._read_into(first, npy_header(dtype, shape), bytes_of(text))
        try:
            header = json.loads(text.tobytes().decode())
            if isinstance(header, dict) and to_json(header) == text.tobytes() and "sha256" in header:
                return header
        except (ValueError, RecursionError) as error:
            raise NpzError(f"its header is not JSON ({error})") from error
        raise NpzError("its header is not an object as this program writes it")

    def _read_form(self, member: Member) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """Dtype and shape of a member, whose size they account for."""
        self.file.seek(member.start)
        start = self.file.read(NPY_BYTES)
        if len(start) == NPY_BYTES and (found := NPY.match(start[10:].decode("latin-1"))):
            numbers = [int(digits) for digits in found[2].split(",") if digits.strip().isdigit()]
            dtype, shape = DTYPES.get(found[1]), tuple(numbers)
            if dtype and start == npy_header(dtype, shape):
                if NPY_BYTES + math.prod(shape) * dtype.itemsize != member.size:
                    raise NpzError(f"{member.name} is not as long as its shape {shape} says")
                return dtype, shape
        raise NpzError(f"{member.name} is not an array of {' or '.join(map(str, DTYPES.values()))} in C order")

    def _read_into(self, member: Member, start: bytes, data: memoryview) -> None:
        """Read an entry whole, and compare its head, its form and its checksum."""
        local = member.local_header()
        self.file.seek(member.start - len(local))
        head = self.file.read(len(local) + NPY_BYTES)
        if head != local + start:
            raise NpzError(f"{member.name}: its head is not as this program writes it")
        if read_all(self.file, data) or zlib.crc32(data, zlib.crc32(start)) != member.crc:
            raise NpzError(f"{member.name} is damaged: its checksum is another")


def open_npz(path: str | os.PathLike[str]) -> Npz:
    """Open a file that `npz_pieces` made; raises NpzError and OSError, within a second, whatever the file is."""
    # Without O_NONBLOCK a named pipe would be waited for.
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    try:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NpzError("not a file but a device, a pipe or the like")
        return Npz(file)
    except BaseException:
        file.close()
        raise


def read_directory(file: BinaryIO) -> list[Member]:
    """The members, of a file that is nothing but them, without gaps, and their directory."""
    size = file.seek(0, os.SEEK_END)
    if not END.size <= size <= LARGEST_FILE:
        raise NpzError(f"not a whole .npz file: {size:,} bytes; allowed: {END.size} to {LARGEST_FILE:,}")
    file.seek(size - END.size)
    end = file.read(END.size)
    signature, *_, count, directory_bytes, start, _ = END.unpack(end)
    whole = start + directory_bytes + END.size == size
    if signature != b"PK\5\6" or not whole or end != end_record(count, directory_bytes, start):
        raise NpzError("not a whole .npz file, or with something before or after the archive")
    most_bytes = count * (ENTRY.size + len("x.npy") + 150)
    if not 1 <= count <= MOST_MEMBERS or directory_bytes > most_bytes:
        raise NpzError(f"an archive of {count} entries; allowed: 1 to {MOST_MEMBERS}")
    file.seek(start)
    listing = file.read(directory_bytes)
    members = list(listed_members(listing, count))
    if directory(members) != listing or members[-1].start + members[-1].size != start:
        raise NpzError("its directory is not as this program writes it: damaged, or made by another program")
    if len({member.name for member in members}) != count:
        raise NpzError("two entries of one name")
    return members


def listed_members(listing: bytes, count: int) -> Iterable[Member]:
    """What a directory lists, each member where the one before it ends."""
    position = place = 0
    for _ in range(count):
        if len(listing) - place < ENTRY.size:
            raise NpzError("its directory is cut short")
        fields = ENTRY.unpack_from(listing, place)
        crc, size, name_bytes = fields[9], fields[11], fields[12]
        name = listing[place + ENTRY.size : place + ENTRY.size + name_bytes]
        if not NAME.fullmatch(name):
            raise NpzError(f"an entry named {name[:60]!r}; allowed: a-z, 0-9, _ and ., and .npy at the end")
        member = Member(name.decode().removesuffix(".npy"), crc, size)
        position += len(member.local_header())
        yield Member(member.name, crc, size, position)
        position += size
        place += ENTRY.size + name_bytes


def read_all(file: BinaryIO, data: memoryview) -> int:
    """Fill `data` from the file; returns how many bytes are missing."""
    while len(data) and (count := file.readinto(data)):  # type: ignore[attr-defined]
        data = data[count:]
    return len(data)
