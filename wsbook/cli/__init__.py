"""The wsbook command. Reads options, calls the library, prints; decides nothing about WebSockets.

Exit codes: 0 nothing wrong, 1 a fault was found, 2 usage, 3 the investigation could not be completed.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from wsbook.cli.console import make_console as _console
from wsbook.cli.load_command import load
from wsbook.errors import UnreadableInputError, UsageError, WsbookError

__all__ = ["app", "main"]

app = typer.Typer(
    name="wsbook",
    help="Find out why WebSocket updates do not arrive, and prove it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)

OK, FAULT, USAGE, INCOMPLETE = 0, 1, 2, 3

Url = Annotated[str, typer.Argument(help="Endpoint, ws:// or wss://. Without it the bundled lab is investigated.")]
Json = Annotated[bool, typer.Option("--json", help="Print machine-readable output only.")]
Symptom = Annotated[str, typer.Option(help="What people see, in a few words: '1006 after 60 s idle'.")]
Fault = Annotated[str, typer.Option(help="Slug of a fault to switch on in the lab; see: wsbook lab --list.")]
Out = Annotated[Path | None, typer.Option(help="Record folder; by default records/TIME-HOST. An unfinished record is continued.")]
Many = list[str]
TRIGGER = (
    "What makes the application publish, with {marker}: 'POST URL BODY', 'SEND WS-URL TEXT' on a socket of its own, "
    "'PUBLISH redis://host/channel TEXT', or 'RUN COMMAND'."
)
PROVE = (
    "Start the installed nginx, haproxy or caddy on a copy of each configuration, on loopback before a stub server and confined to a "
    "temporary folder, as it is and with the change that is proposed, and say whether an upgrade passes. Nothing else is started."
)


def _exit_code(document: dict[str, Any]) -> int:
    return FAULT if any(finding["verdict"] == "fault" for finding in document["findings"]) else OK


@app.command()
def run(
    url: Url = "",
    page: Annotated[str, typer.Option(help="Page that opens the socket, http:// or https://.")] = "",
    origin: Annotated[str, typer.Option(help="Origin that a browser sends; by default that of the page.")] = "",
    subprotocol: Annotated[Many | None, typer.Option(help="Subprotocol to offer; may be given again.")] = None,
    header: Annotated[Many | None, typer.Option(help="Header 'Name: value'; a secret as 'Name: env:VARIABLE'.")] = None,
    hop: Annotated[Many | None, typer.Option(help="NAME=URL of a place behind the endpoint, the application first.")] = None,
    frontend: Annotated[Many | None, typer.Option(help="Folder or file of the frontend's source.")] = None,
    backend: Annotated[Many | None, typer.Option(help="Folder or file of the backend's source.")] = None,
    config: Annotated[Many | None, typer.Option(help="Configuration file of a proxy.")] = None,
    log: Annotated[Many | None, typer.Option(help="Log file of proxy or backend.")] = None,
    har: Annotated[str, typer.Option(help="HAR recording of a browser.")] = "",
    console: Annotated[str, typer.Option(help="File with console text of a browser.")] = "",
    proxy: Annotated[str, typer.Option(help="Forward proxy, http://host:port.")] = "",
    ca: Annotated[str, typer.Option(help="File with certificates to trust, PEM.")] = "",
    trigger: Annotated[str, typer.Option(help=TRIGGER)] = "",
    send: Annotated[str, typer.Option(help="Message that makes the application publish, with {marker}.")] = "",
    symptom: Symptom = "",
    budget: Annotated[str, typer.Option(help="quick (45 s), standard (3 min) or thorough (15 min).")] = "quick",
    steps: Annotated[str, typer.Option(help="Only these steps: 1.1,2.2")] = "",
    out: Out = None,
    fault: Fault = "",
    i_own_this: Annotated[
        bool, typer.Option("--i-own-this", help="Allow load and many connections against a host that is not loopback.")
    ] = False,
    metrics: Annotated[str, typer.Option(help="URL of the server's figures, in the Prometheus text format.")] = "",
    broker: Annotated[str, typer.Option(help="Redis channel that messages pass, redis://host:port/channel.")] = "",
    schema: Annotated[str, typer.Option(help="File with the JSON Schema of a message.")] = "",
    selector: Annotated[str, typer.Option(help="CSS selector of the part of the page that shows messages.")] = "",
    sequence: Annotated[str, typer.Option(help="JSON path of the number that the server gives its messages: $.seq")] = "",
    follow: Annotated[bool, typer.Option("--follow", help="Watch the logs while probing, and read them again at the end.")] = False,
    machine: Json = False,
) -> None:
    """Investigate an endpoint, or the lab, and leave a record with executed notebooks."""
    from wsbook.cli.investigate import Request, investigate

    given = {
        "url": url, "page_url": page, "origin": origin, "subprotocols": subprotocol, "headers": header, "hops": hop,
        "frontend": frontend, "backend": backend, "configs": config, "logs": log, "har": har, "console": console,
        "forward_proxy": proxy, "ca_file": ca, "trigger": trigger, "message": send, "symptom": symptom, "owned": i_own_this,
        "metrics": metrics, "broker": broker, "schema": schema, "selector": selector, "sequence": sequence,
    }  # fmt: skip
    parameters = {name: "\n".join(value) if isinstance(value, list) else value for name, value in given.items() if value}
    request = Request(
        parameters=parameters, budget=budget, fault=fault, steps=steps, out=out, command=" ".join(sys.argv[1:]), follow=follow
    )
    document = investigate(request, _console(machine))
    if machine:
        print(json.dumps(document))
    raise typer.Exit(INCOMPLETE if document.get("incomplete") else _exit_code(document))


@app.command()
def read(
    files: Annotated[list[Path], typer.Argument(help="Logs, configurations, sources, HAR or console files, folders.")],
    kind: Annotated[str, typer.Option(help="What the files are, when that cannot be told from their content.")] = "",
    symptom: Symptom = "",
    url: Annotated[str, typer.Option(help="The endpoint, to know which route of a configuration serves it.")] = "",
    follow: Annotated[bool, typer.Option("--follow", help="Print known texts as logs grow, until Ctrl-C, instead of judging.")] = False,
    prove: Annotated[bool, typer.Option("--prove", help=PROVE)] = False,
    machine: Json = False,
) -> None:
    """Judge artifacts alone: nothing is dialled, and nothing is started but with --prove."""
    if follow:
        from wsbook.cli.following import follow_logs

        follow_logs(files, _console())
        raise typer.Exit(OK)
    from wsbook.cli.reading import read_artifacts
    from wsbook.cli.terminal import show_causes, show_steps
    from wsbook.finding import NOT_RUN

    judgement = read_artifacts(files, kind=kind, symptom=symptom, url=url, prove=prove)
    if machine:
        print(json.dumps(judgement.document()))
    else:
        console = _console()
        show_steps(console, [step for step in judgement.steps if step.summary != NOT_RUN])
        show_causes(console, judgement.findings)
    raise typer.Exit(FAULT if judgement.faulty else OK)


app.command()(load)


@app.command()
def lab(
    fault: Fault = "",
    proxy: Annotated[str, typer.Option(help="caddy, nginx, haproxy or apache; by default what the fault needs, else caddy.")] = "",
    machine: Json = False,
    listing: Annotated[bool, typer.Option("--list", help="List the faults and stop.")] = False,
) -> None:
    """Start the bundled deployment on loopback and hold it until Ctrl-C."""
    from wsbook.cli.holding import hold_lab, list_faults

    if listing:
        list_faults(_console())
        return
    hold_lab(fault, proxy, _console(machine), machine=machine)


@app.command()
def causes(slug: Annotated[str, typer.Argument(help="Slug of one cause, or the beginning of some.")] = "", machine: Json = False) -> None:
    """Show the catalogue of root causes."""
    from msgspec import to_builtins

    from wsbook.causes import cause, causes

    chosen = [entry for name, entry in causes().items() if name.startswith(slug)] or [cause(slug)]
    if machine:
        print(json.dumps([to_builtins(entry) for entry in chosen]))
        return
    console = _console()
    for entry in chosen:
        console.print(f"[bold]{entry.slug}[/]  {entry.step}  {entry.title}")
        if len(chosen) == 1:
            for name in ("meaning", "evidence", "remedy", "test"):
                console.print(f"\n[bold]{name}[/]\n{getattr(entry, name)}", markup=True)
            console.print("\n" + "\n".join(entry.references))


@app.command()
def check(machine: Json = False) -> None:
    """Show what is installed and which steps it enables."""
    from wsbook.cli.equipment import equipment

    found = equipment()
    if machine:
        print(json.dumps([{"name": tool.name, "found": tool.found, "enables": tool.enables, "install": tool.install} for tool in found]))
        return
    console = _console()
    for tool in found:
        state = f"[#009E73]✓[/] {tool.found}" if tool.found else f"[#999999]–[/] missing; {tool.install}"
        console.print(f"{tool.name:<14} {state}", highlight=False)
        console.print(f"{'':<14} [#999999]{tool.enables}[/]", highlight=False)


@app.command()
def report(record: Annotated[Path, typer.Argument(help="Record folder.")]) -> None:
    """Write report.html and report.md of a record again."""
    from wsbook.record import Record
    from wsbook.report import write_report

    Record(record).target()
    _console().print(str(write_report(record)), soft_wrap=True)


@app.command(name="open")
def open_lab(
    folder: Annotated[Path, typer.Argument(help="Folder to work in; the notebooks are copied there when it has none.")] = Path(),
) -> None:
    """Start JupyterLab on the notebooks."""
    from wsbook.cli.holding import open_jupyterlab

    raise typer.Exit(open_jupyterlab(folder, _console()))


@app.command()
def new(folder: Annotated[Path, typer.Argument(help="Folder to make.")]) -> None:
    """Make an investigation folder: notebooks, artifacts/, .gitignore, git repository."""
    from wsbook.cli.holding import make_folder

    make_folder(folder, _console())


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="Record folder.")],
    after: Annotated[Path, typer.Argument(help="Record folder of a later run.")],
    machine: Json = False,
) -> None:
    """Show what changed between two records: findings, steps, and timings that shifted by more than their noise.

    Exit code 1 when the later one has a root cause that the earlier one has not.
    """
    from wsbook.cli.comparing import compare_records, comparison_document, show_comparison

    compared = compare_records(before, after)
    if machine:
        print(json.dumps(comparison_document(compared)))
    else:
        show_comparison(_console(), compared)
    raise typer.Exit(FAULT if compared.difference.new else OK)


@app.command()
def bench(
    faults: Annotated[Many | None, typer.Argument(help="Slugs; by default every fault of the lab, and the healthy lab.")] = None,
    machine: Json = False,
) -> None:
    """Investigate the lab with each of its faults and show which are named."""
    from msgspec import to_builtins

    from wsbook.cli.benching import run_bench, show_bench

    console = _console(machine)
    trials = list(run_bench(faults or (), console))
    show_bench(console, trials)
    if machine:
        print(json.dumps([{**to_builtins(trial), "first": trial.first} for trial in trials]))
    raise typer.Exit(OK if all(trial.first for trial in trials if not trial.problem) else FAULT)


@app.command()
def fleet(
    targets: Annotated[
        Path, typer.Argument(help="CSV file: a line with names such as url, page_url, headers, symptom; then a line a target.")
    ],
    steps: Annotated[str, typer.Option(help="Only these steps: 1.3,2.1")] = "",
    budget: Annotated[str, typer.Option(help="quick (45 s), standard (3 min) or thorough (15 min), for each target.")] = "quick",
    workers: Annotated[int, typer.Option(help="Targets looked at together; by default one for each processor, two at least.")] = 0,
    dask: Annotated[str, typer.Option(help="Workers of a dask scheduler instead, tcp://host:8786, or local:4.")] = "",
    per_second: Annotated[float, typer.Option(help="Investigations begun per second, 0 as many as can be.")] = 4.0,
    per_host: Annotated[int, typer.Option(help="Investigations of one host at a time.")] = 1,
    time_limit: Annotated[float, typer.Option(help="Seconds for one target; by default three times the budget and a minute.")] = 0.0,
    notebooks: Annotated[bool, typer.Option("--notebooks", help="Leave executed notebooks in every record.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try those again that could not be completed before.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the fleet, continued where it stands; by default records/fleet-NAME.")] = None,
    i_own_this: Annotated[bool, typer.Option("--i-own-this", help="Allow load and many connections against every target.")] = False,
    machine: Json = False,
) -> None:
    """Investigate many targets, one record each; go on after a kill; end in one table and one page.

    Exit codes are those of run: 1 when a target has a fault, 3 when one could not be completed.
    """
    from wsbook.cli.fleeting import command_line, plan_of
    from wsbook.cli.fleeting import fleet as investigate_fleet

    plan = plan_of(
        targets, folder=out, steps=steps, budget=budget, workers=workers, dask=dask, per_second=per_second, per_host=per_host,
        limit_s=time_limit, notebooks=notebooks, retry=retry, command=command_line(),
    )  # fmt: skip
    try:
        document = investigate_fleet(targets, plan, _console(machine), owned=i_own_this)
    except KeyboardInterrupt:
        raise typer.Exit(INCOMPLETE) from None
    if machine:
        print(json.dumps(document))
    if document["incomplete"]:
        raise typer.Exit(INCOMPLETE)
    raise typer.Exit(FAULT if any(row["verdict"] == "fault" for row in document["results"]) else OK)


@app.command()
def replay(
    record: Annotated[Path, typer.Argument(help="Record folder.")],
    out: Annotated[Path | None, typer.Option(help="Keep the replay as a record in this new folder.")] = None,
    run_command: Annotated[
        bool, typer.Option("--run-command", help="Let the command run that stands in the record as its trigger (RUN …); read it first.")
    ] = False,
    send_secrets: Annotated[
        bool, typer.Option("--send-secrets", help="Send the variables and files of this machine that the record names to its endpoint.")
    ] = False,
    i_own_this: Annotated[bool, typer.Option("--i-own-this", help="Allow load against the record's host.")] = False,
    machine: Json = False,
) -> None:
    """Run a record's notebooks again, compare their verdicts with nbval, and show which steps changed.

    No code of the record is run: the notebooks are this version's. Exit codes: 0 the same, 1 something changed, 3 it could not be done.
    """
    from wsbook.cli.replaying import replay_record
    from wsbook.cli.trust import Allowed

    allowed = Allowed(command=run_command, secrets=send_secrets, load=i_own_this)
    replayed = replay_record(record, _console(machine), allowed=allowed, out=out)
    if machine:
        print(json.dumps(replayed))
    if replayed["incomplete"]:
        raise typer.Exit(INCOMPLETE)
    raise typer.Exit(OK if replayed["same"] else FAULT)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command; every mistake of the caller is one sentence and exit code 2."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # 2-3 s of import, python-jsonschema/jsonschema#1428
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except UsageError as error:
        print(f"wsbook: {error}", file=sys.stderr)
        sys.exit(USAGE)
    except UnreadableInputError as error:
        print(f"wsbook: {error}", file=sys.stderr)
        sys.exit(USAGE)
    except WsbookError as error:
        print(f"wsbook: {error}", file=sys.stderr)
        sys.exit(INCOMPLETE)
    except KeyboardInterrupt:
        print("wsbook: interrupted; what was seen so far is in the record", file=sys.stderr)
        sys.exit(INCOMPLETE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(OK)
