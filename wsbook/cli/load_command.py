"""The options of wsbook load. Reads them and calls loading.py; nothing heavy is imported before it is called."""

import json
from pathlib import Path
from typing import Annotated

import typer

from wsbook.cli.console import make_console

__all__ = ["load"]

TROUBLE = (
    "What happens on the way, 'AT HOW [VALUE] [FOR]', by a relay on loopback: '5 stall 1', '5 refuse 2', '5 cut rst', '5 delay 50ms 2', "
    "'5 throttle 64KiB'; may be given again."
)
THRESHOLD = (
    "What must hold in every run: 'p99 < 50 ms', 'loss < 0.1 %', 'lost = 0', 'rate >= 1000/s', 'memory < 200 MiB', 'knee > 500/s'; "
    "may be given again."
)


def load(
    url: Annotated[str, typer.Argument(help="Endpoint, ws:// or wss://.")],
    connections: Annotated[str, typer.Option(help="Connections; several with commas make a grid.")] = "10",
    rate: Annotated[str, typer.Option(help="Messages per second over all connections, sent by the clock; 100,200,500 makes a grid.")] = "",
    window: Annotated[int, typer.Option(help="Instead of a rate: messages that each connection keeps in flight.")] = 0,
    size: Annotated[str, typer.Option(help="Bytes of a message; 64,4KiB makes a grid.")] = "64",
    seconds: Annotated[str, typer.Option(help="How long each run sends.")] = "10",
    drain: Annotated[str, typer.Option(help="How long late messages are waited for.")] = "5",
    ramp: Annotated[str, typer.Option(help="FROM:TO:STEPS, rates that grow by a factor.")] = "",
    find_knee: Annotated[bool, typer.Option("--find-knee", help="Search for the highest rate that holds.")] = False,
    within: Annotated[str, typer.Option(help="Search for the highest rate with the 99th percentile within this: 50ms.")] = "",
    send: Annotated[str, typer.Option(help="Message with {marker}, and {padding} that fills the size; else bytes or plain text.")] = "",
    subscribe: Annotated[str, typer.Option(help="Text that every connection sends first.")] = "",
    answered_by: Annotated[str, typer.Option(help="echo, broadcast or sequence; auto finds out.")] = "auto",
    publishers: Annotated[int, typer.Option(help="Of a broadcast: connections that send.")] = 1,
    sequence: Annotated[str, typer.Option(help="JSON path of the number that the server gives its messages: $.seq")] = "",
    slow_readers: Annotated[str, typer.Option(help="N connections more that read nothing; N:BYTES so much per second.")] = "",
    trouble: Annotated[list[str] | None, typer.Option(help=TROUBLE)] = None,
    threshold: Annotated[list[str] | None, typer.Option(help=THRESHOLD)] = None,
    connect_rate: Annotated[float, typer.Option(help="Connections per second; 0 is as fast as can be.")] = 0.0,
    origin: Annotated[str, typer.Option(help="Origin to send.")] = "",
    subprotocol: Annotated[list[str] | None, typer.Option(help="Subprotocol to offer; may be given again.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="Header 'Name: value'; a secret as 'Name: env:VARIABLE'.")] = None,
    proxy: Annotated[str, typer.Option(help="Forward proxy, http://host:port.")] = "",
    ca: Annotated[str, typer.Option(help="File with certificates to trust, PEM.")] = "",
    metrics: Annotated[str, typer.Option(help="URL of the server's figures, in the Prometheus text format.")] = "",
    shards: Annotated[int, typer.Option(help="Processes that share the load; by default one, or all workers of --dask.")] = 0,
    dask: Annotated[str, typer.Option(help="Workers that share the load: tcp://scheduler:8786, or local:4.")] = "",
    engine: Annotated[str, typer.Option(help="compiled or numpy; auto takes the faster that is there.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="File for the figures, as --json prints them.")] = None,
    i_own_this: Annotated[bool, typer.Option("--i-own-this", help="Allow a host that is not loopback.")] = False,
    machine: Annotated[bool, typer.Option("--json", help="Print machine-readable output only.")] = False,
) -> None:
    """Send messages by the clock and count what comes back: loss, order, latency from when each was due.

    Exit codes: 0 everything held; 1 a threshold failed, or, without thresholds, messages were lost, doubled, out of order or never left,
    or connections did not open or did not stay, or a search found no rate that holds; 2 usage; 3 the figures are void, or nothing could
    be sent.
    """
    from wsbook.cli.loading import LoadRequest
    from wsbook.cli.loading import load as carry_out

    given = {
        "url": url, "origin": origin, "subprotocols": subprotocol, "headers": header, "forward_proxy": proxy, "ca_file": ca,
        "message": send, "metrics": metrics, "sequence": sequence, "owned": i_own_this,
    }  # fmt: skip
    request = LoadRequest(
        parameters={name: "\n".join(value) if isinstance(value, list) else value for name, value in given.items() if value},
        connections=connections,
        rate=rate,
        window=window,
        size=size,
        seconds=seconds,
        drain=drain,
        ramp=ramp,
        find_knee=find_knee,
        within=within,
        subscribe=subscribe,
        answered_by=answered_by,
        publishers=publishers,
        slow_readers=slow_readers,
        trouble=tuple(trouble or ()),
        thresholds=tuple(threshold or ()),
        connect_rate=connect_rate,
        shards=shards,
        dask=dask,
        engine=engine,
        out=out,
    )
    document = carry_out(request, make_console(machine), quiet=machine)
    if machine:
        print(json.dumps(document))
    raise typer.Exit(document["exit_code"])
