"""Makes report.html, report.md and findings.sarif from a record: one page that needs no network, one text for a ticket, and what
stands at a line of a file for code scanning.

Reads the record and nothing else; dials nothing.
"""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from msgspec.json import encode
from msgspec.json import format as indent

from wsbook import markup
from wsbook.finding import Finding
from wsbook.report.page import body
from wsbook.report.plotlyjs import packed_plotly, script_hash
from wsbook.report.sarif import sarif
from wsbook.report.story import Story, read_story, verdict_sentence
from wsbook.report.ticket import ticket
from wsbook.target import Target
from wsbook.whole import write_atomically

__all__ = ["Story", "read_story", "sarif_bytes", "verdict_sentence", "write_report"]


def _policy(script: str) -> str:
    library = packed_plotly()
    scripts = " ".join([script_hash(script), *([library.csp_source] if library else [])])
    return f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def _page(story: Story) -> str:
    style = files("wsbook.report").joinpath("report.css").read_text(encoding="utf-8")
    script = files("wsbook.report").joinpath("report.js").read_text(encoding="utf-8")
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


def sarif_bytes(findings: Iterable[Finding], target: Target) -> bytes:
    """Return findings.sarif."""
    return indent(encode(sarif(findings, target)), indent=2) + b"\n"


def write_report(folder: Path) -> Path:
    """Write report.html, report.md and findings.sarif into a record; return the path of report.html.

    Raises:
        UsageError: the folder is no record. UnreadableInputError: a file of it is broken.
    """
    story = read_story(folder)
    write_atomically(folder / "report.md", ticket(story, verdict_sentence(story)).encode())
    write_atomically(folder / "findings.sarif", sarif_bytes(story.findings, story.target))
    path = folder / "report.html"
    write_atomically(path, _page(story).encode("utf-8", "replace"))
    return path
