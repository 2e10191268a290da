"""`trm serve`: recommendations over HTTP."""

import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from trm_np.cli.errors import OneLine, Refusal, refusals, say
from trm_np.cli.options import FILE, catalogue_option, named, trust
from trm_np.cli.signals import HANG_UP, Handler, first_signal, handled
from trm_np.cli.threads import use_threads

if TYPE_CHECKING:
    import socket

    from trm_np.serve.on_waitress import Server
    from trm_np.serve.served import ServedModel


@click.command(
    cls=OneLine,
    help="""Serve recommendations of a stored MODEL over HTTP.

    POST a profile in JSON to /recommend, or open / in a browser. /openapi.json describes requests and replies, and
    /metrics has counters for Prometheus.

    If the MODEL file changes, the server loads it without losing a request; SIGHUP loads it at once. If the new file is
    broken, the server keeps the old model. After SIGTERM or Ctrl-C the server answers the requests that it has
    received, and ends with exit code 0. It waits for them 10 seconds at most, and then ends with 143 or 130.

    The server needs the extra [serve].

    \b
    Example: trm serve checkpoints/integrated_enhanced/best.npz
    """,
)
@click.argument("model", type=FILE)
@click.option(
    "--host",
    callback=named,
    default="127.0.0.1",
    help="Address to listen on, or a name for all of its addresses. Only this machine can reach the default; "
    "any machine can reach 0.0.0.0.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, help="Port to listen on; 0 takes any free one."
)
@catalogue_option
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="Host name, such as that of a proxy, that requests may have if only this machine is listened to; repeatable.",
)
@trust
def serve(
    model: str, host: str, port: int, catalogue: str | None, allow_host: tuple[str, ...], trust: bool
) -> None:
    use_threads(all_cores=False)  # several requests are answered at the same time
    with refusals():
        from trm_np.serve.listening import is_loopback, listen
        from trm_np.serve.metrics import Metrics
        from trm_np.serve.on_waitress import Server
        from trm_np.serve.served import ServedModel
        from trm_np.serve.wsgi import Application

        metrics = Metrics()
        served = ServedModel(model, catalogue, metrics, trust)
        listening = listen(host, port)
        hosts = {name.lower() for name in (host, *allow_host)} if is_loopback(listening) else None
        run(Server(Application(served, metrics, hosts), listening), served, listening)


def run(server: "Server", served: "ServedModel", listening: "Sequence[socket.socket]") -> None:
    """Serve until a signal ends it; raises Refusal if requests are left without an answer."""
    hang_up: dict[int, Handler] = {HANG_UP: lambda *_: served.reload()} if HANG_UP else {}
    with handled(hang_up), first_signal(server.drain, (signal.SIGTERM, signal.SIGINT)) as received:
        served.watch()
        say(address_line(served, listening), err=True)
        unanswered = server.run()
    if unanswered:
        raise Refusal(f"interrupted: {unanswered} requests had no answer in time", 128 + received[0])


def address_line(served: "ServedModel", listening: "Sequence[socket.socket]") -> str:
    """The model that is served, and its addresses."""
    from trm_np.serve.listening import in_words

    places = " and ".join(f"http://{in_words(each.getsockname())}/" for each in listening)
    return f"{served.title} at {places}"
