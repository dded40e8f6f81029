"""The options of wsbook run. Reads them and calls investigate.py; nothing heavy is imported before it is called."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from wsbook.cli.console import make_console
from wsbook.cli.exits import INCOMPLETE, exit_code

__all__ = ["run"]

Texts = list[str]
TARGET = "The target"
ARTIFACTS = "What there is of it: files that are read, never sent"
MESSAGES = "Messages: what sets one off, and how it looks"
LOOKING = "How to look"

TRIGGER = (
    "What makes the application publish, with {marker}: 'POST URL BODY', 'SEND WS-URL TEXT' on a socket of its own, "
    "'PUBLISH redis://host/channel TEXT', or 'RUN COMMAND'."
)

_PATHS = frozenset({"frontend", "backend", "configs", "logs", "har", "console", "ca_file", "schema"})


def _text(name: str, value: str | bool | Texts) -> str | bool:
    """Return an option as the parameter of a notebook; paths absolute, since the notebooks run in the record's folder."""
    if isinstance(value, bool):
        return value
    parts = value if isinstance(value, list) else [value]
    return "\n".join(str(Path(part).absolute()) if name in _PATHS else part for part in parts)


def run(
    url: Annotated[str, typer.Argument(help="Endpoint, ws:// or wss://. Without it the bundled lab is investigated.")] = "",
    target: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=TARGET,
            help="A target.toml, as wsbook new makes it; that of the current folder is used when nothing else is given.",
        ),
    ] = None,
    page: Annotated[str, typer.Option(metavar="URL", rich_help_panel=TARGET, help="Page that opens the socket, http:// or https://.")] = "",
    origin: Annotated[
        str, typer.Option(metavar="ORIGIN", rich_help_panel=TARGET, help="Origin that a browser sends; by default that of the page.")
    ] = "",
    subprotocol: Annotated[
        Texts | None, typer.Option(metavar="NAME", rich_help_panel=TARGET, help="Subprotocol to offer; may be given again.")
    ] = None,
    header: Annotated[
        Texts | None,
        typer.Option(
            metavar="'NAME: VALUE'", rich_help_panel=TARGET, help="Header to send; a secret as 'Name: env:VARIABLE'; may be given again."
        ),
    ] = None,
    hop: Annotated[
        Texts | None,
        typer.Option(
            metavar="NAME=URL",
            rich_help_panel=TARGET,
            help="Place behind the endpoint, the application first; again for more. On this machine --config tells them, too.",
        ),
    ] = None,
    proxy: Annotated[str, typer.Option(metavar="URL", rich_help_panel=TARGET, help="Forward proxy, http://host:port.")] = "",
    ca: Annotated[str, typer.Option(metavar="FILE", rich_help_panel=TARGET, help="Certificates to trust, PEM.")] = "",
    metrics: Annotated[
        str, typer.Option(metavar="URL", rich_help_panel=TARGET, help="The server's figures, in the Prometheus text format.")
    ] = "",
    i_own_this: Annotated[
        bool,
        typer.Option("--i-own-this", rich_help_panel=TARGET, help="Allow load and many connections against a host that is not loopback."),
    ] = False,
    frontend: Annotated[
        Texts | None, typer.Option(metavar="PATH", rich_help_panel=ARTIFACTS, help="Folder or file of the frontend's source.")
    ] = None,
    backend: Annotated[
        Texts | None, typer.Option(metavar="PATH", rich_help_panel=ARTIFACTS, help="Folder or file of the backend's source.")
    ] = None,
    config: Annotated[
        Texts | None,
        typer.Option(metavar="FILE", rich_help_panel=ARTIFACTS, help="Configuration of a proxy or load balancer; again for more."),
    ] = None,
    log: Annotated[
        Texts | None, typer.Option(metavar="FILE", rich_help_panel=ARTIFACTS, help="Log of a proxy or the backend; again for more.")
    ] = None,
    har: Annotated[str, typer.Option(metavar="FILE", rich_help_panel=ARTIFACTS, help="HAR recording of a browser.")] = "",
    console: Annotated[str, typer.Option(metavar="FILE", rich_help_panel=ARTIFACTS, help="Text of a browser's console.")] = "",
    trigger: Annotated[str, typer.Option(metavar="TRIGGER", rich_help_panel=MESSAGES, help=TRIGGER)] = "",
    send: Annotated[
        str,
        typer.Option(metavar="TEXT", rich_help_panel=MESSAGES, help="Message that makes the application publish, with {marker}."),
    ] = "",
    broker: Annotated[
        str, typer.Option(metavar="URL", rich_help_panel=MESSAGES, help="Redis channel that messages pass, redis://host:port/channel.")
    ] = "",
    schema: Annotated[str, typer.Option(metavar="FILE", rich_help_panel=MESSAGES, help="JSON Schema of a message.")] = "",
    selector: Annotated[str, typer.Option(metavar="CSS", rich_help_panel=MESSAGES, help="Part of the page that shows messages.")] = "",
    sequence: Annotated[
        str,
        typer.Option(metavar="PATH", rich_help_panel=MESSAGES, help="JSON path of the number that the server gives its messages: $.seq"),
    ] = "",
    symptom: Annotated[
        str, typer.Option(metavar="TEXT", rich_help_panel=LOOKING, help="What people see, in a few words: '1006 after 60 s idle'.")
    ] = "",
    budget: Annotated[
        str, typer.Option(metavar="NAME", rich_help_panel=LOOKING, help="quick (45 s, the default), standard (3 min) or thorough (15 min).")
    ] = "",
    steps: Annotated[str, typer.Option(metavar="STEPS", rich_help_panel=LOOKING, help="Only these steps: 1.1,2.2")] = "",
    until_sure: Annotated[
        bool,
        typer.Option(
            "--until-sure",
            rich_help_panel=LOOKING,
            help="Look first at what separates the suspects at the least cost, and stop as soon as one cause is sure.",
        ),
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", rich_help_panel=LOOKING, help="Watch the logs while probing, and read them again at the end.")
    ] = False,
    fault: Annotated[
        str, typer.Option(metavar="SLUG", rich_help_panel=LOOKING, help="Fault to switch on in the lab; see: wsbook lab --list.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=LOOKING,
            help="Record folder; by default records/TIME-HOST. An unfinished record is continued.",
        ),
    ] = None,
    machine: Annotated[bool, typer.Option("--json", rich_help_panel=LOOKING, help="Print machine-readable output only.")] = False,
) -> None:
    """Investigate an endpoint, or the lab, and leave a record with executed notebooks.

    Give what there is: every further thing lets more steps say something. What was not given is listed as not looked at.

    Exit codes: 0 nothing wrong, 1 a fault was found, 2 usage, 3 it could not be completed.
    """
    from wsbook.cli.from_folder import completed
    from wsbook.cli.investigate import Request, investigate

    given = {
        "url": url, "page_url": page, "origin": origin, "subprotocols": subprotocol, "headers": header, "hops": hop,
        "frontend": frontend, "backend": backend, "configs": config, "logs": log, "har": har, "console": console,
        "forward_proxy": proxy, "ca_file": ca, "trigger": trigger, "message": send, "symptom": symptom, "owned": i_own_this,
        "metrics": metrics, "broker": broker, "schema": schema, "selector": selector, "sequence": sequence,
    }  # fmt: skip
    parameters = {name: _text(name, value) for name, value in given.items() if value}
    screen = make_console(machine)
    parameters, budget = completed(parameters, budget, target, screen, lab=bool(fault))
    request = Request(
        parameters=parameters, budget=budget, fault=fault, steps=steps, until_sure=until_sure, out=out, follow=follow,
        command=("wsbook", *sys.argv[1:]),
    )  # fmt: skip
    document = investigate(request, screen)
    if machine:
        print(json.dumps(document))
    raise typer.Exit(INCOMPLETE if document.get("incomplete") else exit_code(document))
