"""Makes report.html and report.md from a record: one page that needs no network, and one text for a ticket.

Reads the record and nothing else; dials nothing, judges only when the record holds no judgement yet.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

from msgspec import Struct, ValidationError, convert

from wsbook import markup
from wsbook.chain import Link, chain
from wsbook.errors import UnreadableInputError
from wsbook.evidence import Evidence
from wsbook.finding import PROVEN, Finding, StepVerdict, Verdict
from wsbook.observation import Observation
from wsbook.plotlyjs import packed_plotly, script_hash
from wsbook.record import Record, write_atomically
from wsbook.report_notebooks import Output, outputs_by_step, read_notebook
from wsbook.target import Target
from wsbook.words import quantity

__all__ = ["Story", "read_story", "verdict_sentence", "write_report"]


class Story(Struct, frozen=True, kw_only=True):
    """Everything that a report tells, read once: for the page and for the ticket alike."""

    target: Target
    findings: tuple[Finding, ...]
    steps: tuple[StepVerdict, ...]
    observations: tuple[Observation, ...]
    links: tuple[Link, ...]
    environment: dict[str, Any]
    run: dict[str, Any]
    notebooks: dict[str, dict[str, Any]]
    outputs: dict[str, list[Output]]

    @property
    def roots(self) -> tuple[Finding, ...]:
        """The root causes, surest first."""
        return tuple(finding for finding in self.findings if finding.root)


def _judged(record: Record, target: Target, observations: list[Observation]) -> tuple[tuple[Finding, ...], tuple[StepVerdict, ...]]:
    stored = record.read_json("findings.json")
    if stored is None:
        from wsbook.rules import judge

        return judge(Evidence(target, observations))
    try:
        findings = convert(stored["findings"], tuple[Finding, ...])
        steps = tuple(convert({"step": step, "title": "", **said}, StepVerdict) for step, said in stored["steps"].items())
    except (KeyError, AttributeError, TypeError, ValidationError) as error:
        raise UnreadableInputError(f"{record.folder / 'findings.json'} is not of the schema wsbook.findings/1: {error}") from error
    return findings, steps


def read_story(folder: Path) -> Story:
    """Return what a record tells.

    Raises:
        UsageError: the folder is no record. UnreadableInputError: a file of it is broken.
    """
    record = Record(folder)
    target, observations = record.target(), record.observations()
    findings, steps = _judged(record, target, observations)
    notebooks = {path.stem: content for path in sorted(folder.glob("[0-9]*.ipynb")) if (content := read_notebook(path)) is not None}
    return Story(
        target=target,
        findings=findings,
        steps=steps,
        observations=tuple(observations),
        links=chain(target, observations),
        environment=record.read_json("environment.json") or {},
        run=record.read_json("run.json") or {},
        notebooks=notebooks,
        outputs=outputs_by_step(list(notebooks.values())),
    )


def verdict_sentence(story: Story) -> str:
    """Return what the investigation says as a whole, in one sentence."""
    from wsbook.causes import causes

    faults = [root for root in story.roots if root.verdict is Verdict.FAULT]
    if faults:
        first = causes()[faults[0].cause].title if faults[0].cause in causes() else faults[0].cause
        proven = sum(root.confidence >= PROVEN for root in faults[1:])
        others = [quantity(proven, "more root cause")] if proven else []
        others += [quantity(len(faults) - 1 - proven, "candidate")] if len(faults) - 1 - proven else []
        return f"{first} ({faults[0].confidence:.0%} sure)" + "".join(f", and {words}" for words in others)
    counts = {verdict: sum(step.verdict is verdict for step in story.steps) for verdict in Verdict}
    open_ones = counts[Verdict.UNKNOWN] + counts[Verdict.SKIPPED]
    return f"no fault was found: {counts[Verdict.CLEAR]} steps are clear, {open_ones} could not be decided"


def _policy(script: str) -> str:
    library = packed_plotly()
    scripts = " ".join([script_hash(script), *([library.csp_source] if library else [])])
    return f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def _page(story: Story) -> str:
    from wsbook.report_page import body

    style = files("wsbook").joinpath("report.css").read_text(encoding="utf-8")
    script = files("wsbook").joinpath("report.js").read_text(encoding="utf-8")
    content = body(story, verdict_sentence(story))
    library = packed_plotly() if 'data-plot="1"' in content else None
    packed = f'<script type="text/plain" id="plotly-gz">{library.base64_gzip}</script>' if library else ""
    title = markup.text(f"wsbook: {story.target.url or 'files'}")
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<meta name="referrer" content="no-referrer"><title>{title}</title><style>{style}</style>'
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{content}{packed}<script>{script}</script></body></html>\n'


def write_report(folder: Path) -> Path:
    """Write report.html and report.md into a record; return the path of report.html.

    Raises:
        UsageError: the folder is no record. UnreadableInputError: a file of it is broken.
    """
    from wsbook.report_ticket import ticket

    story = read_story(folder)
    write_atomically(folder / "report.md", ticket(story, verdict_sentence(story)).encode())
    path = folder / "report.html"
    write_atomically(path, _page(story).encode("utf-8", "replace"))
    return path
