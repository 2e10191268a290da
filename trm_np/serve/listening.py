"""Where the server listens."""

import errno
import os
import socket
from collections.abc import Sequence
from typing import Any

from trm_np.text import printable

BACKLOG = 1024
NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # as ::1 is where IPv6 is switched off


class ListenError(OSError):
    """A host and port where no server can listen."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at every address of the host that this machine has; raises ListenError.

    Of port 0 they listen at one that is free, the same for all.
    """
    listening: list[socket.socket] = []
    missing = ListenError(printable(f"{host}: no such host"))
    for family, address in addresses(host, port):
        if listening:
            address = (address[0], listening[0].getsockname()[1], *address[2:])
        try:
            listening.append(socket.create_server(address, family=family, backlog=BACKLOG))
        except OSError as error:
            instead = "; choose another --port" if error.errno == errno.EADDRINUSE else ""
            reason = (error.strerror or os.strerror(error.errno or 0)).partition(" (while attempting")[0]
            failed = ListenError(printable(f"{in_words(address)}: cannot listen there ({reason}){instead}"))
            if error.errno not in NOT_HERE:  # another program has it, or may not: half a server is none
                for each in listening:
                    each.close()
                raise failed from error
            missing = failed
    if not listening:
        raise missing
    return listening


def addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    """The addresses of a host, each once, as family and what a socket is bound to; none if there is no such host."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        return []
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def is_loopback(listening: Sequence[socket.socket]) -> bool:
    """Whether only this machine can reach the sockets."""
    hosts = [str(each.getsockname()[0]) for each in listening]
    return all(host.startswith("127.") or host == "::1" for host in hosts)


def in_words(address: Any) -> str:
    """127.0.0.1:8000 or [::1]:8000."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
