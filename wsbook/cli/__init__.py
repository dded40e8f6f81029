"""The wsbook command. Reads options, calls the library, prints; decides nothing about WebSockets.

Exit codes: 0 nothing wrong, 1 a fault was found, 2 usage, 3 the investigation could not be completed.
"""

import json
import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer

from wsbook.cli.console import make_console as _console
from wsbook.cli.exits import FAULT, INCOMPLETE, OK, USAGE
from wsbook.cli.load_command import load
from wsbook.cli.run_command import run
from wsbook.errors import UnreadableInputError, UsageError, WsbookError
from wsbook.secret import SEALED

__all__ = ["app", "main"]

EPILOG = """wsbook run  — the bundled lab, to see what an investigation looks like

wsbook run wss://shop.example/ws  — yours; add --page, --config, --log, …

wsbook read nginx.conf app.log  — files alone; nothing is dialled

wsbook COMMAND --help  — the options of a command"""

app = typer.Typer(
    name="wsbook",
    help="Find out why WebSocket updates do not arrive, and prove it.\n\nWithout an endpoint the bundled lab is investigated.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)

INVESTIGATE = "Investigate"
RECORDS = "Records"
MANY = "Many endpoints, many messages"
KNOWLEDGE = "The lab, and what wsbook knows"

Json = Annotated[bool, typer.Option("--json", help="Print machine-readable output only.")]
Symptom = Annotated[str, typer.Option(help="What people see, in a few words: '1006 after 60 s idle'.")]
Fault = Annotated[str, typer.Option(help="Slug of a fault to switch on in the lab; see: wsbook lab --list.")]
Many = list[str]
PROVE = (
    "Start the installed nginx, haproxy or caddy on a copy of each configuration, on loopback before a stub server and confined to a "
    "temporary folder, as it is and with the change that is proposed, and say whether an upgrade passes. Nothing else is started."
)


app.command(rich_help_panel=INVESTIGATE)(run)


@app.command(rich_help_panel=INVESTIGATE)
def read(
    files: Annotated[list[Path], typer.Argument(help="Logs, configurations, sources, HAR or console files, folders.")],
    kind: Annotated[str, typer.Option(help="What the files are, when that cannot be told from their content.")] = "",
    symptom: Symptom = "",
    url: Annotated[str, typer.Option(help="The endpoint, to know which route of a configuration serves it.")] = "",
    follow: Annotated[bool, typer.Option("--follow", help="Print known texts as logs grow, until Ctrl-C, instead of judging.")] = False,
    prove: Annotated[bool, typer.Option("--prove", help=PROVE)] = False,
    sarif: Annotated[Path | None, typer.Option(help="Write findings at a line of a file there too, as SARIF 2.1.0.")] = None,
    machine: Json = False,
) -> None:
    """Judge artifacts alone: nothing is dialled, and nothing is started but with --prove."""
    if follow:
        from wsbook.cli.following import follow_logs

        follow_logs(files, _console())
        raise typer.Exit(OK)
    from wsbook.cli.reading import read_artifacts, write_sarif
    from wsbook.cli.terminal import show_causes, show_steps

    judgement = read_artifacts(files, kind=kind, symptom=symptom, url=url, prove=prove)
    if sarif is not None:
        write_sarif(sarif, judgement, files)
    if machine:
        print(json.dumps(judgement.document()))
    else:
        console = _console()
        show_steps(console, [step for step in judgement.steps if step.summary != "not run"])
        show_causes(console, judgement.findings)
    raise typer.Exit(FAULT if judgement.faulty else OK)


@app.command(rich_help_panel=INVESTIGATE)
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
    url: Annotated[str, typer.Argument(metavar="[URL]", help="Endpoint, ws:// or wss://; it can be written into target.toml later.")] = "",
) -> None:
    """Make an investigation folder: notebooks, target.toml, artifacts/, .gitignore, git repository."""
    from wsbook.cli.folders import make_folder

    make_folder(folder, url, _console())


@app.command(name="open", rich_help_panel=INVESTIGATE)
def open_lab(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Investigation folder, made when it is not there; by default this one, else investigation/."),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Whether to open a browser on it.")] = True,
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65_535, help="Port on loopback; 0 is 8888 or the next free one.")] = 0,
) -> None:
    """Start JupyterLab on the notebooks, until Ctrl-C."""
    from wsbook.cli.jupyter import open_jupyterlab

    raise typer.Exit(open_jupyterlab(folder, _console(), browser=browser, port=port))


@app.command(rich_help_panel=RECORDS)
def report(record: Annotated[Path, typer.Argument(help="Record folder.")]) -> None:
    """Write report.html, report.md and findings.sarif of a record again."""
    from wsbook.record import Record
    from wsbook.report import write_report

    Record(record).target()
    _console().print(str(write_report(record)), soft_wrap=True)


@app.command(rich_help_panel=RECORDS)
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


@app.command(rich_help_panel=RECORDS)
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


app.command(rich_help_panel=MANY)(load)


@app.command(rich_help_panel=MANY)
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


@app.command(rich_help_panel=KNOWLEDGE)
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


@app.command(rich_help_panel=KNOWLEDGE)
def causes(
    words: Annotated[list[str] | None, typer.Argument(metavar="[SLUG | WORDS]", help="A slug, a part of one, or words.")] = None,
    machine: Json = False,
) -> None:
    """Show the catalogue of root causes: what one means, what tells it from its look-alikes, the fix, the cheapest test."""
    from msgspec import to_builtins

    from wsbook.causes import find_causes
    from wsbook.cli.knowledge import show_catalogue

    chosen = find_causes(" ".join(words or ()))
    if machine:
        print(json.dumps([to_builtins(entry) for entry in chosen]))
        return
    show_catalogue(_console(), chosen)


@app.command(rich_help_panel=KNOWLEDGE)
def symptoms(
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORDS]", help="What people see; without it the known symptoms.")] = None,
    machine: Json = False,
) -> None:
    """Show what a symptom may stand for: causes by rank, each with the cheapest test that separates it. Nothing is looked at."""
    from wsbook.cli.knowledge import show_candidates, show_symptoms
    from wsbook.cli.reading import candidates_of
    from wsbook.symptoms import symptoms as known

    said = " ".join(words or ())
    if not said:
        print(json.dumps({slug: one.title for slug, one in known().items()})) if machine else show_symptoms(_console())
        return
    found = candidates_of(said)
    if machine:
        print(json.dumps([{"cause": one.cause, "confidence": one.confidence, "check": one.check} for one in found]))
        return
    show_candidates(_console(), said, found)


@app.command(rich_help_panel=KNOWLEDGE)
def check(machine: Json = False) -> None:
    """Show what is installed and which steps it enables."""
    from wsbook.cli.equipment import equipment
    from wsbook.cli.knowledge import show_equipment

    found = equipment()
    if machine:
        print(json.dumps([{"name": tool.name, "found": tool.found, "enables": tool.enables, "install": tool.install} for tool in found]))
        return
    show_equipment(_console(), found)


@app.command(rich_help_panel=KNOWLEDGE)
def bench(
    names: Annotated[Many | None, typer.Argument(help="Faults or stacks of the lab; several faults at once are joined by +.")] = None,
    only: Annotated[
        Many | None,
        typer.Option(
            metavar="KIND", help="fault, healthy, together, until-sure, artifact or told; again for more. Default: all, over 2 h."
        ),
    ] = None,
    sample: Annotated[int, typer.Option(help="Only about so many of each kind, spread over the catalogue; 0 for all.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Trials at once; more than processors disturb what is measured.")] = 1,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what came of it as JSON; other trials that the file holds stay.")
    ] = None,
    machine: Json = False,
) -> None:
    """Investigate what has a known answer, and show how often it is named: faults of the lab, healthy stacks, artifact samples.

    Each fault is planted in a real deployment on loopback. Ctrl-C shows and writes what has been tried until then.
    """
    from msgspec import to_builtins

    from wsbook.accuracy import Trial
    from wsbook.cli.benching import Bench, chosen_kinds, read_trials, show_bench, write_accuracy

    console, trials = _console(machine), list[Trial]()
    wanted = Bench(kinds=chosen_kinds(only or ()), names=tuple(names or ()), sample=sample, jobs=jobs)
    before = read_trials(write) if write else []
    try:
        wanted.run(console, trials.append)
    finally:
        show_bench(console, trials)
        if write:
            write_accuracy(write, before, trials)
        if machine:
            print(json.dumps([{**to_builtins(trial), "right": trial.right} for trial in trials]))
    raise typer.Exit(OK if all(trial.right for trial in trials if not trial.problem) else FAULT)


def _interrupt(*_: object) -> None:
    """End as Ctrl-C ends it: what runs in asyncio is cancelled in order (asyncio.Runner), everything else is interrupted."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _inert(text: str) -> str:
    """Return what a terminal may show, and what may be pasted into a ticket: no secret, no control character."""
    from wsbook.redact import Redactor
    from wsbook.words import plain

    known = [value for name, value in os.environ.items() if name.startswith(SEALED)]
    return "\n".join(plain(line) for line in Redactor(known).text(text).splitlines())


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a bug of ours as Python does, without secrets: whoever meets it sends it to somebody."""
    print(_inert("".join(traceback.format_exception(kind, error, trace))), file=sys.stderr)


def _no_dead_kernel(said: logging.LogRecord) -> bool:
    """Pass over asyncio's report of a task that nobody awaits any more because an interrupt ended its kernel."""
    return not (said.exc_info and type(said.exc_info[1]).__name__ == "DeadKernelError")


_TYPER_INTERRUPTED = 130
"""What typer exits with when a command was interrupted; it lets no KeyboardInterrupt through."""


def main() -> None:
    """Run the command; every mistake of the caller is one sentence and exit code 2."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # 2-3 s of import, python-jsonschema/jsonschema#1428
    signal.signal(signal.SIGTERM, _interrupt)
    sys.excepthook = _crashed
    logging.getLogger("asyncio").addFilter(_no_dead_kernel)
    try:
        app(prog_name="wsbook")
    except (UsageError, UnreadableInputError) as error:
        print(f"wsbook: {_inert(str(error))}", file=sys.stderr)
        sys.exit(USAGE)
    except WsbookError as error:
        print(f"wsbook: {_inert(str(error))}", file=sys.stderr)
        sys.exit(INCOMPLETE)
    except SystemExit as ended:
        if ended.code != _TYPER_INTERRUPTED:
            raise
        print("wsbook: interrupted; what was seen so far is in the record", file=sys.stderr)
        sys.exit(INCOMPLETE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(OK)
