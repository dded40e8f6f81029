"""Known texts in lines, for every parser of lines. Must not know any format."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from wsbook.observation import Observation, Source, observed
from wsbook.parsers.instants import find_instant
from wsbook.signatures import Matcher, Tally

__all__ = ["BATCH_LINES", "batched", "scan_batch", "tally_observations"]

BATCH_LINES = 20_000
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
HEADERS = re.compile(r'"[\w-]*headers?"\s*:\s*\{[^{}]*\}', re.IGNORECASE)
"""Header objects of JSON lines: what a client sent is no message of the program that logged it."""


def batched(lines: Iterable[str], size: int = BATCH_LINES) -> Iterator[list[str]]:
    """Yield lists of at most size lines, in which a line break counts as a space."""
    source = iter(lines)
    while batch := list(islice(source, size)):
        yield batch if not any("\n" in line for line in batch) else [line.replace("\n", " ") for line in batch]


def tally_observations(tally: Tally, *, probe: str, step: str, artifact: str) -> Iterator[Observation]:
    """Yield one observation per signature found."""
    for first, last, facts in tally.facts():
        yield observed(Source(step=step, probe=probe, artifact=artifact, line=first, line_end=last), facts)


def scan_batch(batch: list[str], offset: int, search: Matcher, tally: Tally) -> int:
    """Add the known texts of a batch to the tally and return how many lines held one. offset: lines before this batch."""
    if any("\x1b" in line for line in batch):
        batch = [ANSI.sub("", line) for line in batch]
    batch = [HEADERS.sub('"headers":{}', line) if line[:1] == "{" and "eaders" in line else line for line in batch]
    seen = set()
    for hit in search.scan(batch):
        seen.add(hit.index)
        tally.add(hit, offset + hit.index + 1, find_instant(batch[hit.index]))
    return len(seen)
