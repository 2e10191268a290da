"""Read and write `.npz` files in one exact layout. A file that differs from it in any byte is refused.

A model file may come from anywhere, so the reader trusts no number in it. From the names, shapes and checksums, the
reader computes every other byte of the file and compares. So a file cannot hide what a `.zip` could hold: a second
directory, a comment, compression, or bytes before, between or after the members. NumPy can read the files too.

A file that begins with "#!" is a program (export/program.py). Its model lies between the first line and the zip file of
its code. The reader checks that part as strictly, and ignores the rest.

The first member, "header", is JSON. It holds everything besides the arrays, and "sha256", a digest of the content.
"""

import hashlib
import json
import math
import os
import re
import stat
import struct
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from io import BufferedReader, FileIO, RawIOBase
from typing import Any, NamedTuple

import numpy as np

from trm_np import systems
from trm_np.autograd.ops import Array
from trm_np.storage.files import Piece

Form = tuple[np.dtype[Any], tuple[int, ...]]  # dtype and shape of an array

HEADER = "header"
BYTE: np.dtype[Any] = np.dtype(np.uint8)
DTYPES: dict[str, np.dtype[Any]] = {name: np.dtype(name) for name in ("<f4", "<f2", "|i1", "|u1")}
ALLOWED = " or ".join(map(str, DTYPES.values()))
MOST_MEMBERS = 10_000
LARGEST_HEADER = 2**20  # bytes of JSON; the parsed header takes about fifteen times as many
MOST_LISTS = 10_000  # lists and objects in the header; parsed, they take up to fifty times their bytes
LONGEST_LINE = 2**18  # bytes in a line of a text
LARGEST_FILE = 2**32 - 1  # offsets are 32 bits wide
PIECE = 2**20  # bytes read at a time
PROGRAM, LONGEST_FIRST_LINE = b"#!", 128

# PKWARE APPNOTE 6.3, sections 4.3.7 with 4.5.3 (as NumPy writes it), 4.3.12 and 4.3.16.
LOCAL = struct.Struct("<4s5H3L2H")
ZIP64 = struct.Struct("<2H2Q")
ENTRY = struct.Struct("<4s4B4H3L5H2L")
END = struct.Struct("<4s4H2LH")
VERSION, UNIX, NEW_YEAR_1980, OWNER_ONLY = 45, 3, 0x21, 0o600 << 16
IN_ZIP64 = 0xFFFFFFFF
LONGEST_ENTRY = ENTRY.size + 154

NPY_BYTES = 128  # magic, version 1.0, length, and text padded with spaces to the length that NumPy uses
NPY = re.compile(r"{'descr': '([<|]..)', 'fortran_order': False, 'shape': \(([0-9, ]*)\), }")
NAME = re.compile(rb"[a-z0-9_.]{1,150}\.npy")


class NpzError(ValueError):
    """Raised for a file that does not have the layout of this module."""


class Member(NamedTuple):
    """An array in the file: `crc` and `size` of its `.npy`, and the `offset` of its local header."""

    name: str
    crc: int
    size: int
    offset: int

    @property
    def file_name(self) -> bytes:
        return self.name.encode() + b".npy"

    @property
    def start(self) -> int:
        return self.offset + LOCAL.size + len(self.file_name) + ZIP64.size

    @property
    def end(self) -> int:
        return self.start + self.size

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
                *(len(file_name), 0, 0, 0, 0, OWNER_ONLY, self.offset),
            )
            + file_name
        )


def directory(members: Iterable[Member]) -> bytes:
    return b"".join(member.directory_entry() for member in members)


def end_record(members: int, directory_bytes: int, start: int) -> bytes:
    return END.pack(b"PK\5\6", 0, 0, members, members, directory_bytes, start, 0)


def npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The header of a `.npy` file, version 1.0 (NEP 1), for an array in C order."""
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\1\0" + struct.pack("<H", NPY_BYTES - 10) + f"{text:<{NPY_BYTES - 11}}\n".encode()


# ---------------------------------------------------------------------------------------------- writing


def npz_pieces(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> list[Piece]:
    """The bytes of a file with this header and these arrays, whose dtypes are among DTYPES.

    Arrays in C order are not copied. Equal content gives equal bytes. Raises ValueError for a value that JSON cannot
    hold, and NpzError for a file that is too large to be read again.
    """
    summed = hashlib.sha256(to_json(header))
    for name, array in arrays.items():
        summed.update(described(name, array.dtype, array.shape))
        summed.update(bytes_of(array))
    text = to_json({"sha256": summed.hexdigest(), **header})
    pieces: list[Piece] = []
    members: list[Member] = []
    position = 0
    for name, array in {HEADER: np.frombuffer(text, np.uint8), **arrays}.items():
        start, data = npy_header(array.dtype, array.shape), bytes_of(array)
        crc = zlib.crc32(data, zlib.crc32(start))
        member = Member(name, crc, len(start) + len(data), position)
        pieces += [member.local_header(), start, data]
        members.append(member)
        position = member.end
    for name, found, most in (
        ("bytes of header", members[0].size, LARGEST_HEADER),
        ("lists in the header", lists_in(text), MOST_LISTS),
        ("arrays", len(members), MOST_MEMBERS),
        ("bytes", position + len(members) * LONGEST_ENTRY + END.size, LARGEST_FILE),
    ):
        if found > most:
            raise NpzError(f"too large for a model file: {found:,} {name}; allowed: {most:,}")
    listing = directory(members)
    return [*pieces, listing, end_record(len(members), len(listing), position)]


def lists_in(text: bytes) -> int:
    """An upper bound for the number of lists and objects in a JSON text. Brackets within strings count too."""
    return text.count(b"[") + text.count(b"{")


def to_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def described(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The bytes that the digest covers for an array, besides its data."""
    return name.encode() + b"\0" + npy_header(dtype, shape)


def bytes_of(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


# ---------------------------------------------------------------------------------------------- reading


class Npz:
    """An open file with a correct layout. Only the header and the dtypes and shapes of arrays have been read.

    Raises NpzError and OSError.
    """

    def __init__(self, file: BufferedReader) -> None:
        self.file = file
        self.members = {member.name: member for member in read_directory(file)}
        self.header = self._read_header()
        self.forms = {
            name: self._read_form(member) for name, member in self.members.items() if name != HEADER
        }

    def __enter__(self) -> "Npz":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    @property
    def size(self) -> int:
        """The number of bytes of all arrays with their headers."""
        return max(member.end for member in self.members.values())

    def read(self, places: Mapping[str, Array], texts: Collection[str]) -> str:
        """Read the arrays into `places`, and return the SHA-256 of the content.

        The file must have exactly their names, dtypes and shapes, and the `texts`. The texts are only checked. Use
        `lines` to read them.
        """
        for name in sorted({*places, *texts} ^ self.forms.keys()):
            found = "it has" if name in self.forms else "it lacks"
            raise NpzError(f"not the arrays that its settings need: {found} {name}")
        for name, (dtype, shape) in self.forms.items():
            place = places.get(name)
            needed = (BYTE, (math.prod(shape),)) if place is None else (place.dtype, place.shape)
            if (dtype, shape) != needed:
                raise NpzError(
                    f"{name}: found {dtype} of shape {shape}; needed: {needed[0]} of shape {needed[1]}"
                )
        sha256 = self.header.pop("sha256", None)
        summed = hashlib.sha256(to_json(self.header))
        for name, form in self.forms.items():
            place = places.get(name)
            summed.update(described(name, *form))
            # `cast` refuses an array that is not contiguous. `bytes_of` would fill a copy of it.
            into = None if place is None else place.data.cast("B")
            for piece in self._pieces(name, npy_header(*form), into):
                summed.update(piece)
        if summed.hexdigest() != sha256:
            raise NpzError("its content does not match the sha256 in its header")
        return summed.hexdigest()

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a text. A line longer than LONGEST_LINE comes in parts."""
        member = self.members[name]
        self.file.seek(member.start + NPY_BYTES)
        left = member.size - NPY_BYTES
        while left and (line := self.file.readline(min(left, LONGEST_LINE))):
            left -= len(line)
            yield line

    def _read_header(self) -> dict[str, Any]:
        first = next(iter(self.members.values()))
        form = self._read_form(first)
        is_text = form == (BYTE, (first.size - NPY_BYTES,))
        if first.name != HEADER or not is_text or first.size > LARGEST_HEADER:
            raise NpzError(f"its first entry is not a header of at most {LARGEST_HEADER:,} bytes")
        text = b"".join(map(bytes, self._pieces(HEADER, npy_header(*form))))
        if lists_in(text) > MOST_LISTS:
            raise NpzError(f"its header has more than {MOST_LISTS:,} lists and objects")
        try:
            header = json.loads(text)
            if isinstance(header, dict) and to_json(header) == text:
                return header
        except (ValueError, RecursionError) as error:
            raise NpzError(f"its header is not JSON ({error})") from error
        raise NpzError("its header is not an object as this program writes it")

    def _read_form(self, member: Member) -> Form:
        """The dtype and shape of a member, checked against its size."""
        self.file.seek(member.start)
        start = self.file.read(NPY_BYTES)
        found = NPY.match(start[10:].decode("latin-1"))
        dtype = DTYPES.get(found[1]) if found else None
        if not found or not dtype:
            raise NpzError(f"{member.name} is not an array of {ALLOWED} in C order")
        shape = tuple(int(digits) for digits in found[2].split(",") if digits.strip().isdigit())
        if NPY_BYTES + math.prod(shape) * dtype.itemsize != member.size:
            raise NpzError(f"{member.name} is not as long as its shape {shape} says")
        return dtype, shape

    def _pieces(self, name: str, start: bytes, place: memoryview | None = None) -> Iterator[memoryview]:
        """Yield the bytes of an array in pieces. They are read into `place`, or into a buffer that is reused.

        Raises NpzError if the local header, the `.npy` header or the checksum is wrong.
        """
        member = self.members[name]
        head = member.local_header() + start
        self.file.seek(member.offset)
        if self.file.read(len(head)) != head:
            raise NpzError(f"{name} is damaged: its header is not as this program writes it")
        crc, size = zlib.crc32(start), member.size - NPY_BYTES
        whole = memoryview(bytearray(min(size, PIECE))) if place is None else place
        for position in range(0, size, PIECE):
            first = 0 if place is None else position
            piece = whole[first : first + min(PIECE, size - position)]
            self.file.readinto(piece)
            crc = zlib.crc32(piece, crc)
            yield piece
        if crc != member.crc:
            raise NpzError(f"{name} is damaged: its checksum does not match")


def open_npz(path: str | os.PathLike[str]) -> Npz:
    """Open a file from `npz_pieces`. Raises NpzError and OSError. Takes less than a second for any file."""
    file = open_archive(path)
    try:
        return Npz(file)
    except BaseException:
        file.close()
        raise


def open_archive(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a model file, or the model in a program. Raises NpzError and OSError."""
    descriptor = systems.open_file(path, os.O_RDONLY)
    file = FileIO(descriptor)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NpzError("not a file but a device, a pipe or the like")
        is_program = file.read(len(PROGRAM)) == PROGRAM
        file.seek(0)
        if not is_program:
            return BufferedReader(file)
        return BufferedReader(Part(file, *model_within(file)))
    except BaseException:
        file.close()
        raise


def model_within(file: FileIO) -> tuple[int, int]:
    """The first byte of the model in a program, and the end. It lies between the first line and the zip file."""
    line, _, _ = file.read(LONGEST_FIRST_LINE).partition(b"\n")
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - END.size, 0))
    record = file.read(END.size)
    begin = len(line) + 1
    if len(record) == END.size and record.startswith(b"PK\5\6"):
        directory_bytes, start = END.unpack(record)[5:7]
        end = size - END.size - directory_bytes - start
        if begin < end:
            return begin, end
    raise NpzError("a program that holds no model")


class Part(RawIOBase):
    """The bytes of an open file from `begin` up to `end`, as a file of its own."""

    def __init__(self, file: FileIO, begin: int, end: int) -> None:
        self.file, self.begin, self.size = file, begin, end - begin
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size}[whence]
        self.position = origin + offset
        return self.position

    def readinto(self, place: Any) -> int:
        self.file.seek(self.begin + self.position)
        count = self.file.readinto(memoryview(place)[: max(self.size - self.position, 0)]) or 0
        self.position += count
        return count

    def close(self) -> None:
        self.file.close()
        super().close()


def read_directory(file: BufferedReader) -> list[Member]:
    """Read the members of a file. It must consist of the members, without gaps, and their directory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - END.size, 0))
    end = file.read(END.size)
    if len(end) != END.size:
        raise NpzError(f"not a whole .npz file: {size} bytes long")
    count, directory_bytes, start = END.unpack(end)[4:7]
    if end != end_record(count, directory_bytes, start) or start + directory_bytes + END.size != size:
        raise NpzError("not a whole .npz file, or with something before or after the archive")
    if not 1 <= count <= MOST_MEMBERS or directory_bytes > count * LONGEST_ENTRY:
        found = f"{count:,} entries, listed in {directory_bytes:,} bytes"
        raise NpzError(f"{found}; allowed: 1 to {MOST_MEMBERS:,}, of at most {LONGEST_ENTRY} bytes each")
    file.seek(start)
    listing = file.read(directory_bytes)
    members = list(listed_members(listing, count))
    if members[-1].end != start or directory(members) != listing:
        raise NpzError("its directory is not as this program writes it: damaged, or made by another program")
    if len({member.name for member in members}) != count:
        raise NpzError("two entries of one name")
    return members


def listed_members(listing: bytes, count: int) -> Iterator[Member]:
    """Yield the members in a directory. Each begins where the one before it ends."""
    offset = place = 0
    for _ in range(count):
        if len(listing) - place < ENTRY.size:
            raise NpzError("its directory is cut short")
        fields = ENTRY.unpack_from(listing, place)
        crc, size, name_bytes = fields[9], fields[11], fields[12]
        name = listing[place + ENTRY.size : place + ENTRY.size + name_bytes]
        if not NAME.fullmatch(name):
            raise NpzError(f"an entry named {name[:60]!r}; allowed: a-z, 0-9, _ and ., and .npy at the end")
        member = Member(name.decode().removesuffix(".npy"), crc, size, offset)
        yield member
        offset = member.end
        place += ENTRY.size + name_bytes
