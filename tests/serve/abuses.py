"""Requests that no client should send, and a server that must not mind: each abuse is the same whenever its number is.

    python -m tests.serve.abuses MODEL [HOW_MANY]

sends them to a server of its own, prints what came of them by kind, and exits with 1 if anything was at fault.
"""

import http.client
import json
import re
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.serve.processes import ServerProcess, serving
from tests.waiting import HANG

PERSON = {
    "age": 34,
    "hobbies": ["cooking"],
    "relationship": "mother",
    "budget": 120,
    "occasion": "birthday",
    "preferences": ["practical"],
}
BODY = json.dumps(PERSON).encode()
MEGABYTE = 2**20
QUIET = 0.2  # seconds that an answer is waited for where there need be none
BATCH = 100  # abuses, after which a good question must be answered
CLIENTS = 8  # that send them at the same time
HELD_OPEN = 20
WARM_UP = 5  # batches, after which memory is no longer expected to grow
GROWTH = 50 * MEGABYTE

Rng = np.random.Generator


class Abuse(NamedTuple):
    """Bytes to send piece by piece, and how many answers must come: 0 where the server may also just close or wait."""

    pieces: Sequence[bytes]
    answers: int = 1
    pause: float = 0.0  # seconds between pieces
    reset: bool = False  # the connection, in place of closing it
    beside: int = 0  # as many more connections with the same, during which a good question must be answered


class Outcome(NamedTuple):
    """Outcome of one abuse: the statuses received, the seconds taken, and the faults."""

    number: int
    kind: str
    statuses: tuple[int, ...]
    seconds: float
    faults: tuple[str, ...]


class Campaign(NamedTuple):
    """Outcome of each abuse, faults of the server as a whole, and its memory in bytes after each batch."""

    outcomes: list[Outcome]
    faults: list[str]
    memory: list[int]


def request(
    body: bytes | None = None,
    target: bytes = b"/recommend",
    method: bytes = b"POST",
    headers: Sequence[bytes] = (),
    content_type: bytes = b"application/json",
    close: bool = True,
) -> bytes:
    """A request as it is sent, its Content-Length right."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: localhost", *headers]
    if body is not None:
        lines += [b"Content-Type: " + content_type, b"Content-Length: %d" % len(body)]
    if close:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def chunked(chunks: Sequence[bytes], coding: bytes = b"chunked") -> bytes:
    headers = (b"Transfer-Encoding: " + coding, b"Content-Type: application/json")
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return request(headers=headers) + framed + b"0\r\n\r\n"


def one_of(rng: Rng, choices: Sequence[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]


def asked(body: bytes) -> Abuse:
    return Abuse([request(body)])


# ---------------------------------------------------------------------------------------- in the body


def huge_bodies(rng: Rng) -> Abuse:
    size = int(rng.integers(MEGABYTE - 2, 2 * MEGABYTE))
    return asked(one_of(rng, [b" " * size, b'"' + b"a" * size + b'"', b"[" + b"1," * (size // 2) + b"1]"]))


def huger_bodies_than_are_read(rng: Rng) -> Abuse:
    body = b"x" * int(rng.integers(2 * MEGABYTE + 1, 4 * MEGABYTE))
    return Abuse([request(body)], answers=0)


def huge_undeclared_bodies(rng: Rng) -> Abuse:
    chunk = b" " * int(rng.integers(1, 2**16))
    return Abuse([chunked([chunk] * int(3 * MEGABYTE / 2 / max(len(chunk), 2**10)) + [BODY])])


def deep_bodies(rng: Rng) -> Abuse:
    depth = int(10 ** rng.uniform(1, 5))
    opening, closing = one_of(rng, [(b"[", b"]"), (b'{"age": ', b"}"), (b'[{"hobbies": ', b"}]")])
    deep = opening * depth + b"1" + closing * int(one_of(rng, [0, depth, depth + 1]))
    return asked(one_of(rng, [deep, b'{"age": ' + deep + b"}", b"[" + BODY + b", " + deep + b"]"]))


def wrong_types(rng: Rng) -> Abuse:
    values = [None, True, "", "x", 1, -1, 2**70, 0.5, [], [[]], [None], [1], {}, {"a": 1}, "\0", "é" * 1001]
    value = dict(PERSON)
    for field in rng.permutation(list(PERSON))[: rng.integers(1, 7)].tolist():
        value[field] = one_of(rng, values)
    return asked(json.dumps(one_of(rng, [value, value, [PERSON, value], one_of(rng, values)])).encode())


def unknown_fields(rng: Rng) -> Abuse:
    names = ["", "Age", "age ", "__proto__", "é", "\ud800", "x" * 5000, *map(str, range(500))]
    chosen = rng.permutation(len(names))[: int(10 ** rng.uniform(0, 2.5))]
    return asked(json.dumps(PERSON | {names[index]: 1 for index in chosen}).encode())


def wrong_encodings(rng: Rng) -> Abuse:
    text = json.dumps(PERSON | {"occasion": "fête"}, ensure_ascii=False)
    bodies = [
        text.encode(coding) for coding in ("utf-16", "utf-16-be", "utf-32", "latin-1", "utf-8-sig", "cp037")
    ]
    bodies += [BODY.replace(b"mother", bad) for bad in BAD_STRINGS]
    bodies += [BODY + b"\0", b"\0" + BODY, b"\x1f\x8b" + rng.bytes(60), rng.bytes(int(rng.integers(1, 3000)))]
    charset = one_of(rng, [b"", b"", b"", b"; charset=utf-16", b"; charset=", b"; charset=\xff"])
    return Abuse([request(one_of(rng, bodies), content_type=b"application/json" + charset)])


BAD_STRINGS = rb"""\ud800 \udc00\ud800 \u0000 \x41 \u202e \ \u12 \" """.split()
BAD_STRINGS += [b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\0", b"\n", b'"']
BAD_STRINGS += ["\u202e\u0007\u2028".encode()]


def repeated_keys(rng: Rng) -> Abuse:
    field = one_of(rng, list(PERSON)).encode()
    again = b'"%b": 1, ' % field * int(10 ** rng.uniform(0, 4))
    return asked(b"{" + again + BODY[1:])


def wrong_numbers(rng: Rng) -> Abuse:
    digits = b"9" * int(10 ** rng.uniform(0.5, 5))
    number = one_of(
        rng, [*BAD_NUMBERS, digits, b"-" + digits, b"0." + digits, b"1e" + digits, b"1e-" + digits]
    )
    return asked(b'{"%b": %b}' % (one_of(rng, [b"age", b"budget"]), number))


BAD_NUMBERS = (
    b"NaN Infinity -Infinity 1e999 -1e999 -0 -0.0 1e-999 0x10 1_0 01 +1 .5 1. 1e --1 121 true".split()
)
BAD_NUMBERS += b"1000000000.01 5e-324 1.7976931348623157e308 \xd9\xa3".split()


def wrong_lists(rng: Rng) -> Abuse:
    people = b"[" + b",".join([b"{}"] * int(one_of(rng, [0, 1001, 1002, 5000, 100_000]))) + b"]"
    one_is_bad = b"[" + b"{}, " * 99 + one_of(rng, [b"null", b"[]", b'{"age": -1}', b'"x"']) + b"]"
    same = ["x" * int(rng.integers(1, 30))] * int(one_of(rng, [101, 1001, 20_000]))
    many = [f"hobby {index}" for index in range(int(rng.integers(50, 101)))]
    names = [json.dumps({"hobbies": hobbies}).encode() for hobbies in (same, many)]
    return asked(one_of(rng, [people, one_is_bad, *names]))


def broken_json(rng: Rng) -> Abuse:
    body = bytearray(BODY)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(len(body)))
        body[place : place + int(rng.integers(0, 3))] = rng.bytes(int(rng.integers(0, 3)))
    return asked(bytes(body))


# -------------------------------------------------------------------------------- around the body


def wrong_methods(rng: Rng) -> Abuse:
    methods = [*b"PUT DELETE PATCH OPTIONS TRACE CONNECT get Post BREW G\xc9T".split(), b"A" * 5000]
    target = one_of(rng, [b"/recommend", b"/", b"/model", b"/metrics", b"/nothing"])
    return Abuse([request(one_of(rng, [None, BODY]), target, one_of(rng, methods))])


def wrong_paths(rng: Rng) -> Abuse:
    paths = b"/.. /../../etc/passwd /%2e%2e/%2e%2e/etc/passwd /%00 /recommend%00 /recommend/ // //recommend".split()
    paths += b"/RECOMMEND * model http://elsewhere/model http://[ http://[::1/ /% /%zz /%ff /\xff\xfe".split()
    paths += [*rb"/;x /#x /? /\..\ /%c0%af".split(), b"/a" * 3000, b"/" + rng.bytes(9).hex().encode()]
    return Abuse([request(None, one_of(rng, paths), b"GET")])


def wrong_queries(rng: Rng) -> Abuse:
    values = b"0 101 -1 1.5 NaN 1e9 %00 %ff \xff % true %D9%A3 +3".split()
    values += [b"", b"9" * 5000]
    names = b"top days strict allow any_age exclude Top x%00".split()
    parts = [one_of(rng, [*names, b""]) + b"=" + one_of(rng, values) for _ in range(rng.integers(1, 4))]
    others = [*b"top = top=3&k=3 top[]=3".split(), b"&" * 3000, b"?" * 9]
    query = one_of(rng, [b"&".join(parts), b";".join(parts), *others])
    return Abuse([request(BODY, b"/recommend?" + query)])


def wrong_headers(rng: Rng) -> Abuse:
    lines = b"no colon| folded|X : y|X: a\0b|X: a\rb|X: a\nb|: empty|\xff: x|X: \xff|Content-Encoding: gzip".split(
        b"|"
    )
    lines += b"Connection: \0|Range: bytes=0-|Upgrade: h2c|Host: a\r\nHost: b|Content-Type: a".split(b"|")
    lines += [b"X: " + b"x" * 20_000, b"\r\n".join(b"X-%d: y" % index for index in range(1500))]
    chosen = [one_of(rng, lines) for _ in range(rng.integers(1, 4))]
    types = [*b"application/json text/plain multipart/form-data \xff".split(), b"", b"application/json" * 500]
    content_type = one_of(rng, types)
    return Abuse([request(BODY, headers=chosen, content_type=content_type)])


def wrong_lengths(rng: Rng) -> Abuse:
    """Request whose stated body length is no number, more than one number, or wrong."""
    length = b"%d" % len(BODY)
    said = b"-1|+5|abc||1e3|0x9|5 5|\xb2|1_0|0|5|99999|1048576|1048577".split(b"|")
    said += [length + b", " + length, b"9" * 30, b"9" * 5000, b"0" * 5000]
    said += [length + b"\r\nContent-Length: " + length, length + b"\r\nContent-Length: 3"]
    head = request(headers=[b"Content-Type: application/json"])[:-2] + b"Content-Length: "
    return Abuse([head + one_of(rng, said) + b"\r\n\r\n" + BODY], answers=0)


def wrong_transfers(rng: Rng) -> Abuse:
    codings = b'gzip|chunked, chunked|chunked, gzip|xchunked|\x0bchunked|identity||CHUNKED|"chunked"|chunked;q=1'.split(
        b"|"
    )
    codings += [b"chunked\r\n" + line for line in (b"Content-Length: 3", b"Transfer-Encoding: identity")]
    sizes = b"zz|-1|+5|0x5||5;\0|5 |\xff|5\n".split(b"|")
    sizes += [b"f" * 16, b"f" * 5000, b"5;" + b"x" * 20_000]
    head = request(headers=[b"Transfer-Encoding: chunked", b"Content-Type: application/json"])
    bad_chunk = head + one_of(rng, sizes) + b"\r\n" + BODY + b"\r\n0\r\n\r\n"
    unfinished = chunked([BODY])[: -int(rng.integers(1, 9))]
    whole = one_of(rng, [chunked([BODY], one_of(rng, codings)), bad_chunk, unfinished])
    return Abuse([whole], answers=0)


def wrong_versions(rng: Rng) -> Abuse:
    versions = (
        b"| HTTP/0.9| HTTP/2.0| HTTP/1.10| HTTP/9.9| HTTP/| HTTP/1.1 | FTP/1.1| HTTP/1.1\0| http/1.1".split(
            b"|"
        )
    )
    first = one_of(rng, b"GET /model|POST /recommend|GET  /model|GET\t/model|/model|GET|PRI *".split(b"|"))
    rest = b"\r\nHost: x\r\nConnection: close\r\n\r\nSM\r\n\r\n"
    return Abuse([first + one_of(rng, versions) + rest], answers=0)


def no_http_at_all(rng: Rng) -> Abuse:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.bytes(500)
    noise = rng.bytes(int(rng.integers(1, 5000)))
    said = one_of(rng, [hello, noise, b"SSH-2.0-x\r\n", b"\r\n" * 3000, b"\0" * 9000, b"x" * 40_000, b"{}"])
    return Abuse([said + one_of(rng, [b"", b"\r\n\r\n", b"\n\n"])], answers=0)


def scrambled(rng: Rng) -> Abuse:
    """A good request, some of whose bytes are others."""
    whole = bytearray(request(BODY))
    for place in rng.integers(len(whole), size=int(rng.integers(1, 6))).tolist():
        whole[place] = int(rng.integers(256))
    return Abuse([bytes(whole)], answers=0)


# ---------------------------------------------------------------------------------------- in time


def halves(rng: Rng) -> Abuse:
    """A request whose client goes away before it is whole."""
    whole = one_of(rng, [request(BODY), chunked([BODY] * 3), request(b" " * 500_000)])
    return Abuse([whole[: int(rng.integers(1, len(whole)))]], answers=0, reset=bool(rng.integers(2)))


def resets(rng: Rng) -> Abuse:
    """A client that goes away when its request is whole."""
    whole = request(json.dumps([PERSON] * int(rng.integers(1, 50))).encode())
    return Abuse([whole, b""], answers=0, reset=True, pause=float(rng.uniform(0, 0.02)))


def unread_answers(rng: Rng) -> Abuse:
    """Large answers that are asked for, again and again, and not read."""
    whole = request(json.dumps([PERSON] * 20).encode(), b"/recommend?k=45", close=False)
    return Abuse([whole * int(rng.integers(1, 4)), b""], answers=0, pause=0.1, reset=bool(rng.integers(2)))


def slow_clients(rng: Rng) -> Abuse:
    """A byte, or a few, at a time."""
    step, whole = int(rng.integers(1, 4)), one_of(rng, [request(BODY), chunked([BODY])])
    return Abuse([whole[place : place + step] for place in range(0, len(whole), step)], pause=0.002)


def held_open(rng: Rng) -> Abuse:
    """Many clients that have sent a part and say nothing more."""
    whole = request(BODY)
    return Abuse([whole[: int(rng.integers(0, len(whole)))]], answers=0, beside=HELD_OPEN)


def pipelined(rng: Rng) -> Abuse:
    """Many requests before the first is answered."""
    kinds = [
        request(BODY, close=False),
        request(b"x", close=False),
        request(None, b"/nothing", b"GET", close=False),
    ]
    requests = [one_of(rng, kinds) for _ in range(int(rng.integers(2, 20)))]
    return Abuse([b"".join(requests)], answers=len(requests))


def expectations(rng: Rng) -> Abuse:
    expected = one_of(rng, [b"100-continue", b"100-Continue", b"200-ok", b"", b"100-continue, x", b"\xff"])
    body = one_of(rng, [BODY, b"x", b" " * (MEGABYTE + 1)])
    whole, head_only = request(body, headers=[b"Expect: " + expected]), bool(rng.integers(4) == 0)
    head = whole[: -len(body)]
    return Abuse([head] if head_only else [head, body], answers=0 if head_only else 1, pause=0.01)


KINDS: dict[str, Callable[[Rng], Abuse]] = {
    kind.__name__.replace("_", " "): kind
    for kind in (
        *(
            huge_bodies,
            huger_bodies_than_are_read,
            huge_undeclared_bodies,
            deep_bodies,
            wrong_types,
            unknown_fields,
        ),
        *(
            wrong_encodings,
            repeated_keys,
            wrong_numbers,
            wrong_lists,
            broken_json,
            wrong_methods,
            wrong_paths,
        ),
        *(
            wrong_queries,
            wrong_headers,
            wrong_lengths,
            wrong_transfers,
            wrong_versions,
            no_http_at_all,
            scrambled,
        ),
        *(halves, resets, unread_answers, slow_clients, held_open, pipelined, expectations),
    )
}


def abuse(number: int) -> tuple[str, Abuse]:
    """The abuse of this number, and its kind: one after the other."""
    kind = list(KINDS)[number % len(KINDS)]
    return kind, KINDS[kind](np.random.default_rng(number))


# ---------------------------------------------------------------------------------- what comes of it


def commit(port: int, number: int) -> Outcome:
    """Send the abuse of this number, and see what comes of it."""
    kind, what = abuse(number)
    began = time.monotonic()
    statuses: list[int] = []
    faults: list[str] = []
    try:
        with ExitStack() as others:
            for _ in range(what.beside):
                others.enter_context(begun(port, what))
            faults += good_question(port) if what.beside else ()
        for status, body in answers(begun(port, what), what):
            statuses.append(status)
            faults += faults_of(status, body)
    except ConnectionRefusedError:
        faults.append("no connection")
    except ConnectionError:  # the server need not listen to the end
        pass
    except (TimeoutError, http.client.HTTPException, ValueError) as error:
        if what.answers or not isinstance(error, TimeoutError):
            faults.append(f"no answer in time, or none in HTTP: {error!r}")
    if len(statuses) < what.answers and not faults:
        faults.append(f"{len(statuses)} answers of {what.answers}")
    return Outcome(number, kind, tuple(statuses), time.monotonic() - began, tuple(faults))


def faults_of(status: int, body: bytes) -> Iterator[str]:
    """Faults in the reply to an abuse."""
    if status >= 500:
        yield f"status {status}"
    if status >= 400 and not one_line(body):
        yield f"status {status} with {body[:80]!r}"


def begun(port: int, what: Abuse) -> socket.socket:
    """A connection on which the pieces have been sent, or as many as the server takes."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=HANG)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if what.reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        for place, piece in enumerate(what.pieces):
            if place:
                time.sleep(what.pause)
            connection.sendall(piece)
    except ConnectionError:  # refused before it was whole; the answer may be there
        pass
    return connection


def answers(connection: socket.socket, what: Abuse) -> Iterator[tuple[int, bytes]]:
    """Status and body of each answer until the connection is closed.

    Raises TimeoutError when it is quiet, ConnectionError, HTTPException, and ValueError for a bad Content-Length.
    """
    with connection, connection.makefile("rb") as stream:
        if what.reset:
            return
        connection.settimeout(HANG if what.answers else QUIET)
        found = 0
        while found < max(1, what.answers) and (first := stream.readline()):
            status = re.fullmatch(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n", first)
            if not status:
                raise http.client.BadStatusLine(repr(first))
            headers = http.client.parse_headers(stream)
            if status[1] != b"100":
                found += 1
                yield int(status[1]), stream.read(int(headers["Content-Length"]))


def one_line(body: bytes) -> bool:
    """Whether an error says what is wrong in one line."""
    try:
        value = json.loads(body)
    except ValueError:
        return False
    line = value.get("error") if isinstance(value, dict) and len(value) == 1 else None
    return isinstance(line, str) and line != "" and line.isprintable()


def good_question(port: int) -> list[str]:
    """Faults in the reply to a good question."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
    try:
        connection.request("POST", "/recommend", BODY, {"Content-Type": "application/json"})
        response = connection.getresponse()
        gifts = len(json.loads(response.read()).get("gifts", ()))
        right = (response.status, gifts) == (200, 3)
        return [] if right else [f"a good question: status {response.status}, {gifts} gifts"]
    except (OSError, http.client.HTTPException, ValueError) as error:
        return [f"a good question: {error!r}"]
    finally:
        connection.close()


def resident_bytes(process: int) -> int:
    """Memory of a process, on Linux."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return 1024 * int(found[1]) if found else 0


def campaign(server: ServerProcess, numbers: range) -> Campaign:
    """Commit the abuses of these numbers, and end the server."""
    outcomes, faults, memory = done = Campaign([], [], [])
    with ThreadPoolExecutor(CLIENTS) as clients:
        for first in range(numbers.start, numbers.stop, BATCH):
            batch = range(first, min(first + BATCH, numbers.stop))
            outcomes.extend(clients.map(commit, [server.port] * len(batch), batch))
            if server.process.poll() is not None:
                faults.append(f"the server has ended before number {batch.stop}")
                break
            faults.extend(f"after number {batch[-1]}: {fault}" for fault in good_question(server.port))
            memory.append(resident_bytes(server.process.pid))
    if len(memory) > WARM_UP and (grown := memory[-1] - memory[WARM_UP]) > GROWTH:
        faults.append(f"memory has grown by {grown:,} bytes")
    code, said = server.end()
    if (code, said) != (0, ""):
        faults.append(f"exit code {code}; stderr: {said[-2000:]}")
    return done


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for kind in KINDS:
        mine = [outcome for outcome in outcomes if outcome.kind == kind]
        if mine:
            statuses = Counter(status for outcome in mine for status in outcome.statuses or (0,))
            said = ", ".join(f"{status or 'none'} × {count}" for status, count in sorted(statuses.items()))
            slowest = max(outcome.seconds for outcome in mine)
            yield f"{kind:28}{len(mine):6}{slowest:8.2f} s  {said}"


def main(model: str, how_many: str = "10000") -> int:
    with serving(Path(model)) as server:
        outcomes, faults, memory = campaign(server, range(int(how_many)))
    for line in table(outcomes):
        print(line)
    faults += [f"{each.number} ({each.kind}): {'; '.join(each.faults)}" for each in outcomes if each.faults]
    print(f"memory in MB: {[size // MEGABYTE for size in memory[:: max(1, len(memory) // 10)]]}")
    print(f"{len(outcomes):,} abuses, {len(faults)} faults", *faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
