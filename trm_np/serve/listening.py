"""Where the server listens, and which server it is."""

import os
import socket
import sys
from typing import TYPE_CHECKING

from trm_np.data.problems import printable
from trm_np.extras import needs_extra
from trm_np.serve.wsgi import Application

if TYPE_CHECKING:
    from trm_np.serve.on_waitress import Server as WaitressServer
    from trm_np.serve.on_wsgiref import Server as WsgirefServer

BACKLOG = 1024
TRYING_OUT = (
    "Warning: without waitress this server is for trying out only: it answers one request at a time, and five "
    "half-open connections stop it; a server for more needs"
)


class ListenError(OSError):
    """A host and port where no server can listen."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at the first address of the host; raises ListenError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (socket.gaierror, UnicodeError) as error:
        raise ListenError(printable(f"{host}: no such host")) from error
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ListenError(printable(f"{host}:{port}: cannot listen there ({reason})")) from error


def server_for(application: Application, listening: socket.socket) -> "WaitressServer | WsgirefServer":
    """A server of the application: waitress, or where that is not installed the standard library's, which says so."""
    try:
        from trm_np.serve.on_waitress import Server
    except ImportError:
        from trm_np.serve.on_wsgiref import Server as FallBack

        print(needs_extra(TRYING_OUT, "serve"), file=sys.stderr)
        return FallBack(application, listening)
    return Server(application, listening)
