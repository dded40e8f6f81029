"""Lines of no known notation, gathered into templates; kept are the rare ones that look like errors. Must not judge them.

Templates are mined by Drain (P. He et al., "Drain: an online log parsing approach with fixed depth tree", ICWS 2017) as drain3 does it.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wsbook.facts import TemplateFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.pages import Page
from wsbook.secret_forms import hide_secrets

if TYPE_CHECKING:
    from drain3.drain import Drain

__all__ = ["Templates"]

SAMPLE_LINES = 4_000
"""Lines that look like errors and are mined of one log."""
CLUSTERS = 500
KEPT = 8
LINE_CHARS = 400
TOKENS = 60
ERROR = re.compile(
    r"\b(?:error|err|fail(?:ed|ure|ing)?|fatal|critical|crit|panic|exception|traceback|refused|denied|rejected|timed? ?out|abort(?:ed)?"
    r"|unable|cannot|can't|could not|couldn't|invalid|unexpected|dropped|dropping|lost|overflow|exhausted|too many|unreachable|reset by)\b",
    re.IGNORECASE,
)
NONE_OF_IT = re.compile(r"\b(?:0|no|without) (?:\w+ ){0,2}(?:errors?|failures?|failed|lost|dropped)\b|error_?count[=: ]+0\b", re.IGNORECASE)
HEAD = re.compile(r"^[\[<(]?(?:\d[\d:.,/TZ+ -]{6,32}|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)[\])>]?[ :-]*")
PARTS = (
    (re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\b|\b[0-9a-fA-F]{16,}\b"), "<id>"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|B|kB|KB|MB|GB|%)?\b"), "<n>"),
)


class Templates:
    """Mines a bounded sample of the lines that look like errors."""

    def __init__(self) -> None:
        self._drain: Drain | None = None
        self._seen = 0
        self._first: dict[int, tuple[int, str]] = {}
        self._last: dict[int, int] = {}

    def page(self, page: Page, known: set[int]) -> None:
        """Read the lines of a page. known: places in it of lines that are explained."""
        for index, (line, number) in enumerate(zip(page.lines, page.numbers, strict=True)):
            if self._seen >= SAMPLE_LINES:
                return
            if index in known:
                continue
            if ERROR.search(line[:LINE_CHARS]) and not NONE_OF_IT.search(line[:LINE_CHARS]):
                self._add(line, number)

    def _add(self, line: str, number: int) -> None:
        self._seen += 1
        text = HEAD.sub("", hide_secrets(line[:LINE_CHARS]))  # before a part of a secret is taken for a number
        for pattern, name in PARTS:
            text = pattern.sub(name, text)
        cluster, _ = self._miner().add_log_message(" ".join(text.split()[:TOKENS]))
        self._first.setdefault(cluster.cluster_id, (number, line[:LINE_CHARS]))
        self._last[cluster.cluster_id] = number

    def _miner(self) -> Any:
        if self._drain is None:
            from drain3.drain import Drain

            self._drain = Drain(max_clusters=CLUSTERS)
        return self._drain

    def observations(self, *, step: str, artifact: str) -> Iterator[Observation]:
        """Yield a TemplateFacts for each of the rarest templates."""
        clusters = sorted(self._drain.clusters, key=lambda one: (one.size, one.cluster_id)) if self._drain is not None else ()
        for cluster in clusters[:KEPT]:
            number, text = self._first[cluster.cluster_id]
            source = Source(step=step, probe="backend_log", artifact=artifact, line=number, line_end=self._last[cluster.cluster_id])
            yield observed(source, TemplateFacts(template=cluster.get_template()[:LINE_CHARS], count=cluster.size, text=text))
