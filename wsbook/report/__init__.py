"""Makes report.html and report.md from a record: one page that needs no network, and one text for a ticket.

Reads the record and nothing else; dials nothing.
"""

from importlib.resources import files
from pathlib import Path

from wsbook import markup
from wsbook.report.page import body
from wsbook.report.plotlyjs import packed_plotly, script_hash
from wsbook.report.story import Story, read_story, verdict_sentence
from wsbook.report.ticket import ticket
from wsbook.whole import write_atomically

__all__ = ["Story", "read_story", "verdict_sentence", "write_report"]


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


def write_report(folder: Path) -> Path:
    """Write report.html and report.md into a record; return the path of report.html.

    Raises:
        UsageError: the folder is no record. UnreadableInputError: a file of it is broken.
    """
    story = read_story(folder)
    write_atomically(folder / "report.md", ticket(story, verdict_sentence(story)).encode())
    path = folder / "report.html"
    write_atomically(path, _page(story).encode("utf-8", "replace"))
    return path
